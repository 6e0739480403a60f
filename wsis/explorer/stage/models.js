// @ts-check
// The menu of models behind the pill in the head: which there are, what they cost, and which looks at photos. The same
// list says which one stands on the left of the swipe.
const models = (() => {
  const {config} = wsis;
  const {state, data} = page;
  /** Before a model's name where an enhancer's might stand. */
  const MODEL = 'model:';
  const POLL = 300;
  /** Whether the rows choose the left of the swipe. */
  let comparing = false;
  let asked = false;
  let entered = false;

  const button = () => document.querySelector('#model');
  const menu = () => document.querySelector('#models');
  const rows = () => data.menu?.rows ?? [];
  /** The model that stands on the left of the swipe. @param {string} compare */
  const compared = compare => (compare.startsWith(MODEL) ? compare.slice(MODEL.length) : '');
  /** Those that can stand beside the one on the screen. */
  const others = () =>
    rows()
      .filter(row => row.state !== 'broken' && row.name !== data.model)
      .map(row => row.name);
  const isOpen = () => {
    const home = menu();
    return home instanceof HTMLElement && !home.hidden;
  };

  /** @param {ModelRow} row */
  function item({name, about, note, state: how}) {
    const chosen = comparing ? compared(state.compare) === name && state.swipe : state.model === name;
    const broken = how === 'broken';
    const right = comparing && name === data.model;
    return markup.html`
      <button type="button" role="menuitemradio" tabindex="-1" class="row ${how}" data-model="${name}"
        aria-checked="${String(chosen)}" aria-disabled="${String(broken || right)}">
        <span class="check" aria-hidden="true">${chosen ? '✓' : ''}</span>
        <span class="what"><b>${name}</b><small>${broken ? note : about}</small></span>
        <span class="note">${broken ? 'cannot be used' : right ? 'right side' : note}</span>
      </button>`;
  }
  function content() {
    const many = others().length > 0 && !!state.token;
    const more = comparing ? 'Back to the model that looks' : 'Compare two models in the swipe';
    const {loaded = 0, megabytes = 0} = data.menu ?? {};
    return markup.html`
      ${comparing && markup.html`<p class="head" role="presentation">On the left of the swipe</p>`}
      ${data.menu ? rows().map(item) : panels.skeleton(2)}
      <span class="foot" role="presentation">
        ${many && markup.html`<button type="button" role="menuitem" tabindex="-1" data-compare>${more}</button>`}
        <small title="Weights in memory; the two models used last are kept">${loaded} loaded · ${megabytes} MB</small>
      </span>`;
  }
  /** @param {boolean} open @param {boolean} [focus] whether the button gets the focus back */
  function show(open, focus = true) {
    const [home, pill] = [menu(), button()];
    if (!(home instanceof HTMLElement) || !(pill instanceof HTMLElement)) return;
    const closes = !open && !home.hidden;
    home.hidden = !open;
    pill.setAttribute('aria-expanded', String(open));
    comparing = false;
    if (closes && focus) pill.focus();
    if (!open) return;
    entered = false;
    wire.ask('models');
    draw();
  }
  /** The keyboard goes to the chosen row, as soon as there are rows. */
  function enter() {
    const all = items();
    entered = all.length > 0;
    (all.find(one => one.getAttribute('aria-checked') === 'true') ?? all[0])?.focus();
  }
  const items = () => {
    const home = menu();
    return home ? dom.all(home, '[role^=menuitem]') : [];
  };
  /** While a model is loaded the rows say how far that is. */
  function poll() {
    if (!isOpen()) return;
    if (!data.busy) return show(false);
    wire.ask('models');
    setTimeout(poll, POLL);
  }
  /** @param {HTMLElement} one */
  function choose(one) {
    if (one.getAttribute('aria-disabled') === 'true') return;
    const {model} = one.dataset;
    if (model === undefined) {
      comparing = !comparing;
      draw();
      return items()[0]?.focus();
    }
    const row = rows().find(other => other.name === model);
    if (comparing) acts.setCompare(MODEL + model);
    else acts.setModel(model);
    if (row?.state === 'loaded' || !data.busy) return show(false);
    setTimeout(poll, POLL);
  }
  document.addEventListener('click', event => {
    if (dom.hit(event, '#model')) return show(!isOpen());
    const one = dom.hit(event, '#models [role^=menuitem]');
    if (one) choose(one);
    else if (isOpen() && !dom.hit(event, '#models')) show(false, false);
  });
  document.addEventListener('keydown', event => {
    if (dom.hit(event, '#model') && event.key === 'ArrowDown') {
      event.preventDefault();
      return show(true);
    }
    if (!isOpen() || !dom.hit(event, '#models')) return;
    const all = items();
    const at = all.findIndex(one => one.matches(':focus'));
    const to = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1}[event.key];
    if (to !== undefined) {
      event.preventDefault();
      all.at(to % all.length)?.focus();
    } else if (event.key === 'Escape') show(false);
    else if (event.key === 'Tab') show(false, false);
    else if (/^\w$/.test(event.key)) {
      const after = [...all.slice(at + 1), ...all.slice(0, at + 1)];
      after.find(one => one.dataset.model?.toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
    }
  });

  /**
   * What the pill says beside the name; of a model of kinds how many there are to choose from.
   * @param {ModelRow | undefined} row
   */
  function known(row) {
    const kinds = row && / in ([\d,]+) kinds/.exec(row.about);
    if (kinds) return `${kinds[1]} classes`;
    if (row) return row.about.split(' · ')[0];
    return state.model === config.model.name ? words.plural(config.model.classes, 'class', 'classes') : '';
  }
  /** @param {Why} [why] */
  function draw(why) {
    if (!asked && (why === 'photo' || why === 'empty') && (state.token || why === 'empty')) {
      asked = true; // once, for the list beside the swipe
      wire.ask('models');
    }
    const pill = button();
    const row = rows().find(one => one.name === state.model);
    if (pill instanceof HTMLElement)
      dom.fill(
        pill,
        markup.html`<b>${state.model}</b><span>${known(row)}</span><span class="caret" aria-hidden="true">▾</span>`,
      );
    const home = menu();
    if (!(home instanceof HTMLElement) || home.hidden) return;
    dom.fill(home, content());
    if (!entered && data.menu) enter();
  }
  return {MODEL, compared, others, draw};
})();
