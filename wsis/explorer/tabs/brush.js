// @ts-check
// What was brushed over a photo, in pixels of its work size, and how it travels to Python.
class Brush {
  /** How strong it is drawn. */
  static ALPHA = 150;
  /** Whether anything is brushed. */
  empty = true;
  /** Where the last dab was. @type {[number, number] | null} */
  #last = null;

  /** @param {number} w @param {number} h */
  constructor(w, h) {
    this.w = w;
    this.h = h;
    this.mask = new Uint8Array(w * h);
    this.canvas = new OffscreenCanvas(w, h);
  }

  /**
   * Brush from the last place to this one.
   * @param {[number, number]} at in shares of the photo @param {number} radius in pixels of `w` x `h`
   * @param {boolean} begins whether a new stroke begins @param {boolean} on or whether it takes back
   */
  stroke([u, v], radius, begins, on = true) {
    const [x, y] = [u * this.w, v * this.h];
    const [x0, y0] = begins || !this.#last ? [x, y] : this.#last;
    const dabs = Math.max(1, Math.ceil(Math.hypot(x - x0, y - y0) / Math.max(1, radius / 3)));
    for (let i = 1; i <= dabs; i++) this.#dab(x0 + ((x - x0) * i) / dabs, y0 + ((y - y0) * i) / dabs, radius, on);
    this.#last = [x, y];
    this.empty = !this.mask.includes(1);
    const g = paint.context(this.canvas);
    const ink = paint.packed([91, 157, 255], Brush.ALPHA);
    const image = g.createImageData(this.w, this.h);
    const out = new Uint32Array(image.data.buffer);
    for (let i = 0; i < out.length; i++) out[i] = this.mask[i] ? ink : 0;
    g.putImageData(image, 0, 0);
  }

  /**
   * A disc: every pixel whose middle is within the radius.
   * @param {number} x @param {number} y @param {number} radius @param {boolean} on
   */
  #dab(x, y, radius, on) {
    const {w, h, mask} = this;
    for (let row = Math.max(0, Math.floor(y - radius)); row <= Math.min(h - 1, y + radius); row++) {
      const half = Math.sqrt(Math.max(0, radius ** 2 - (row + 0.5 - y) ** 2));
      const from = Math.max(0, Math.ceil(x - half - 0.5));
      const to = Math.min(w - 1, Math.floor(x + half - 0.5));
      if (from <= to) mask.fill(Number(on), row * w + from, row * w + to + 1);
    }
  }

  /** Lengths of runs of pixels, row by row, the first of them outside; `mask_of` in tabs/why/events.py reads them. */
  runs() {
    /** @type {number[]} */
    const runs = [];
    let value = 0;
    let length = 0;
    for (const one of this.mask) {
      if (one !== value) {
        runs.push(length);
        value = one;
        length = 0;
      }
      length++;
    }
    return [...runs, length];
  }
}
