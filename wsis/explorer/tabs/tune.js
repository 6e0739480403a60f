// @ts-check
// The tab Tune: a click on weights sets the sliders, one on a photo goes to Python; found weights become a preset.
const tune = (() => {
  /** @param {HTMLElement} element @param {Trigger} trigger */
  function mount(element, trigger) {
    element.addEventListener('click', event => {
      const weights = dom.hit(event, '[data-weights]')?.dataset.weights;
      const photo = dom.hit(event, '[data-act]')?.dataset.act;
      if (weights) acts.setWeights(JSON.parse(weights));
      if (photo) trigger('select', JSON.parse(photo));
    });
  }
  /** @param {string} text */
  const refused = text => markup.html`<p class="tune-error" role="alert">${text}</p>`.text;
  /**
   * Keep the best weights of the search under a name.
   * @param {string} name
   * @returns what to say about it, as HTML
   */
  function save(name) {
    const plane = document.querySelector('.tune-plane');
    if (!(plane instanceof HTMLElement)) return refused('Search first, then the best weights can be saved.');
    if (!name.trim()) return refused('Give the preset a name first.');
    if (!presets.save(name, JSON.parse(plane.dataset.preset ?? '')))
      return refused('This name is taken, or this browser keeps none. Try another name.');
    return markup.html`
      <p class="hint" role="status">Saved in this browser; it stands with the presets now.</p>`.text;
  }
  return {mount, save};
})();
