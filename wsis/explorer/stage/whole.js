// @ts-check
// Above the advanced settings: all of them at once, and how far the list of masks is filled up.
const whole = (() => {
  const {config} = wsis;
  const {state, data} = page;
  const FILL = 'Adds likely objects without a peak to the unsure ones, up to so many masks; pictures stay.';

  /** What grows the maps there; another model may lack it. @param {Whole} one */
  const enhancer = one => (data.enhancers.includes(one.enhancer) ? one.enhancer : data.enhancer);
  /** Whether Python has looked that way already. @param {Whole} one */
  function looked(one) {
    const same = Object.entries(one.settings).every(([name, value]) => data.settings[name] === value);
    return same && data.enhancer === enhancer(one) && data.reading === config.presets[one.preset].reading;
  }
  /** @param {Whole} one */
  function stands(one) {
    const {weights} = config.presets[one.preset];
    const here = state.preset === one.preset && weights.every((weight, i) => weight === state.weights[i]);
    return here && state.fill === one.fill && page.now.right.step === Math.min(one.step, data.steps) && looked(one);
  }
  /** @param {string} name */
  function set(name) {
    const one = config.whole[name];
    const {weights, preset, step, fill} = state;
    const {preset: wanted} = one;
    page.change({preset: wanted, weights: [...config.presets[wanted].weights], preview: null}, 'weights');
    page.change({step: one.step, fill: one.fill}, 'step');
    if (!state.token || looked(one)) return wire.settle();
    const undo = {weights, preset, step, fill};
    wire.look('adjust', {linked: one.settings, name: enhancer(one)}, `Looking with the settings of ${one.title}`, undo);
  }
  function content() {
    const buttons = Object.entries(config.whole).map(
      ([name, {title, note}]) => markup.html`
        <button type="button" data-whole="${name}" title="${note}" aria-pressed="false">${title}</button>`,
    );
    return markup.html`
      <div class="segments" role="group" aria-label="All settings at once">${buttons}</div>
      <p class="told hint"></p>
      <div class="weight fill">
        <label for="fill">Fill up to</label>
        <input type="number" min="0" max="${config.mostFilled}" step="1" aria-label="Fill up to, number">
        <input id="fill" type="range" min="0" max="${config.mostFilled}" step="1" aria-describedby="fill-info">
        <small id="fill-info">${FILL}</small>
      </div>`;
  }
  function draw() {
    const home = dom.host('whole');
    if (!home?.querySelector('.fill')) return;
    let told = 'Settings of your own.';
    for (const b of dom.all(home, '[data-whole]')) {
      const one = config.whole[b.dataset.whole ?? ''];
      const on = stands(one);
      b.setAttribute('aria-pressed', String(on));
      if (on) told = one.note;
    }
    dom.text(dom.one(home, '.told', HTMLElement), told);
    dom.one(home, '.fill', HTMLElement).style.setProperty('--share', `${(100 * state.fill) / config.mostFilled}%`);
    for (const input of dom.all(home, 'input'))
      if (input instanceof HTMLInputElement && input.value !== String(state.fill)) input.value = String(state.fill);
  }
  /** @param {HTMLInputElement} input @param {boolean} done */
  function take(input, done) {
    const fill = Math.min(Math.max(0, Math.round(Number(input.value))), config.mostFilled);
    if (input.value !== '') acts.setFill(fill, done);
    else if (done) draw();
  }
  function mount() {
    const home = dom.host('whole');
    if (!home) return;
    dom.build(home, content());
    for (const b of dom.all(home, '[data-whole]')) b.addEventListener('click', () => set(b.dataset.whole ?? ''));
    for (const input of dom.all(home, 'input'))
      if (input instanceof HTMLInputElement)
        for (const kind of ['input', 'change']) input.addEventListener(kind, () => take(input, kind === 'change'));
    draw();
  }
  page.listen(draw);
  return {mount};
})();
