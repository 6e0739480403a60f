// @ts-check
// Which step of the map the stage shows: the one that is matched, unless steps are played or an object's map is shown.
class Player {
  static EVERY = 700;
  /** Views that no step changes. @type {View[]} */
  static STILL = ['photo', 'classmap', 'response'];
  /** The step shown instead; null for the one that is matched. @type {number | null} */
  step = null;
  #timer = 0;

  /** @param {() => void} fade @param {() => void} redraw */
  constructor(fade, redraw) {
    this.fade = fade;
    this.redraw = redraw;
  }

  /** The step that a side of the stage shows. @param {Side} side */
  of(side) {
    return side === page.now.right ? (this.step ?? side.step) : side.step;
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.step = null;
  }

  /** t = 0..T before the eyes; what is matched stays. */
  play() {
    const {state, data, now} = page;
    this.stop();
    this.fade();
    if (Player.STILL.includes(state.view)) state.view = 'enhanced';
    const last = now.right.step || data.steps;
    this.step = 0;
    this.redraw();
    this.#timer = setInterval(() => {
      if (this.step === null || this.step >= last) this.stop();
      else {
        this.fade();
        this.step++;
      }
      this.redraw();
    }, Player.EVERY);
  }

  /** Another view, at another step where it is named. @param {View} view @param {number} [step] */
  show(view, step) {
    this.stop();
    this.fade();
    page.state.view = view;
    if (step !== undefined && !Player.STILL.includes(view) && step !== page.now.right.step) return acts.setStep(step);
    page.change({preview: null}, 'view');
    wire.settle();
  }

  /** The map of the object under the picked peak; what is matched stays. */
  object() {
    this.stop();
    this.fade();
    page.state.view = 'enhanced';
    this.step = page.data.steps + 1;
    page.change({preview: null}, 'view');
  }
}
