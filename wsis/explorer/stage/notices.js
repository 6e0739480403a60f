// @ts-check
// Words over and below the photo: what is waited for, what went wrong, what can be done about it.
class Notices {
  /** @param {HTMLElement} element the stage */
  constructor(element) {
    /** @param {string} selector */
    const one = selector => dom.one(element, selector, HTMLElement);
    this.element = element;
    this.message = {
      box: one('.message'),
      title: one('.message h3'),
      text: one('.message p'),
      button: one('.message .primary'),
      likeliest: one('.message .likeliest'),
    };
    this.waiting = {box: one('.waiting'), text: one('.waiting p')};
    this.notice = {box: one('.notice'), text: one('.notice span'), again: one('.notice .again')};
    this.message.button.addEventListener('click', Notices.#offer);
    this.message.likeliest.addEventListener('click', event => {
      const hit = dom.hit(event, 'button');
      if (hit) Notices.#lookFor(hit.dataset.name ?? '');
    });
    one('.notice .close').addEventListener('click', () => page.notice(''));
    this.notice.again.addEventListener('click', () => {
      if (page.data.retry) wire.again();
      else photos.again(page.data.gone);
    });
  }

  /** What the button in the middle of the stage offers. */
  static #offer() {
    const {retry, empty} = page.data;
    if (retry) wire.again();
    else if (empty?.name) Notices.#lookFor(empty.name);
    else photos.choose();
  }

  /** @param {string} name */
  static #lookFor(name) {
    wire.look('class', {name, on: true}, `Looking for ${name}`);
  }

  /** One more class that it may be. @param {ClassScore} one */
  static #guess({name, score}) {
    return markup.html`
      <button type="button" class="chip" data-name="${name}" aria-label="Look for ${name}">${name}
        <b>${words.unit(score)}</b></button>`;
  }

  draw() {
    const {data} = page;
    const {empty} = data;
    const {message, waiting, notice} = this;
    message.box.hidden = !empty || (!!data.busy && !data.photo);
    if (empty) {
      dom.text(message.title, empty.title);
      dom.text(message.text, empty.text);
      dom.text(message.button, empty.offer || '');
      message.button.hidden = !empty.offer;
      const others = (empty.likeliest ?? []).slice(1);
      dom.fill(message.likeliest, markup.html`${others.map(Notices.#guess)}`);
    }
    waiting.box.hidden = !data.busy;
    waiting.box.classList.toggle('over', !!data.photo);
    dom.text(waiting.text, data.place ? `The server is busy: ${words.place(data.place)}` : `${data.busy || ''} …`);
    notice.box.hidden = !data.notice;
    dom.text(notice.text, data.notice || '');
    notice.again.hidden = !data.gone && !data.retry;
    dom.text(notice.again, data.retry ? 'Try again' : 'Analyse again');
    this.element.classList.toggle('none', !data.peaks.length);
    this.element.setAttribute('aria-busy', String(!!data.busy));
  }
}
