// @ts-check
// What a visitor does.
const acts = (() => {
  const {state, data} = page;
  /** What an enhancer's name may be instead, as `visit.AS_PUBLISHED`. */
  const PUBLISHED = 'published';

  /** @param {number} k */
  function pick(k) {
    if (!data.peaks[k] || (k === state.peak && data.parts.has(k))) return;
    page.change({peak: k, preview: null}, 'peak');
    if (!data.parts.has(k) && state.token) wire.ask('pick', {peak: k});
    wire.settle();
  }
  /** @param {number} by */
  function walk(by) {
    if (data.peaks.length) pick((state.peak + by + data.peaks.length) % data.peaks.length);
  }
  /** @param {Weights} weights @param {boolean} done whether the visitor has let go */
  function setWeights(weights, done = true) {
    page.change({weights: weights.map(Number), preview: null}, 'weights');
    if (done) wire.settle();
  }
  /** @param {number} step */
  function setStep(step) {
    page.change({step, preview: null}, 'step');
    wire.settle();
  }
  /** @param {string} name */
  function setEnhancer(name) {
    if (name !== state.enhancer || wire.busy()) wire.look('enhancer', {name}, 'Growing the maps');
  }
  /** Another model looks at the photo on the screen, and at those to come. @param {string} name */
  function setModel(name) {
    if (name === state.model && !wire.busy()) return;
    const undo = {model: state.model};
    page.change({model: name}, 'models');
    const there = data.menu?.rows.find(row => row.name === name)?.state === 'loaded';
    wire.look('model', {name}, there ? `Looking with ${name}` : `Loading ${name}`, undo);
  }
  /**
   * What the left of the swipe shows: `off`, `naive`, `published`, an enhancer, or a model as `model:NAME`.
   * @param {string} name
   */
  function setCompare(name) {
    const model = models.compared(name);
    // Enhancing changes neither class map nor response: what differs is shown instead.
    const view = name !== 'off' && !model && Player.STILL.includes(state.view) ? 'enhanced' : state.view;
    if (name === 'off' || name === 'naive' || data.other?.compare === name) {
      page.change({compare: name === 'off' ? state.compare : name, swipe: name !== 'off', view}, 'view');
      link.write();
      return;
    }
    page.change({swipe: true, view}, 'view');
    wire.look('compare', {name}, model ? `Looking with ${model} too` : 'Growing the maps of the other side');
  }
  /** Maps side by side, or the stage again. @param {GridMessage['what']} what */
  function openGrid(what) {
    if (data.grid?.what === what) return closeGrid();
    if (!state.token || !data.peaks.length) return;
    if (what === 'peaks') wire.ask('grid');
    else wire.look('enhancers', {}, 'Growing the maps of every enhancer');
  }
  function closeGrid() {
    data.grid = null;
    page.change({}, 'grid');
  }
  /** @param {string} name @param {Weights | null} weights others than its own */
  function setPreset(name, weights = null) {
    const preset = presets.of(name);
    const undo = {preset: state.preset, weights: state.weights};
    page.change({preset: name, weights: [...(weights || preset.weights)], preview: null}, 'weights');
    if (state.token && preset.reading !== data.reading) wire.look('reading', {}, 'Measuring the proposals anew', undo);
    else wire.settle();
  }
  /** Up to how many masks offers are added to the list. @param {number} fill @param {boolean} done */
  function setFill(fill, done = true) {
    page.change({fill}, 'weights');
    if (done) wire.settle();
  }
  /** @param {string} name @param {boolean} on @param {boolean} only whether all others go off */
  function setClass(name, on, only = false) {
    wire.look('class', {name, on, only}, on ? `Looking for ${name}` : `Leaving out ${name}`);
  }
  /** @param {string} name */
  function openExample(name) {
    wire.look('example', {name}, 'Finding what is where');
  }
  /** @param {string} name */
  function openTab(name) {
    dom.one(document, '#centre', HTMLElement).dataset.tab = name;
    page.change({tab: name}, 'tab');
    wire.settle();
  }
  /** Copy a link to this screen. @param {HTMLElement} button */
  async function share(button) {
    if (!state.token) return;
    link.write();
    wire.ask('share');
    const said = button.textContent;
    try {
      await navigator.clipboard.writeText(location.href);
      button.textContent = 'Link copied';
    } catch {
      prompt('Copy this link:', location.href);
    }
    setTimeout(() => {
      button.textContent = said;
    }, 1800);
  }
  /** Take home the file that Python has made, as soon as Gradio's hidden button knows it. */
  function saveFile() {
    setTimeout(() => {
      const made = dom.one(document, '#made', HTMLElement);
      (made.matches('a, button') ? made : dom.one(made, 'a, button', HTMLElement)).click();
    }, 60);
  }
  return {
    PUBLISHED,
    openGrid,
    closeGrid,
    saveFile,
    pick,
    walk,
    setWeights,
    setStep,
    setEnhancer,
    setModel,
    setCompare,
    setPreset,
    setFill,
    setClass,
    openExample,
    openTab,
    share,
  };
})();
