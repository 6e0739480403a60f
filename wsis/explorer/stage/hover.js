// @ts-check
// The pixel under the pointer: where it is, and the value that the stage shows there.
class Hover {
  /**
   * @param {HTMLElement} box @param {Camera} camera @param {Player} player @param {Layers} layers
   * @param {Swipe} swipe
   */
  constructor(box, camera, player, layers, swipe) {
    this.tag = dom.one(box, '.tag.read', HTMLElement);
    this.camera = camera;
    this.player = player;
    this.layers = layers;
    this.swipe = swipe;
    box.addEventListener('pointermove', event => this.#move(event));
    box.addEventListener('pointerleave', () => {
      this.tag.hidden = true;
    });
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const {data} = page;
    const {x, y, w, h} = this.camera.place();
    const [left, top] = this.camera.spot(event);
    const u = (left - x) / w;
    const v = (top - y) / h;
    const known = data.photo && data.peaks.length && data.match;
    const within = u >= 0 && u < 1 && v >= 0 && v < 1;
    const value = known && within ? this.#value(u, v) : '';
    this.tag.hidden = !value;
    if (!value || !data.photo) return;
    const [width, height] = data.photo.size;
    this.tag.textContent = `x ${Math.floor(u * width)} · y ${Math.floor(v * height)} · ${value}`;
    this.tag.style.left = `${Math.max(10, x + 10)}px`;
    this.tag.style.bottom = `${Math.max(10, this.camera.height - y - h + 10)}px`;
  }

  /**
   * What the stage shows at a place, in shares of the photo; empty where its map is not there yet.
   * @param {number} u @param {number} v
   */
  #value(u, v) {
    const {state, now} = page;
    const {left} = this.swipe;
    const side = left && u < state.split ? left : now.right;
    const raw = state.view === 'classmap';
    const url = Hover.#source(side, this.player.of(side));
    const map = this.layers.numbers(url);
    if (!map || !now.part) return '';
    if (state.view === 'instances' || state.view === 'semantic') return Hover.#instance(side, u, v);
    const value = map.v[Math.floor(v * map.h) * map.w + Math.floor(u * map.w)] / 255;
    const [low, high] = (side.part ?? now.part).range;
    if (raw) return `logit ${(low + value * (high - low)).toFixed(1)}`;
    return `${state.view === 'response' ? 'response' : 'map'} ${words.unit(value)}`;
  }

  /** The map that the stage shows. @param {Side} side @param {number} t step */
  static #source({part}, t) {
    const {view} = page.state;
    if (view === 'photo') return null;
    if (view === 'classmap') return part?.classmap;
    return view === 'response' ? part?.response : part?.maps[t];
  }

  /** @param {Side} side @param {number} u @param {number} v */
  static #instance(side, u, v) {
    const {w, h, labels} = dom.known(page.data.photo?.partition);
    const field = side.data.match;
    if (!field) return 'background';
    const region = labels[Math.floor(v * h) * w + Math.floor(u * w)];
    const top = [...side.found, ...side.unsure].find(one => match.inside(field, one.slot, region));
    if (!top || (!top.painted && page.state.view !== 'instances')) return 'background';
    return `${top.painted ? '' : 'unsure: '}${side.data.peaks[top.peak].name} ${words.unit(top.score)}`;
  }
}
