// @ts-check
// A photo of the tab Why with what lies over it, and a place on it that mouse, finger or arrow keys move.
class Easel {
  static STEP = 1 / 32;
  /**
   * The photo, and the size that pictures over it are measured in.
   * @type {{image: HTMLImageElement, w: number, h: number} | null}
   */
  photo = null;
  /** What lies over the photo, bottom first: a picture, its opacity, and whether it is drawn smooth. */
  /** @type {() => [OffscreenCanvas, number, boolean][]} */
  over = () => [];
  /** Radius of the ring at the place in pixels of `w` x `h`; 0 shows a cross. */
  radius = 0;
  /** The place, in shares of the photo. @type {[number, number] | null} */
  at = null;
  #asked = 0;
  #down = false;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {(at: [number, number] | null, pressed: boolean, begins: boolean) => void} moved told of every place
   */
  constructor(canvas, moved) {
    this.canvas = canvas;
    this.moved = moved;
    canvas.addEventListener('pointerdown', event => {
      if (event.button) return;
      this.#down = true;
      canvas.setPointerCapture(event.pointerId);
      this.#to(this.#spot(event), true);
    });
    canvas.addEventListener('pointermove', event => {
      for (const one of event.getCoalescedEvents?.() ?? [event]) this.#to(this.#spot(one), false);
    });
    for (const end of ['pointerup', 'pointercancel'])
      canvas.addEventListener(end, () => {
        this.#down = false;
      });
    canvas.addEventListener('pointerleave', () => {
      if (!this.#down) this.#to(null, false);
    });
    canvas.addEventListener('keydown', event => this.#key(event));
    new ResizeObserver(() => this.repaint()).observe(canvas);
  }

  /** @param {HTMLImageElement} image @param {number} w @param {number} h */
  show(image, w, h) {
    this.photo = {image, w, h};
    this.canvas.style.setProperty('--ratio', String(image.naturalWidth / image.naturalHeight));
    this.repaint();
  }

  /** @param {PointerEvent} event @returns {[number, number]} */
  #spot(event) {
    const {left, top, width, height} = this.canvas.getBoundingClientRect();
    /** @param {number} share */
    const within = share => Math.min(0.9999, Math.max(0, share));
    return [within((event.clientX - left) / width), within((event.clientY - top) / height)];
  }

  /** @param {[number, number] | null} at @param {boolean} begins */
  #to(at, begins) {
    if (!this.photo) return;
    this.at = at;
    this.moved(at, this.#down, begins);
    this.repaint();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.photo) return;
    const by = {ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1]}[event.key];
    const [x, y] = this.at ?? [0.5, 0.5];
    if (by) {
      const step = Easel.STEP * (event.shiftKey ? 0.25 : 1);
      /** @param {number} share */
      const within = share => Math.min(0.9999, Math.max(0, share));
      this.#to([within(x + by[0] * step), within(y + by[1] * step)], false);
    } else if (event.key === ' ' || event.key === 'Enter') {
      this.#down = true;
      this.#to([x, y], true);
      this.#down = false;
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** With the next frame. */
  repaint() {
    this.#asked ||= requestAnimationFrame(() => this.render());
  }

  render() {
    this.#asked = 0;
    const {canvas, photo} = this;
    const {clientWidth: width, clientHeight: height} = canvas;
    if (!photo || !width || !height) return;
    const dpr = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * dpr) || canvas.height !== Math.round(height * dpr)) {
      canvas.width = Math.round(width * dpr);
      canvas.height = Math.round(height * dpr);
    }
    const g = dom.known(canvas.getContext('2d'));
    g.setTransform(dpr, 0, 0, dpr, 0, 0);
    g.globalAlpha = 1;
    g.imageSmoothingEnabled = true;
    g.imageSmoothingQuality = 'high';
    g.drawImage(photo.image, 0, 0, width, height);
    for (const [layer, alpha, smooth] of this.over()) {
      g.globalAlpha = alpha;
      g.imageSmoothingEnabled = smooth;
      g.drawImage(layer, 0, 0, width, height);
    }
    g.globalAlpha = 1;
    if (this.at) this.#ring(g, this.at[0] * width, this.at[1] * height, (this.radius * width) / photo.w || 7);
  }

  /** @param {CanvasRenderingContext2D} g @param {number} x @param {number} y @param {number} radius */
  #ring(g, x, y, radius) {
    for (const [colour, wide] of /** @type {[string, number][]} */ ([
      ['#000a', 4],
      ['#fff', 2],
    ])) {
      g.strokeStyle = colour;
      g.lineWidth = wide;
      g.beginPath();
      g.arc(x, y, radius, 0, 2 * Math.PI);
      g.stroke();
    }
  }
}
