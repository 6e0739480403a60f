// @ts-check
// The panels around the stage, as one: what is drawn when, clicks and keys in them, the pill in the head. Each is built
// once and updated in place, so that a drag moves numbers and pictures without a question to Python.
const panels = (() => {
  const {state, data} = page;
  /** After these, what is picked scrolls into sight. @type {Why[]} */
  const PICKED = ['photo', 'analysis', 'peak'];
  const QUEUE_EVERY = 15000;

  /** The square in a peak's colour. @param {string | undefined} colour */
  const dot = colour => (colour ? markup.html`<i style="background:${colour}"></i>` : '');
  /** Grey lines where something is being worked out. @param {number} rows */
  const skeleton = rows => markup.html`<div class="skeleton">${Array(rows).fill(markup.html`<i></i>`)}</div>`;
  /** What a panel without peaks shows. @param {string} text @param {number} rows */
  const waiting = (text, rows = 2) => (data.busy ? skeleton(rows) : markup.html`<p class="hint">${text}</p>`);
  /** What the three terms are called, in the reading of the chosen preset. */
  const termNames = () => presets.current().meaning.map(([name]) => name);

  /** Whether lists in files shall hold what is unsure, too. */
  const asked = () => dom.one(document, '#with-unsure', HTMLInputElement).checked;

  // --- clicks and keys ----------------------------------------------------------------------------------------------
  /**
   * What a click on an element with `data-NAME` does.
   * @type {Record<string, (value: string, b: HTMLElement) => void>}
   */
  const CLICKS = {
    get: (kind, {dataset: {index}}) => wire.download(kind, index ? {index: Number(index)} : {unsure: asked()}),
    class: (name, b) => acts.setClass(name, b.getAttribute('aria-pressed') !== 'true'),
    only: name => acts.setClass(name, true, true),
    kin: group => classes.toggle(group),
    offer: (id, {dataset: {of}}) => table.look(Number(of), Number(id)),
    peak: k => acts.pick(Number(k)),
    walk: by => acts.walk(Number(by)),
    preview: id => ranking.pin(Number(id)),
    fold: i => ranking.unfold(i),
    share: (_, b) => acts.share(b),
  };
  document.addEventListener('click', event => {
    for (const [name, act] of Object.entries(CLICKS)) {
      const hit = dom.hit(event, `#screen [data-${name}], #top [data-${name}]`);
      if (hit) return act(hit.dataset[name] ?? '', hit);
    }
  });
  document.addEventListener('change', event => {
    const list = dom.hit(event, 'select');
    if (!(list instanceof HTMLSelectElement)) return;
    if (list.matches('#classes .more') && list.value) acts.setClass(list.value, true);
    const axis = plotAxes().indexOf(list);
    if (axis >= 0) setAxis(axis, Number(list.value));
  });
  document.addEventListener('keydown', event => {
    const list = dom.hit(event, '.peaks, .proposals');
    const button = dom.hit(event, 'button');
    const by = {ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!list || !button || !by || button.matches('.fold, .one')) return;
    const all = dom.all(list, list.matches('.proposals') ? '.proposal' : ':scope > *');
    const next = all[(all.indexOf(button) + by + all.length) % all.length];
    event.preventDefault();
    next.focus();
    next.click();
  });
  // Gradio's sliders tell when the mouse lets go, not when a key does.
  document.addEventListener('keyup', event => {
    if (dom.hit(event, '#advanced .knob input[type=range]') && /^(Arrow|Page|Home|End)/.test(event.key))
      wire.look('adjust');
  });

  // --- the head -----------------------------------------------------------------------------------------------------
  let dragging = false;
  let queued = false;
  document.addEventListener(
    'pointerdown',
    () => {
      dragging = true;
    },
    true,
  );
  document.addEventListener(
    'pointerup',
    () => {
      dragging = false;
    },
    true,
  );
  /** How many wait for the networks, asked now and then while nothing else goes on. */
  async function queue() {
    if (document.hidden || dragging || data.place) return;
    try {
      const {waiting} = await (await fetch('place')).json();
      pill(waiting ? `${waiting} waiting` : '');
    } catch {
      pill('The server does not answer');
    }
  }
  /** @param {string} text */
  function pill(text) {
    const place = document.querySelector('#top .queue');
    if (place) Object.assign(place, {hidden: !text, textContent: text});
  }
  setInterval(queue, QUEUE_EVERY);

  // --- below the stage ----------------------------------------------------------------------------------------------
  /** The lists that name the two weights of the sensitivity plot. */
  const plotAxes = () => dom.all(document, '#axes select').filter(one => one instanceof HTMLSelectElement);
  function axes() {
    for (const [i, list] of plotAxes().entries()) {
      const options = termNames().map((name, t) =>
        name === words.UNUSED ? '' : markup.html`<option value="${t}">${words.SYMBOLS[t]} ${name}</option>`,
      );
      dom.fill(list, markup.html`${options}`);
      list.value = String(state.axes[i]);
    }
  }
  /**
   * The two stay different: the other takes the place of the one that is chosen.
   * @param {number} i @param {number} to
   */
  function setAxis(i, to) {
    const both = [...state.axes];
    if (both[1 - i] === to) both[1 - i] = both[i];
    both[i] = to;
    page.change({axes: both}, 'tab');
    wire.settle();
  }
  /** What belongs to a photo fades while another is looked at, and what Python drew until it has drawn it anew. */
  function belongs() {
    const looking = data.looking && (data.photo || state.token);
    dom.one(document, '#screen', HTMLElement).dataset.looking = looking ? (state.token ? 'old' : 'new') : '';
    const drawn = data.drawn === `${state.token}${state.tab}`;
    dom.one(document, '#below', HTMLElement).dataset.drawn = String(drawn);
    for (const b of dom.all(document, '#downloads button, .stage .take button, .top > button'))
      if (b instanceof HTMLButtonElement) b.disabled = data.looking || !state.token;
  }
  page.listen(why => {
    belongs();
    if (data.place || queued) pill(data.place ? words.place(data.place) : '');
    queued = !!data.place;
    if (why === 'place') return;
    if (['tab', 'analysis', 'photo', 'back'].includes(why)) axes();
    models.draw(why);
    if (['tab', 'settled', 'drawn', 'notice', 'models', 'grid'].includes(why)) return;
    if (['photo', 'back', 'analysis', 'empty', 'busy'].includes(why)) classes.draw();
    if (why === 'view' || why === 'preview') return ranking.draw();
    weights.draw();
    peaks.draw(why);
    ranking.draw();
    firmness.draw(why);
    table.draw(why);
    table.status();
  });
  return {PICKED, dot, skeleton, waiting, termNames};
})();
