// @ts-check
// The panel of the weights: presets, the formula, a slider for each term and one for the steps.
const weights = (() => {
  const {config} = wsis;
  const {state, data} = page;
  const SAVE = '-save';
  const REMOVE = '-remove';

  /** Most steps that can be chosen. */
  const most = () => data.steps || config.steps;
  /** Whether the weights are those of the chosen preset. */
  const exact = () => presets.current().weights.every((w, i) => w === state.weights[i]);

  function draw() {
    const home = dom.host('weights');
    if (!home) return;
    if (!home.querySelector('.weight')) build(home);
    for (const b of dom.all(home, '[data-preset]'))
      b.setAttribute('aria-pressed', String(b.dataset.preset === state.preset && exact()));
    more(dom.one(home, 'header select', HTMLSelectElement));
    formula(dom.one(home, '.formula', HTMLElement));
    for (const [i, row] of dom.all(home, '.weight[data-term]').entries()) term(row, i);
    steps(dom.one(home, '.weight[data-steps]', HTMLElement));
    const grown = dom.one(home, '.grown', HTMLSelectElement);
    dom.fill(grown, enhancers());
    grown.value = data.enhancer || state.enhancer;
  }
  /** What the model can grow maps by. */
  const enhancers = () =>
    markup.html`${data.enhancers.map(
      name => markup.html`<option value="${name}">${config.enhancers[name].title}</option>`,
    )}`;
  /** @param {HTMLElement} home */
  function formula(home) {
    const {formula, note} = presets.current();
    const terms = panels.termNames().flatMap((name, i) => {
      if (name === words.UNUSED) return [];
      return [markup.html`<b class="${words.TERMS[i]}">${words.SYMBOLS[i]}</b>·${name}`];
    });
    home.innerHTML = `S(P) = ${terms.join(' + ')}`;
    home.title = `${formula || ''} — ${note || ''}`;
  }
  /** @param {HTMLElement} row */
  const inputs = row => ({
    range: dom.one(row, '[type=range]', HTMLInputElement),
    number: dom.one(row, '[type=number]', HTMLInputElement),
  });
  /** @param {HTMLElement} row @param {number} i */
  function term(row, i) {
    const {meaning, ranges} = presets.current();
    const [name, text] = meaning[i];
    const [max, step] = ranges[i];
    const weight = state.weights[i];
    const {range, number} = inputs(row);
    row.classList.toggle('unused', name === words.UNUSED);
    range.disabled = number.disabled = name === words.UNUSED;
    dom.one(row, '.name', HTMLElement).textContent = name;
    range.setAttribute('aria-label', name);
    number.setAttribute('aria-label', `${name}, number`);
    dom.one(row, 'small', HTMLElement).textContent = row.title = text;
    set(range, {max: Math.max(max, weight), step}, weight);
    set(number, {step}, weight, step < 0.01 ? String(weight) : weight.toFixed(2));
    row.style.setProperty('--share', `${(100 * weight) / Math.max(max, weight)}%`);
  }
  /** @param {HTMLElement} row */
  function steps(row) {
    const max = Math.max(1, most());
    const step = data.match ? page.now.right.step : state.step;
    const {range, number} = inputs(row);
    set(range, {max}, step);
    set(number, {max}, step);
    row.style.setProperty('--share', `${(100 * step) / max}%`);
  }
  /**
   * An input's attributes and value, unless the visitor is typing just that.
   * @param {HTMLInputElement} input @param {{max?: number, step?: number}} attributes
   * @param {number} value @param {string} text
   */
  function set(input, {max, step}, value, text = String(value)) {
    if (max !== undefined && input.max !== String(max)) input.max = String(max);
    if (step !== undefined && input.step !== String(step)) input.step = String(step);
    const active = document.activeElement === input;
    const same = Number(input.value) === value;
    if (active && input.type === 'number' && input.value !== '' && same) return;
    if ((input.value !== text && !same) || !active) input.value = text;
  }
  /** @param {HTMLSelectElement} list the presets that have no button, and what can be done with one's own */
  function more(list) {
    const own = presets.own();
    const others = Object.keys(config.presets).filter(name => !config.main.includes(name));
    /** @param {string} name @param {string} title */
    const option = (name, title) => markup.html`<option value="${name}">${title}</option>`;
    const names = Object.keys(own).map(name => option(name, name));
    dom.fill(
      list,
      markup.html`
        <option value="">More</option>
        ${others.map(name => option(name, config.presets[name].title))}
        ${names.length > 0 && markup.html`<optgroup label="Yours">${names}</optgroup>`}
        <option value="${SAVE}">Save these weights …</option>
        ${own[state.preset] && option(REMOVE, `Remove “${state.preset}”`)}`,
    );
    const chosen = config.main.includes(state.preset) ? '' : state.preset;
    list.value = chosen;
    list.classList.toggle('now', !!chosen && exact());
  }
  function save() {
    const name = prompt('A name for these weights. They stay in this browser.', '');
    const {reading} = presets.current();
    if (name === null || !presets.save(name, {reading, weights: state.weights})) draw();
  }

  // --- built once ---------------------------------------------------------------------------------------------------
  /** @param {HTMLElement} home */
  function build(home) {
    dom.build(home, content());
    for (const b of dom.all(home, '[data-preset]'))
      b.addEventListener('click', () => acts.setPreset(b.dataset.preset ?? ''));
    const list = dom.one(home, 'header select', HTMLSelectElement);
    list.addEventListener('change', () => {
      if (list.value === SAVE) save();
      else if (list.value === REMOVE) presets.remove(state.preset);
      else if (list.value) acts.setPreset(list.value);
    });
    const grown = dom.one(home, '.grown', HTMLSelectElement);
    grown.addEventListener('change', () => acts.setEnhancer(grown.value));
    for (const row of dom.all(home, '.weight'))
      for (const input of Object.values(inputs(row))) {
        input.addEventListener('input', () => take(row, input, false));
        input.addEventListener('change', () => {
          take(row, input, true);
          wire.settle();
        });
      }
  }
  function content() {
    const main = config.main.map(
      name => markup.html`<button type="button" data-preset="${name}">${config.presets[name].short}</button>`,
    );
    const list = markup.html`<select class="grown" aria-label="Enhancer: what grows the naive map"></select>`;
    return markup.html`
      <header>
        <h2>Weights</h2>
        <div class="segments" role="group" aria-label="Presets">
          ${main}
          <select aria-label="More presets"></select>
        </div>
      </header>
      <p class="formula"></p>
      ${words.TERMS.map((term, i) => slider(markup.html`data-term="${i}"`, term, words.SYMBOLS[i], term))}
      ${slider(markup.html`data-steps`, 'steps', 'T', 'steps', list)}`;
  }
  /**
   * @param {Markup} attribute @param {string} kind @param {string} symbol @param {string} label
   * @param {Markup | null} list beside the label
   */
  function slider(attribute, kind, symbol, label, list = null) {
    return markup.html`
      <div class="weight ${kind}" ${attribute}>
        <label><em>${symbol}</em> <span class="name">${label}</span></label>
        ${list}
        <input type="number" min="0" inputmode="decimal" aria-label="${label}, number">
        <input type="range" min="0" aria-label="${label}">
        <small></small>
      </div>`;
  }
  /** What an input says. @param {HTMLElement} row @param {HTMLInputElement} input @param {boolean} done */
  function take(row, input, done) {
    const value = Number(input.value);
    if (input.value === '' || !(value >= 0)) {
      if (done) page.change({}, 'weights');
    } else if (row.dataset.term === undefined) {
      if (value !== page.now.right.step)
        page.change({step: Math.min(Math.round(value), most()), preview: null}, 'step');
    } else {
      const i = Number(row.dataset.term);
      acts.setWeights(
        state.weights.map((w, j) => (j === i ? value : w)),
        false,
      );
    }
  }
  return {draw};
})();
