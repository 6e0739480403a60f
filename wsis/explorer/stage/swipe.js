// @ts-check
// The line between the two sides of the stage, and the handle that moves it.
class Swipe {
  static STEP = 0.02;

  /** @param {HTMLElement} box @param {Camera} camera @param {Player} player @param {() => void} repaint */
  constructor(box, camera, player, repaint) {
    this.camera = camera;
    this.player = player;
    this.repaint = repaint;
    this.line = dom.one(box, '.divider', HTMLElement);
    this.handle = dom.one(box, '.divider button', HTMLButtonElement);
    const {handle} = this;
    handle.addEventListener('pointerdown', event => {
      handle.setPointerCapture(event.pointerId);
      event.preventDefault();
      handle.focus();
    });
    handle.addEventListener('pointermove', event => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const {x, w} = camera.place();
      this.#split((camera.spot(event)[0] - x) / w);
    });
    handle.addEventListener('lostpointercapture', () => link.write());
    handle.addEventListener('keydown', event => {
      const by = {ArrowRight: Swipe.STEP, ArrowLeft: -Swipe.STEP, Home: -1, End: 1}[event.key];
      if (!by) return;
      event.preventDefault();
      this.#split(page.state.split + by);
      link.write();
    });
  }

  /** @param {number} share */
  #split(share) {
    page.state.split = Math.min(1, Math.max(0, share));
    this.repaint();
  }

  /** The left side, where the stage shows two. */
  get left() {
    const {state, data, now} = page;
    if (!state.swipe || !now.left || !data.peaks.length) return null;
    if (models.compared(state.compare)) return now.left;
    if (Player.STILL.includes(state.view)) return null;
    return state.compare === 'naive' && this.player.of(now.right) === 0 ? null : now.left;
  }

  /** Where the line is, CSS pixels from the left of the box. */
  at() {
    const {x, w} = this.camera.place();
    return x + w * page.state.split;
  }

  draw() {
    this.line.hidden = !this.left;
    this.line.style.left = `${this.at()}px`;
    this.handle.setAttribute('aria-valuenow', String(Math.round(page.state.split * 100)));
  }
}
