// @ts-check
// The panel of the weights: presets, the formula, a slider for each term and one for the steps.
const weights = (() => {
  const {config} = wsis;
  const {state, data} = page;
  const SAVE = '-save';
  const REMOVE = '-remove';
  /** Places of a slider's thumb. */
  const PLACES = 1000;
  /** How the sliders spend their travel, and what from. @type {{key: string, field: Field | null, knots: Knots}[]} */
  const spent = [];

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
    triangle.draw(dom.one(home, '.simplex', HTMLElement));
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
    const sum = terms.map((one, i) => [i > 0 && ' + ', one]);
    const rated = data.match && match.rated(data.match);
    dom.fill(home, rated ? markup.html`S(P) = <i>r</i>·(${sum})` : markup.html`S(P) = ${sum}`);
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
    const place = Math.round(PLACES * travel.place(knots(i), weight));
    row.classList.toggle('unused', name === words.UNUSED);
    range.disabled = number.disabled = name === words.UNUSED;
    dom.text(dom.one(row, '.name', HTMLElement), name);
    range.setAttribute('aria-label', name);
    number.setAttribute('aria-label', `${name}, number`);
    row.title = text;
    set(range, {max: PLACES, step: 1}, place);
    const told = words.weight(weight, max);
    if (range.getAttribute('aria-valuetext') !== told) range.setAttribute('aria-valuetext', told);
    set(number, {step}, weight, shortest(weight, step));
    row.style.setProperty('--share', `${(100 * place) / PLACES}%`);
    band(dom.one(row, 'canvas', HTMLCanvasElement), i);
  }
  /**
   * A weight as its field shows it: two digits, or as many as it has.
   * @param {number} weight @param {number} step
   */
  const shortest = (weight, step) =>
    step < 0.01 || Math.abs(100 * weight - Math.round(100 * weight)) > 1e-6 ? String(weight) : weight.toFixed(2);
  /** As many digits as a tenth of a slider's step. @param {number} value @param {number} step */
  const tidy = (value, step) => Number((Math.round((10 * value) / step) * (step / 10)).toPrecision(6));
  /** How far a slider goes. @param {number} i */
  const limit = i => Math.max(presets.current().ranges[i][0], state.weights[i]);
  /** The cell that is matched. */
  const cell = () => page.now.right.step * data.peaks.length + state.peak;
  /**
   * How a slider spends its travel. It goes by the weights of the preset, so that no thumb moves because another one is
   * dragged.
   * @param {number} i
   */
  function knots(i) {
    const {name, weights: own, meaning} = {name: state.preset, ...presets.current()};
    const field = meaning[i][0] === words.UNUSED ? null : data.match;
    const key = [data.photo?.serial, state.token, name, data.reading, cell(), limit(i)].join();
    if (spent[i]?.key !== key || spent[i].field !== field) {
      const areas = data.areas;
      const even = {values: [0, limit(i)], places: [0, 1]};
      const found = field && areas && travel.stretches(field, cell(), own, i, limit(i));
      spent[i] = {key, field, knots: found && areas ? travel.knots(field, found, areas) : even};
    }
    return spent[i].knots;
  }
  /**
   * Under a slider: which proposal wins along it, in its colour.
   * @param {HTMLCanvasElement} canvas @param {number} i
   */
  function band(canvas, i) {
    const field = data.match;
    const along = field && data.areas ? travel.stretches(field, cell(), state.weights, i, limit(i)) : [];
    const present = field ? match.best(field, cell(), state.weights) : -1;
    const ends = along.map(({high}) => Math.round(canvas.width * travel.place(knots(i), high)));
    const inks = field ? along.map(({entry}) => paint.tint(field, entry, present)) : [];
    if (!dom.changed(canvas, [ends, inks].join())) return;
    const g = paint.context(canvas);
    g.clearRect(0, 0, canvas.width, canvas.height);
    for (const [j, end] of ends.entries()) {
      const start = j ? ends[j - 1] : 0;
      g.fillStyle = inks[j];
      g.globalAlpha = along[j].entry === present ? 1 : config.faded;
      const width = Math.max(1, end - start - (j < ends.length - 1 ? 1 : 0));
      g.fillRect(start, 0, width, canvas.height);
      if (!field || !data.areas || !alike.most(field, field.slots[along[j].entry], data.areas)) continue;
      g.fillStyle = '#101216c0';
      for (let x = start; x < start + width; x += 4) g.fillRect(x, 0, 1.5, canvas.height);
    }
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
        if (input.type === 'range' && row.dataset.term) input.addEventListener('keydown', event => press(row, event));
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
      <div class="simplex" hidden></div>
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
        <canvas width="260" height="4" aria-hidden="true"></canvas>
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
      const step = presets.current().ranges[i][1];
      move(i, input.type === 'range' ? tidy(travel.value(knots(i), value / PLACES), step) : value, false);
    }
  }
  /** @param {number} i @param {number} value @param {boolean} done */
  function move(i, value, done) {
    acts.setWeights(
      state.weights.map((w, j) => (j === i ? value : w)),
      done,
    );
  }
  /**
   * A key goes on in the weight's own steps, wherever the thumb goes.
   * @param {HTMLElement} row @param {KeyboardEvent} event
   */
  function press(row, event) {
    const i = Number(row.dataset.term);
    const step = presets.current().ranges[i][1];
    /** @type {Record<string, number>} */
    const moves = {ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10};
    /** @type {Record<string, number>} */
    const ends = {Home: 0, End: limit(i)};
    const value = ends[event.key] ?? state.weights[i] + step * (moves[event.key] ?? Number.NaN);
    if (Number.isNaN(value)) return;
    event.preventDefault();
    move(i, tidy(Math.min(Math.max(0, value), limit(i)), step), true);
  }
  return {draw, tidy};
})();
