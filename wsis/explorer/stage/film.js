// @ts-check
// The filmstrip of the picked peak: photo, class map, response (Eq. 2), t = 1..T with what changed, V, proposal, mask.
/**
 * @typedef {object} Stop
 * @property {Layer} what @property {number} step @property {string} title @property {string | Markup} note
 * @property {string} [told] the note in full
 * @property {string | null} [url] of the map that it shows @property {string | number} [found] what else it shows
 * @property {View} view what a click shows @property {boolean} now whether the stage shows it
 */
class Film {
  static SIZE = 192;
  /** The step under the pointer or the keyboard, whose change the stage outlines; 0 for none. */
  hovered = 0;
  /** What the steps of a part changed. @type {WeakMap<Part, StepChange[]>} */
  #changes = new WeakMap();

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
    const stops = this.#stops(part, data.match, t);
    while (this.home.children.length > stops.length) this.home.lastChild?.remove();
    while (this.home.children.length < stops.length) this.home.append(this.#button());
    const crop = Film.#around(data.peaks[state.peak], paint.square(data.match, right.best[state.peak], 0.25));
    for (const [i, b] of dom.all(this.home, 'button').entries()) this.#drawStop(b, stops[i], crop);
  }

  /** A square, moved where the peak is not well inside. @param {Peak} peak @param {number[]} square */
  static #around({x, y}, [left, top, side]) {
    const [w, h] = Layers.frame();
    /** @param {number} at @param {number} from @param {number} room */
    const moved = (at, from, room) =>
      Math.min(Math.max(0, Math.min(Math.max(from, at - 0.8 * side), at - 0.2 * side)), room - side);
    return [moved(x * w, left, w), moved(y * h, top, h), side];
  }

  /** @param {Part} part @param {Field} field @param {number} t @returns {Stop[]} */
  #stops(part, field, t) {
    const {data, state, now} = page;
    const {right} = now;
    const {name} = data.peaks[state.peak];
    const id = field.ids[right.best[state.peak]];
    const score = words.unit(now.byPeak.get(state.peak)?.score);
    const found = [...right.found, null, ...right.unsure].map(one => one && `${one.peak}:${one.id}`).join();
    const cells = `${part.grid.join('×')} cells`;
    const {naive} = data.settings;
    const [photo, map, response] = [
      Film.#stop('photo', 'photo', 0, {title: 'photo', note: data.photo?.name ?? ''}),
      Film.#stop('classmap', 'classmap', 0, {title: 'class map', note: cells, url: part.classmap}),
      Film.#stop('response', 'response', 0, {
        title: 'response',
        note: `Eq. 2, peak\u00a0${state.peak + 1}`,
        url: part.response,
      }),
    ];
    // What is grown is one of the two before, unless it is both.
    if (state.view === 'enhanced' && t === 0) (naive === 'response' ? response : map).now = naive !== 'mixed';
    const grown = part.maps.map((url, i) => this.#grown(part, url, i, t, id));
    return [
      photo,
      map,
      ...(part.response ? [response] : []),
      ...(naive === 'mixed' ? grown : grown.slice(1)),
      Film.#stop('binary', 'match', t, {
        title: 'V',
        note: `Otsu ${words.unit(part.thresholds[t])}`,
        url: part.binary[t],
      }),
      Film.#stop('proposal', 'match', t, {
        title: 'proposal',
        note: `#1 of ${words.count(data.photo?.total ?? 0)}`,
        found: id,
      }),
      Film.#stop('instances', 'instances', t, {title: 'mask', note: `${name} ${score}`.trim(), found}),
    ];
  }

  /**
   * @param {Layer} what @param {View} view @param {number} step
   * @param {Pick<Stop, 'title' | 'note' | 'told' | 'url' | 'found'>} more
   * @returns {Stop}
   */
  static #stop(what, view, step, more) {
    return {what, view, step, now: view === page.state.view && what !== 'binary', ...more};
  }

  /**
   * The map of a step.
   * @param {Part} part @param {string} url @param {number} i @param {number} t the step on the stage
   * @param {number} found @returns {Stop}
   */
  #grown(part, url, i, t, found) {
    const {view} = page.state;
    const stop = Film.#stop('enhanced', 'enhanced', i, {...this.#map(part, i), url, found});
    return {...stop, now: view === 'enhanced' && i === t};
  }

  /** What the map of a step is called, and what it changed. @param {Part} part @param {number} i */
  #map(part, i) {
    const {steps, enhancer} = page.data;
    if (!i) return {title: 'naive', note: 't = 0'};
    if (i > steps) return {title: 'object', note: 'at the peak'};
    const title = enhancer === 'spread' ? 'spread' : `t = ${i}`;
    const all = this.changes(part);
    const settled = all && changes.settled(all);
    if (!all) return {title, note: ''};
    const [gained, lost] = [all[i - 1].gained, all[i - 1].lost].map(changes.percent);
    const told = `gained ${gained} and lost ${lost} of the photo's pixels`;
    if (settled !== null && i > settled)
      return {title, note: `settled at ${settled}`, told: `settled at t = ${settled}: ${told}`};
    const note = markup.html`<span class="gained">+${gained}</span> <span class="lost">−${lost}</span>`;
    return {title, note, told};
  }

  /** What each step changed of V; null until all of them are decoded. @param {Part} part */
  changes(part) {
    const known = this.#changes.get(part);
    if (known) return known;
    const maps = part.binary.slice(0, page.data.steps + 1).map(url => this.layers.numbers(url));
    if (maps.some(map => !map)) return null;
    const all = maps.slice(1).map((map, i) => changes.between(dom.known(maps[i]), dom.known(map)));
    this.#changes.set(part, all);
    return all;
  }

  #button() {
    const b = document.createElement('button');
    b.type = 'button';
    b.innerHTML = markup.html`
      <canvas width="${Film.SIZE}" height="${Film.SIZE}"></canvas>
      <b></b>
      <small></small>`.text;
    /** @param {number} step */
    const outline = step => {
      this.hovered = b.dataset.view === 'enhanced' && step <= page.data.steps ? step : 0;
      this.layers.repaint();
    };
    for (const on of ['pointerenter', 'focus']) b.addEventListener(on, () => outline(Number(b.dataset.step)));
    for (const off of ['pointerleave', 'blur']) b.addEventListener(off, () => outline(0));
    b.addEventListener('click', () => {
      const step = Number(b.dataset.step);
      if (step > page.data.steps) this.player.object();
      else this.player.show(/** @type {View} */ (b.dataset.view), step);
    });
    return b;
  }

  /** @param {HTMLElement} b @param {Stop} stop @param {number[]} crop x, y and side of what is shown of the photo */
  #drawStop(b, {what, view, step, title, note, told, url, found, now}, crop) {
    const {data, state} = page;
    b.dataset.view = view;
    b.dataset.step = String(step);
    b.setAttribute('aria-pressed', String(now));
    dom.text(dom.one(b, 'b', HTMLElement), title);
    dom.fill(dom.one(b, 'small', HTMLElement), markup.html`${note}`);
    b.title = told ?? '';
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
