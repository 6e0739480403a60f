// @ts-check
// Presets of weights: the published ones, and the visitor's own, which stay in this browser.
const presets = (() => {
  const KEY = 'wsis.presets';
  const published = wsis.config.presets;

  /** @returns {Record<string, Preset>} */
  function own() {
    try {
      return JSON.parse(localStorage.getItem(KEY) || '{}') || {};
    } catch {
      return {};
    }
  }
  const all = () => ({...published, ...own()});
  /** @param {string} name */
  const of = name => all()[name] || published.paper;
  const current = () => of(page.state.preset);

  /**
   * Keep weights under a name; false where the name is taken or this browser keeps nothing.
   * @param {string} text @param {{reading: string, weights: Weights}} chosen
   */
  function save(text, {reading, weights}) {
    const name = String(text).trim().slice(0, 40);
    if (!name || published[name] || !weights.every(w => w >= 0)) return false;
    const {meaning, ranges, formula} = dom.known(Object.values(published).find(p => p.reading === reading));
    const note = 'Saved in this browser.';
    try {
      const kept = {...own(), [name]: {reading, weights, title: name, note, formula, meaning, ranges}};
      localStorage.setItem(KEY, JSON.stringify(kept));
    } catch {
      return false;
    }
    page.change({preset: name, weights: [...weights]}, 'weights');
    wire.settle();
    return true;
  }
  /** @param {string} name */
  function remove(name) {
    const kept = own();
    delete kept[name];
    localStorage.setItem(KEY, JSON.stringify(kept));
    acts.setPreset('paper');
  }
  return {all, of, current, own, save, remove};
})();
