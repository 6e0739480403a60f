// @ts-check
// Wheel, fingers, mouse and keys on the stage: they move the camera and pick peaks.
class Gestures {
  /** Where each finger is. @type {Map<number, [number, number]>} */
  #fingers = new Map();
  /** How far they have moved since the first came down; up to `SLACK` pixels it is a click. */
  #moved = 0;
  /** How far two are apart. */
  #apart = 0;
  static SLACK = 4;
  static STEP = 1.5;

  /** @param {HTMLElement} box @param {Camera} camera */
  constructor(box, camera) {
    this.box = box;
    this.camera = camera;
    for (const b of dom.all(box, '.zoom button'))
      b.addEventListener('click', event => {
        event.stopPropagation();
        if (b.dataset.zoom === 'fit') camera.fit();
        else camera.zoom(b.dataset.zoom === 'in' ? Gestures.STEP : 1 / Gestures.STEP);
      });
    box.addEventListener('wheel', event => this.#wheel(event), {passive: false});
    box.addEventListener('pointerdown', event => this.#down(event));
    box.addEventListener('pointermove', event => this.#move(event));
    for (const end of ['pointerup', 'pointercancel', 'pointerleave'])
      box.addEventListener(end, event => event instanceof PointerEvent && this.#fingers.delete(event.pointerId));
    box.addEventListener('click', event => this.#click(event));
    box.addEventListener('keydown', event => this.#key(event));
  }

  /** Whether it is a control's own. @param {Event} event */
  static #control(event) {
    return !!dom.hit(event, 'button, input, select');
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    const scrolls = document.documentElement.scrollHeight > innerHeight + 1;
    if (!page.data.photo || (scrolls && !event.ctrlKey && !this.camera.zoomed)) return; // the page goes on scrolling
    event.preventDefault();
    this.camera.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), ...this.camera.spot(event));
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (Gestures.#control(event) || !page.data.photo) return;
    this.#fingers.set(event.pointerId, [event.clientX, event.clientY]);
    this.#moved = 0;
    if (this.#fingers.size === 2) this.#apart = this.#spread();
  }

  #spread() {
    const [a, b] = [...this.#fingers.values()];
    return Math.hypot(a[0] - b[0], a[1] - b[1]);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const last = this.#fingers.get(event.pointerId);
    if (!last) return;
    const dx = event.clientX - last[0];
    const dy = event.clientY - last[1];
    this.#fingers.set(event.pointerId, [event.clientX, event.clientY]);
    this.#moved += Math.abs(dx) + Math.abs(dy);
    if (this.#fingers.size === 2) this.#pinch();
    else if (this.camera.zoomed && this.#moved > Gestures.SLACK) {
      if (!this.box.hasPointerCapture(event.pointerId)) this.box.setPointerCapture(event.pointerId);
      this.camera.pan(dx, dy);
    }
  }

  #pinch() {
    const {left, top} = this.box.getBoundingClientRect();
    const [a, b] = [...this.#fingers.values()];
    const apart = this.#spread();
    if (this.#apart) this.camera.zoom(apart / this.#apart, (a[0] + b[0]) / 2 - left, (a[1] + b[1]) / 2 - top);
    this.#apart = apart;
  }

  /** A click beside the buttons picks the nearest peak. @param {MouseEvent} event */
  #click(event) {
    const {peaks} = page.data;
    if (Gestures.#control(event) || !peaks.length || this.#moved > Gestures.SLACK) return;
    const {x, y, w, h} = this.camera.place();
    const [left, top] = this.camera.spot(event);
    const far = peaks.map(peak => Math.hypot(x + peak.x * w - left, y + peak.y * h - top));
    acts.pick(far.indexOf(Math.min(...far)));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (dom.hit(event, '.divider') || event.ctrlKey || event.metaKey) return;
    const by = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    const scale = {'+': Gestures.STEP, '=': Gestures.STEP, '-': 1 / Gestures.STEP}[event.key];
    if (by && page.data.peaks.length) acts.walk(by);
    else if (scale) this.camera.zoom(scale);
    else if (event.key === '0') this.camera.fit();
    else return;
    event.preventDefault();
  }
}
