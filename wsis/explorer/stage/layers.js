// @ts-check
// A photo with what lies over it: maps, masks, proposals. The same for the stage and for each stop of the filmstrip.
class Layers {
  /** What shows a map of the picked peak. @type {Layer[]} */
  static MAPS = ['response', 'enhanced'];
  /** Pictures, decoded when first looked at; null while they are. @type {Map<string, Grey | null>} */
  #decoded = new Map();
  /** The photo alone at the box's size. @type {{key: string, canvas: OffscreenCanvas} | null} */
  #backdrop = null;

  /** @param {HTMLCanvasElement} canvas the stage's @param {Camera} camera @param {() => void} repaint */
  constructor(canvas, camera, repaint) {
    this.canvas = canvas;
    this.camera = camera;
    this.repaint = repaint;
  }

  /** The numbers of a picture; null until they are there. @param {string | null | undefined} url */
  numbers(url) {
    if (!url) return null;
    if (!this.#decoded.has(url)) {
      this.#decoded.set(url, null);
      unpack.grey(url).then(done => {
        this.#decoded.set(url, done);
        this.repaint();
      });
    }
    return this.#decoded.get(url) ?? null;
  }

  /** Whether the numbers of a picture are there, without asking for them. @param {string} url */
  ready(url) {
    return !!this.#decoded.get(url);
  }

  /** Let go of what no part holds any more. */
  forget() {
    const parts = [...page.data.parts.values()].flatMap(part => (part.other ? [part, part.other] : [part]));
    const masks = page.data.hands?.flatMap(hand => hand.mask ?? []) ?? [];
    const grid = (page.data.grid?.columns ?? []).flatMap(({response, map}) => [response, map]);
    const used = new Set([
      ...grid,
      ...masks,
      ...parts.flatMap(({classmap, response, maps, binary}) => [classmap, response, ...maps, ...binary]),
    ]);
    for (const url of this.#decoded.keys()) if (!used.has(url)) this.#decoded.delete(url);
  }

  /** [width, height] that pictures over the photo are measured in. */
  static frame() {
    const photo = dom.known(page.data.photo);
    return photo.work || photo.size;
  }

  /** @param {Side} side @param {number} k */
  static #colour(side, k) {
    return side.data.peaks[k]?.colour || '#5b9dff';
  }

