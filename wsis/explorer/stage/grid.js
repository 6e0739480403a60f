// @ts-check
// Maps side by side over the stage: all peaks of a class, response above enhanced, or one peak by every enhancer.
class Grid {
  /** Pixels of a map's longer side, and the least width of a column on the screen. */
  static SIZE = 400;
  static LEAST = 118;
  /** How dark the photo lies under the maps. */
  static VEIL = 'rgb(10 11 14 / .55)';
  /** What had the keyboard before. @type {Element | null} */
  #before = null;

  /** @param {HTMLElement} box @param {Layers} layers */
  constructor(box, layers) {
    this.home = dom.one(box, '.grid', HTMLElement);
    this.layers = layers;
    // What happens here is none of the stage's: no peak is picked, no photo moved.
    for (const event of ['pointerdown', 'pointermove', 'wheel', 'click', 'keydown'])
      this.home.addEventListener(event, one => one.stopPropagation());
    this.home.addEventListener('click', event => {
      if (dom.hit(event, 'header button')) return this.#close();
      const hit = dom.hit(event, '[data-column]');
      if (hit) this.#pick(Number(hit.dataset.column));
    });
    this.home.addEventListener('keydown', event => this.#key(event));
    document.addEventListener('keydown', event => {
      if (event.key === 'Escape' && page.data.grid) this.#close();
    });
  }

  /** What is to be shown; null where it belongs to something else that was on the screen. */
  static #open() {
    const {data, state} = page;
    const {grid, peaks} = data;
    if (!grid || grid.token !== state.token || !data.photo) return null;
    const same = grid.what === 'peaks' ? peaks[grid.peak]?.category === peaks[state.peak]?.category : null;
    return (same ?? grid.peak === state.peak) ? grid : null;
  }

  draw() {
    const grid = Grid.#open();
    if (page.data.grid && !grid) return acts.closeGrid();
    this.home.hidden = !grid;
    if (!grid) return;
    const anew = dom.changed(this.home, JSON.stringify([grid.token, grid.what, grid.peak]));
    const fresh = anew || !this.home.children.length;
    if (fresh) this.#build(grid);
    this.#fit(grid);
    for (const [i, b] of dom.all(this.home, '[data-column]').entries()) this.#drawColumn(b, grid, grid.columns[i]);
    if (!fresh) return;
    this.#before = document.activeElement;
    const pressed = this.home.querySelector('[aria-pressed=true]') ?? this.home.querySelector('button');
    if (pressed instanceof HTMLElement) pressed.focus({preventScroll: true});
  }

  /** @param {GridMessage} grid */
  #build({what, peak, columns}) {
    const {peaks} = page.data;
    const {name} = peaks[peak];
    const last = page.data.enhancer === 'spread' ? 'spread' : `enhanced, t = ${columns[0]?.step ?? 0}`;
    const title = what === 'peaks' ? `All peaks of ${name}` : `Peak ${peak + 1}, ${name}, by every enhancer`;
    const rows = columns[0]?.response ? `Peak response, Eq. 2, above ${last}` : `${last}, each by itself`;
    const told = what === 'peaks' ? rows : 'The last map of each';
    this.home.setAttribute('aria-label', title);
    this.home.innerHTML = markup.html`
      <header><b>${title}</b><span>${told} · a click picks</span>
        <button type="button" aria-label="Close" title="Close (Esc)">×</button></header>
      <div class="columns">${columns.map((column, i) => Grid.#column(column, i))}</div>`.text;
  }

  /** @param {GridColumn} column @param {number} i */
  static #column({response}, i) {
    const canvas = markup.html`<canvas width="${Grid.SIZE}" height="${Grid.SIZE}"></canvas>`;
    return markup.html`
      <button type="button" data-column="${i}">${response && canvas}${canvas}<span></span></button>`;
  }

  /** Columns as wide as the stage has room for all of them. @param {GridMessage} grid */
  #fit({columns}) {
    const {clientWidth, clientHeight} = this.home;
    const [w, h] = Layers.frame();
    const maps = columns[0]?.response ? 2 : 1;
    /** @param {number} across how many side by side */
    const width = across => {
      const most = (clientWidth - 24 - 8 * (across - 1)) / across;
      const rows = Math.ceil(columns.length / across);
      const high = (clientHeight - 64 - 8 * (rows - 1)) / rows - 52 - 6 * maps;
      return Math.min(most, (high * w) / (h * maps) + 16);
    };
    const best = Math.max(Grid.LEAST, ...columns.map((_, i) => width(i + 1)));
    this.home.style.setProperty('--column', `${Math.floor(Math.min(best, clientWidth - 24))}px`);
  }

  /** @param {HTMLElement} b @param {GridMessage} grid @param {GridColumn} column */
  #drawColumn(b, {what}, {peak, enhancer, step, response, map}) {
    const {data, state, now} = page;
    const {name, colour} = data.peaks[peak];
    const score = words.unit(now.byPeak.get(peak)?.score);
    const of = wsis.config.enhancers[enhancer]?.short ?? enhancer;
    b.style.setProperty('--own', colour);
    b.setAttribute('aria-pressed', String(what === 'peaks' ? peak === state.peak : enhancer === data.enhancer));
    const label =
      what === 'peaks'
        ? markup.html`${panels.dot(colour)}${name} ${peak + 1} <small>${score ? `mask ${score}` : 'no mask'}</small>`
        : markup.html`${panels.dot(colour)}${of} <small>${enhancer === 'spread' ? '' : `t = ${step}`}</small>`;
    dom.fill(dom.one(b, 'span', HTMLElement), label);
    const urls = [response, map].filter(url => url !== null);
    for (const [i, canvas] of [...b.querySelectorAll('canvas')].entries()) this.#drawMap(canvas, urls[i], colour);
  }

  /** The photo, darker, and a map over it in a peak's colour. @param {HTMLCanvasElement} canvas @param {string} url */
  #drawMap(canvas, url, /** @type {string} */ colour) {
    const map = this.layers.numbers(url);
    const [w, h] = Layers.frame();
    if (!map || !dom.changed(canvas, [page.data.photo?.serial, url.length, url.slice(-40), colour].join())) return;
    canvas.width = Math.round(w >= h ? Grid.SIZE : (Grid.SIZE * w) / h);
    canvas.height = Math.round(w >= h ? (Grid.SIZE * h) / w : Grid.SIZE);
    const g = paint.context(canvas);
    g.imageSmoothingQuality = 'high';
    g.drawImage(dom.known(page.data.photo).image, 0, 0, canvas.width, canvas.height);
    g.fillStyle = Grid.VEIL;
    g.fillRect(0, 0, canvas.width, canvas.height);
    g.drawImage(paint.tinted(map, colour), 0, 0, canvas.width, canvas.height);
  }

  /** @param {number} i */
  #pick(i) {
    const {what, columns} = dom.known(page.data.grid);
    if (what === 'peaks') acts.pick(columns[i].peak);
    else acts.setEnhancer(columns[i].enhancer);
  }

  #close() {
    acts.closeGrid();
    if (this.#before instanceof HTMLElement && this.#before.isConnected) this.#before.focus({preventScroll: true});
    dom.changed(this.home, '');
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === 'Escape') return this.#close();
    const by = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (!by) return;
    event.preventDefault();
    const all = dom.all(this.home, 'button');
    const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    all[(at + by + all.length) % all.length]?.focus();
  }
}
