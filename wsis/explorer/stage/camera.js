// @ts-check
// Which part of the photo the stage shows, and how large.
class Camera {
  /** The box's size in CSS pixels, so that nothing asks for it while drawing. */
  width = 0;
  height = 0;
  /** How often larger than the whole photo, and which point of it stands in the middle, in shares of its size. */
  #zoom = 1;
  #x = 0;
  #y = 0;

  /** @param {HTMLElement} box @param {() => void} repaint after every move */
  constructor(box, repaint) {
    this.box = box;
    this.repaint = repaint;
  }

  get zoomed() {
    return this.#zoom > 1;
  }

  /** The box has another size. */
  resize() {
    this.width = this.box.clientWidth;
    this.height = this.box.clientHeight;
    this.repaint();
  }

  /** Where the photo lies in the box, CSS pixels. */
  place() {
    const [w, h] = page.data.photo?.size || [4, 3];
    const k = Math.min(this.width / w, this.height / h) * this.#zoom;
    return {
      x: Camera.#offset(this.#x, w * k, this.width),
      y: Camera.#offset(this.#y, h * k, this.height),
      w: w * k,
      h: h * k,
    };
  }

  /** Where the photo begins, so that no border shows where there is more of it. */
  static #offset(/** @type {number} */ share, /** @type {number} */ size, /** @type {number} */ room) {
    if (size <= room) return (room - size) / 2;
    return Math.min(0, Math.max(room - size, room / 2 - share * size));
  }

  /** What lies at (x, y) of the box stays there. @param {number} factor */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const before = this.place();
    const u = (x - before.x) / before.w;
    const v = (y - before.y) / before.h;
    this.#zoom = Math.min(8, Math.max(1, this.#zoom * factor));
    const after = this.place();
    this.#x = u + (this.width / 2 - x) / after.w;
    this.#y = v + (this.height / 2 - y) / after.h;
    this.#clamp();
  }

  /** @param {number} dx CSS pixels @param {number} dy */
  pan(dx, dy) {
    const {w, h} = this.place();
    this.#x -= dx / w;
    this.#y -= dy / h;
    this.#clamp();
  }

  /** The whole photo. */
  fit() {
    this.#zoom = 1;
    this.#x = this.#y = 0.5;
    this.#clamp();
  }

  #clamp() {
    const {x, y, w, h} = this.place();
    this.#x = (this.width / 2 - x) / w;
    this.#y = (this.height / 2 - y) / h;
    this.box.classList.toggle('zoomed', this.zoomed);
    this.repaint();
  }

  /** Where in the box something happened. @param {MouseEvent} event @returns {[number, number]} */
  spot(event) {
    const {left, top} = this.box.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }
}