  /** The colour of the first peak of the same class. @param {Side} side @param {Instance} instance */
  static #classColour(side, {peak}) {
    const {peaks} = side.data;
    return Layers.#colour(
      side,
      peaks.findIndex(one => one.category === peaks[peak].category),
    );
  }

  /**
   * A map as a layer; none while it is being decoded.
   * @param {string | null | undefined} url @param {(map: Grey) => OffscreenCanvas} ink @param {number} alpha
   * @returns {[OffscreenCanvas, number, boolean][]}
   */
  #map(url, ink, alpha, smooth = true) {
    const map = this.numbers(url);
    return map ? [[ink(map), alpha, smooth]] : [];
  }

  /**
   * Canvas, opacity and whether it is drawn smooth, bottom first.
   * @param {Layer} what @param {Side} side @param {number} t step @param {number | null} preview a proposal
   * @returns {[OffscreenCanvas, number, boolean][]}
   */
  #over(what, side, t, preview) {
    const {opacity} = page.state;
    const {part} = side;
    if (what === 'classmap') return this.#map(part?.classmap, paint.heat, opacity, false);
    if (what === 'binary') return this.#map(part?.binary[t], paint.white, 1, false);
    if (what === 'photo') return [];
    const response = Layers.MAPS.includes(what)
      ? this.#map(what === 'response' ? part?.response : part?.maps[t], paint.heat, opacity)
      : [];
    const field = side.data.match;
    if (!field || !page.data.photo?.partition) return response;
    const full = Math.min(1, opacity / 0.75);
    if (what === 'instances') {
      const colour = (/** @type {Instance} */ one) => Layers.#colour(side, one.peak);
      const found = side.found.length ? this.#instances(side, field, full, colour) : [];
      return side.unsure.length ? [...found, [paint.unsure(side.unsure, field, colour), full, true]] : found;
    }
    if (what === 'semantic') return this.#instances(side, field, full, one => Layers.#classColour(side, one));
    const map = what === 'match' ? this.#map(part?.binary[t], paint.white, 0.38 * opacity) : response;
    const proposal = this.#proposal(what, side, t, preview);
    return proposal ? [...map, [proposal, 1, true]] : map;
  }

  /**
   * Instances in colours; those whose pixels were drawn lie on top.
   * @param {Side} side @param {Field} field @param {number} alpha @param {(instance: Instance) => string} colour
   * @returns {[OffscreenCanvas, number, boolean][]}
   */
  #instances(side, field, alpha, colour) {
    const hands = side.data.hands;
    /** @param {Instance} one */
    const mask = one => (one.byHand && hands ? hands[one.peak].mask : null);
    const plain = side.found.filter(one => !mask(one));
    const drawn = side.found.flatMap(one => {
      const url = mask(one);
      return url ? this.#map(url, grey => paint.drawn(grey, colour(one), url.slice(-40)), alpha) : [];
    });
    return [[paint.instances(plain, field, colour), alpha, true], ...drawn];
  }

  /**
   * The proposal over a map: the one that is looked at, or the winner; only its outline over what grew, and none over
   * the response.
   * @param {Layer} what @param {Side} side @param {number} t @param {number | null} preview
   */
  #proposal(what, side, t, preview) {
    const {now} = page;
    const right = side === now.right;
    const outlined = Layers.MAPS.includes(what);
    const colour = Layers.#colour(side, side.peak);
    const best = side.best[side.peak];
    const runners = now.part?.runners;
    if (right && preview !== null && runners && side.data.match) {
      const winner = side.data.match.ids[best];
      if (preview === winner) return paint.proposal(runners, preview, colour, outlined ? 60 : 110);
      return paint.difference(runners, preview, winner, outlined ? 80 : 130);
    }
    if (best === undefined || !side.data.match || (outlined && !right) || what === 'response') return null;
    const slot = t > side.data.steps ? side.single(side.peak) : best;
    return paint.proposal(side.data.match, slot, colour, outlined ? 0 : 100);
  }

  /**
   * A part of the photo with what lies over it.
   * @param {CanvasRenderingContext2D} g @param {Layer} what @param {Side} side @param {number} t step
   * @param {number[]} from x, y, width, height in pixels of the partition
   * @param {number[]} to the same in those of the context @param {number | null} preview a proposal
   */
  draw(g, what, side, t, from, to, preview) {
    const [w, h] = Layers.frame();
    const [x, y, sw, sh] = from;
    const [left, top, width, height] = to;
    const main = g.canvas === this.canvas;
    /** @param {HTMLImageElement | OffscreenCanvas} source @param {boolean} smooth */
    const piece = (source, smooth) => {
      const kx = (source instanceof HTMLImageElement ? source.naturalWidth : source.width) / w;
      const ky = (source instanceof HTMLImageElement ? source.naturalHeight : source.height) / h;
      g.imageSmoothingEnabled = smooth;
      g.imageSmoothingQuality = main ? 'low' : 'high'; // masks are flat: high would cost 4 ms and show nothing
      g.drawImage(source, x * kx, y * ky, sw * kx, sh * ky, left, top, width, height);
    };
    if (what === 'binary') {
      g.fillStyle = '#101216';
      g.fillRect(left, top, width, height);
    } else if (main) g.drawImage(this.#behind(to), 0, 0, this.camera.width, this.camera.height);
    else piece(dom.known(page.data.photo).image, true);
    for (const [layer, alpha, smooth] of this.#over(what, side, t, preview)) {
      g.globalAlpha = alpha;
      piece(layer, smooth);
      g.globalAlpha = 1;
    }
  }

  /**
   * What a step of the picked peak gained and lost, as outlines.
   * @param {CanvasRenderingContext2D} g @param {number} t step @param {number[]} to as in `draw`
   */
  drawChange(g, t, [left, top, width, height]) {
    const [before, after] = [t - 1, t].map(i => this.numbers(page.now.part?.binary[i]));
    if (!before || !after) return;
    g.imageSmoothingEnabled = false;
    g.drawImage(paint.change(before, after), left, top, width, height);
  }

  /** The photo alone at the box's size: scaled well once, then copied. @param {number[]} to */
  #behind(to) {
    const {width, height} = this.camera;
    const {image, serial} = dom.known(page.data.photo);
    const [x, y, w, h] = to;
    const dpr = devicePixelRatio || 1;
    const key = [serial, width, height, dpr, ...to].join();
    if (this.#backdrop?.key === key) return this.#backdrop.canvas;
    const canvas = new OffscreenCanvas(Math.round(width * dpr), Math.round(height * dpr));
    const g = paint.context(canvas);
    g.setTransform(dpr, 0, 0, dpr, 0, 0);
    g.imageSmoothingQuality = 'high';
    g.drawImage(image, x, y, w, h);
    this.#backdrop = {key, canvas};
    return canvas;
  }
}
