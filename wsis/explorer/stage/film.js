// @ts-check
// The filmstrip: class map, naive, t = 1..T, V, proposal, mask of the picked peak.
/**
 * @typedef {object} Stop
 * @property {Layer} what @property {number} step @property {string} title @property {string} note
 * @property {string} [url] of the map that it shows @property {string | number} [found] what else it shows
 * @property {View} view what a click shows @property {boolean} now whether the stage shows it
 */
class Film {
  static SIZE = 192;

  /** @param {HTMLElement} home @param {Layers} layers @param {Player} player */
  constructor(home, layers, player) {
    this.home = home;
    this.layers = layers;
    this.player = player;
  }

  /** @param {number} t the step on the stage */
  draw(t) {
    const {data, state, now} = page;
    const {part, right} = now;
    if (!data.peaks.length || !part?.maps.length || !data.match) {
      if (!data.busy || !data.photo) this.home.replaceChildren();
      return;
    }
    const stops = Film.#stops(part, data.match, t);
    while (this.home.children.length > stops.length) this.home.lastChild?.remove();
    while (this.home.children.length < stops.length) this.home.append(this.#button());
    const crop = paint.square(data.match, right.best[state.peak], 0.25);
    for (const [i, b] of dom.all(this.home, 'button').entries()) this.#drawStop(b, stops[i], crop);
  }

  /** @param {Part} part @param {Field} field @param {number} t @returns {Stop[]} */
  static #stops(part, field, t) {
    const {data, state, now} = page;
    const {right} = now;
    const {name} = data.peaks[state.peak];
    const id = field.ids[right.best[state.peak]];
    const score = words.unit(now.byPeak.get(state.peak)?.score);
    const found = right.found.map(one => `${one.peak}:${one.id}`).join();
    const {view} = state;
    const cells = `${part.grid.join('×')} cells`;
    const proposal = {title: 'proposal', note: `#1 of ${words.count(data.photo?.total ?? 0)}`, found: id};
    return [
      Film.#stop('classmap', 'classmap', 0, {title: 'class map', note: cells, url: part.classmap}),
      ...part.maps.map((url, i) => ({
        ...Film.#stop('response', 'response', i, {...Film.#map(i), url, found: id}),
        now: view === 'response' && i === t,
      })),
      Film.#stop('binary', 'match', t, {
        title: 'V',
        note: `Otsu ${words.unit(part.thresholds[t])}`,
        url: part.binary[t],
      }),
      Film.#stop('proposal', 'match', t, proposal),
      Film.#stop('instances', 'instances', t, {title: 'mask', note: `${name} ${score}`.trim(), found}),
    ];
  }

  /**
   * @param {Layer} what @param {View} view @param {number} step
   * @param {Pick<Stop, 'title' | 'note' | 'url' | 'found'>} more
   */
  static #stop(what, view, step, more) {
    return {what, view, step, now: view === page.state.view && what !== 'binary', ...more};
  }

  /** What the map of a step is called. @param {number} i */
  static #map(i) {
    const {steps, enhancer} = page.data;
    if (!i) return {title: 'naive', note: 't = 0'};
    if (i > steps) return {title: 'object', note: 'at the peak'};
    return {title: enhancer === 'spread' ? 'spread' : `t = ${i}`, note: ''};
  }

  #button() {
    const b = document.createElement('button');
    b.type = 'button';
    b.innerHTML = markup.html`
      <canvas width="${Film.SIZE}" height="${Film.SIZE}"></canvas>
      <b></b>
      <small></small>`.text;
    b.addEventListener('click', () => {
      const step = Number(b.dataset.step);
      if (step > page.data.steps) this.player.object();
      else this.player.show(/** @type {View} */ (b.dataset.view), step);
    });
    return b;
  }

  /** @param {HTMLElement} b @param {Stop} stop @param {number[]} crop x, y and side of what is shown of the photo */
  #drawStop(b, {what, view, step, title, note, url, found, now}, crop) {
    const {data, state} = page;
    b.dataset.view = view;
    b.dataset.step = String(step);
    b.setAttribute('aria-pressed', String(now));
    dom.one(b, 'b', HTMLElement).textContent = title;
    dom.one(b, 'small', HTMLElement).textContent = note;
    const opacity = what === 'proposal' ? '' : state.opacity;
    const ready = !url || this.layers.ready(url);
    const key = [data.photo?.serial, ...crop, what, step, found, state.peak, opacity, ready, url?.length];
    if (!dom.changed(b, key.join('|'))) return;
    const g = paint.context(dom.one(b, 'canvas', HTMLCanvasElement));
    const [x, y, side] = crop;
    const to = [0, 0, Film.SIZE, Film.SIZE];
    if (g instanceof CanvasRenderingContext2D)
      this.layers.draw(g, what, page.now.right, step, [x, y, side, side], to, null);
  }
}
