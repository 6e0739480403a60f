// @ts-check
// The tab Teach: what a visitor does goes to Python, one thing at a time; what Python draws goes to its places.
const teach = (() => {
  const KEY = 'wsis-teach';
  /** @type {Record<string, string>} */
  const ANSWERS = {y: 'yes', n: 'no', l: 'later'};
  /** Photos that are named to Python at a time. */
  const AT_ONCE = 8;

  /** @type {HTMLElement | null} */
  let root = null;
  /** @type {Trigger} */
  let trigger = () => {};
  /** @type {Upload | null} */
  let upload = null;
  /** What is on the screen. */
  const now = {token: '', class: '', photo: '', serial: 0, classes: /** @type {string[]} */ ([]), top: ''};
  /** The request under way, by its ticket; empty where there is none. */
  let flying = '';
  /** What is asked for next. @type {(() => void) | null} */
  let waiting = null;
  /** Whether what is under way brings photos, so that the question stays. */
  let arriving = false;
  let looking = false;
  /** How many requests were sent; a look that began before the last of them tells nothing new. */
  let sent = 0;
  let lookedAt = 0;
  let opened = false;

  const home = () => dom.known(root);
  /** @param {string} name */
  const place = name => dom.one(home(), `[data-teach="${name}"]`, HTMLElement);
  /** @param {string} selector @returns {HTMLImageElement} */
  const image = selector => dom.one(home(), selector, HTMLImageElement);
  /** @param {string} id @returns {HTMLInputElement} */
  const field = id => dom.one(home(), id, HTMLInputElement);
  const shown = () => page.state.tab === 'teach';

  function remembered() {
    try {
      return localStorage.getItem(KEY) ?? '';
    } catch {
      return ''; // this browser keeps nothing
    }
  }
  /** @param {string} token */
  function remember(token) {
    now.token = token;
    try {
      if (token) localStorage.setItem(KEY, token);
    } catch {
      // as long as the page is open, it knows
    }
  }

  /**
   * Ask Python; while it answers, nothing else is taken.
   * @param {string} act @param {Record<string, unknown>} data @param {boolean} heavy
   */
  function ask(act, data = {}, heavy = false) {
    const answers = act === 'answer' || act === 'undo';
    if (flying) {
      // A key meant the photo that is about to go, unless photos arrive; anything else can wait.
      if (!answers || arriving) waiting = () => ask(act, data, heavy);
      return;
    }
    sent += 1;
    flying = String(sent);
    arriving = act === 'photos';
    home().classList.toggle('busy', answers);
    trigger(heavy ? 'edit' : 'select', {act, ...base(), ticket: flying, ...data});
  }
  const base = () => ({token: now.token, class: now.class, photo: null, has: now.photo});

  /** The next photos are looked at, a second or so at a time. */
  function look() {
    if (looking) return;
    looking = true;
    lookedAt = sent;
    trigger('edit', {act: 'look', ...base(), photo: now.photo || null, ticket: 'look'}); // the question stays
  }

  /** @param {TeachMessage | null} message */
  function receive(message) {
    if (!message || !root) return;
    const own = message.ticket === flying;
    if (own) flying = '';
    if (message.act === 'look') looking = false;
    if (own) home().classList.remove('busy');
    if (message.token !== undefined) remember(message.token);
    // What was asked for since a look began shows more than it knows.
    const stale = message.serial < now.serial || (message.act === 'look' && (sent !== lookedAt || !!flying));
    if (message.parts && !stale) draw(message);
    if (own || message.fault) blame(message.fault);
    const next = waiting;
    if (own) waiting = null;
    if (own) next?.();
    if (message.csv !== undefined) save(message.csv);
    if (message.wait) setTimeout(look, 1000 * message.wait);
    else if (message.left && !(message.fault && message.act === 'look')) look();
    if (message.act === 'class' && !message.fault) {
      field('#teach-class').value = '';
      field('#teach-class').blur();
    }
    if (message.act === 'open' && !now.classes.length && shown()) field('#teach-class').focus();
  }

  /** @param {TeachMessage} message */
  function draw(message) {
    now.serial = message.serial;
    now.class = message.class ?? '';
    now.classes = message.classes ?? [];
    for (const [name, html] of Object.entries(message.parts ?? {})) dom.fill(place(name), new Markup(html));
    now.photo = home().dataset.photo = message.asked ?? '';
    dom.one(home(), '.teach-stage', HTMLElement).hidden = !now.photo;
    if (message.picture) image('.teach-photo').src = message.picture;
    const map = image('.teach-frame > .teach-map');
    map.hidden = !message.map;
    if (message.map) map.src = message.map;
    home().classList.toggle('empty', !now.classes.length);
  }

  /** One sentence where it happened. @param {[string, string] | undefined} fault */
  function blame(fault) {
    for (const name of ['class', 'photos', 'answer']) {
      const text = fault?.[0] === name && fault[1];
      dom.fill(
        place(`fault-${name}`),
        markup.html`${text && markup.html`<p class="teach-fault" role="alert">${text}</p>`}`,
      );
    }
    if (fault?.[0] === 'save') {
      dom.fill(place('save'), markup.html`<p class="teach-fault" role="alert">${fault[1]}</p>`);
    }
  }

  /** The answers as a file. @param {string} text */
  function save(text) {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], {type: 'text/csv'}));
    link.download = 'labels.csv';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  /** @param {string} answer */
  function answer(answer) {
    if (now.photo && now.class) ask('answer', {answer, of: now.photo});
  }

  /** Files go to the server, a few at a time; Python is told of them as they arrive. @param {File[]} files */
  async function send(files) {
    const wanted = files.filter(dropped.wanted);
    if (!wanted.length) return blame(['photos', 'There is no photo and no zip among these files.']);
    for (let i = 0; i < wanted.length; i += AT_ONCE) {
      said(`Uploading ${i + 1} of ${wanted.length}`);
      try {
        const part = wanted.slice(i, i + AT_ONCE);
        const arrived = await Promise.all(
          part.map(async one => ({name: one.name, path: (await dom.known(upload)(one)).path})),
        );
        await idle();
        ask('photos', {files: arrived, photo: now.photo || null});
        await idle();
      } catch (error) {
        const told = error instanceof Error && /^HTTP \d+: (.+\.)$/.exec(error.message)?.[1];
        said('');
        return blame([
          'photos',
          told || 'The upload did not arrive. Is a file too large, or the server gone? Try again.',
        ]);
      }
    }
    said('');
  }
  /** @param {string} text */
  const said = text => dom.fill(place('said'), markup.html`${text}`);
  /** Until nothing is under way. */
  const idle = async () => {
    while (flying) await new Promise(then => setTimeout(then, 20));
  };

  /** @param {MouseEvent} event */
  function click(event) {
    const b = dom.hit(event, 'button');
    if (!b) return;
    const {teachClass, teachAnswer, teachAct, teachPhoto, teachOf, teachChoose} = b.dataset;
    if (teachClass) ask('open', {class: teachClass});
    else if (teachAnswer) answer(teachAnswer);
    else if (teachAct) ask(teachAct, {photo: now.photo || null});
    else if (teachPhoto) ask('open', {photo: teachPhoto, class: teachOf || now.class});
    else if (teachChoose) dom.one(home(), `[data-teach-input=${teachChoose}]`, HTMLInputElement).click();
  }

  /** @param {KeyboardEvent} event */
  function press(event) {
    if (!shown() || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (dom.hit(event, 'input, select, textarea, [contenteditable], [role=menu], [role=dialog]')) return;
    const key = event.key.toLowerCase();
    if (ANSWERS[key]) answer(ANSWERS[key]);
    else if (key === 'u') ask('undo');
    else if (key === 't') field('#teach-class').focus();
    else if (/^[1-9]$/.test(key) && now.classes[Number(key) - 1]) ask('open', {class: now.classes[Number(key) - 1]});
    else return;
    event.preventDefault();
  }

  /** The tab was opened, or the page with it. */
  function open() {
    if (!shown() || opened || !root) return;
    opened = true;
    now.token = remembered();
    ask('open');
  }

  /**
   * @param {HTMLElement} element @param {{value: TeachMessage}} props @param {Trigger} triggers @param {Watch} watch
   * @param {Upload} uploads
   */
  function mount(element, props, triggers, watch, uploads) {
    root = dom.one(element, '[data-teach-page]', HTMLElement);
    trigger = triggers;
    upload = uploads;
    root.classList.add('empty');
    watch('value', () => receive(props.value));
    root.addEventListener('click', click);
    root.addEventListener('submit', event => {
      event.preventDefault();
      const form = dom.hit(event, 'form')?.dataset.teachForm;
      if (form === 'class') ask('class', {name: field('#teach-class').value, photo: now.photo || null});
      if (form === 'save') ask('save', {name: field('#teach-name').value, photo: now.photo || null}, true);
    });
    root.addEventListener('change', event => {
      const {target} = event;
      if (target instanceof HTMLSelectElement) return ask('top', {top: target.value, photo: now.photo || null});
      if (!(target instanceof HTMLInputElement) || !target.dataset.teachInput) return;
      send([...(target.files ?? [])]);
      target.value = '';
    });
    root.addEventListener('dragover', event => event.preventDefault());
    root.addEventListener('drop', async event => {
      if (!event.dataTransfer?.files.length) return;
      event.preventDefault();
      send(await dropped.files(event.dataTransfer));
    });
    document.addEventListener('keydown', press);
    page.listen(why => why === 'tab' && open());
    open();
  }
  /** Python could not do it. */
  function failed() {
    flying = '';
    waiting = null;
    looking = false;
    root?.classList.remove('busy');
    blame(['answer', 'The server could not do that. Try again; what was answered before is kept.']);
  }
  return {mount, failed};
})();
