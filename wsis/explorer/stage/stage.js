// @ts-check
// The stage: one canvas, buttons over it for the peaks, and the filmstrip of the picked one.
class Stage {
  static FADE = 120;
  #asked = 0;
  /** The photo that the camera was last fitted to. */
  #fitted = '';

  /** @param {HTMLElement} element */
  constructor(element) {
    const repaint = () => this.repaint();
    const box = dom.one(element, '.box', HTMLElement);
    this.box = box;
    this.canvas = dom.one(element, 'canvas.main', HTMLCanvasElement);
    this.ghost = dom.one(element, 'canvas.ghost', HTMLCanvasElement);
    this.aloud = dom.one(element, '.aloud', HTMLElement);
    this.camera = new Camera(box, repaint);
    this.layers = new Layers(this.canvas, this.camera, repaint);
    this.player = new Player(
      () => this.fade(),
      () => {
        this.controls.draw();
        repaint();
      },
    );
    this.controls = new Controls(element, this.player, repaint);
    this.gestures = new Gestures(box, this.camera);
    this.swipe = new Swipe(box, this.camera, this.player, repaint);
    this.hover = new Hover(box, this.camera, this.player, this.layers, this.swipe);
    this.captions = new Captions(box, this.camera);
    this.marks = new Marks(box, this.camera, this.captions);
    this.film = new Film(dom.one(element, '.film', HTMLElement), this.layers, this.player);
    this.tools = new Tools(element, box, this.camera, repaint);
    this.grid = new Grid(box, this.layers);
    this.notices = new Notices(element);
    this.present = new Present(this.layers);
    new ResizeObserver(() => this.camera.resize()).observe(box);
    page.listenFirst(why => this.draw(why === 'back' ? 'photo' : why));
    this.notices.draw();
    this.controls.draw();
  }

  /** What has changed, drawn anew. @param {Why} why */
  draw(why) {
    const {data, now} = page;
    const anew = why === 'photo' || why === 'analysis';
    if (anew || ['empty', 'gone', 'notice', 'busy', 'place'].includes(why)) this.notices.draw();
    if (why === 'place') return;
    if (why === 'models') return this.controls.draw();
    if (why === 'touch') return this.repaint();
    if (anew || why === 'part') {
      paint.clear();
      this.layers.forget();
    }
    if (why === 'photo' && data.photo) this.#frame(data.photo);
    if (anew || why === 'step') this.player.stop();
    if (anew) this.fade();
    if (why === 'settled') this.aloud.textContent = words.summary(data, now);
    this.controls.draw();
    if (why === 'weights' || why === 'photo')
      this.render(); // a drag repaints at once
    else this.repaint();
  }

  /** The box takes the photo's shape; another photo is seen whole. @param {Photo} photo */
  #frame({size: [width, height], src}) {
    this.box.style.setProperty('--ratio', String(width / height));
    if (src === this.#fitted) return;
    this.#fitted = src;
    this.camera.fit();
  }

  /** With the next frame. */
  repaint() {
    this.#asked ||= requestAnimationFrame(() => this.render());
  }

  /** The picture before goes out. */
  fade() {
    const {canvas, ghost} = this;
    if (matchMedia('(prefers-reduced-motion: reduce)').matches || !canvas.width) return;
    ghost.width = canvas.width;
    ghost.height = canvas.height;
    paint.context(ghost).drawImage(canvas, 0, 0);
    ghost.animate([{opacity: 1}, {opacity: 0}], {duration: Stage.FADE, easing: 'linear'});
  }

  render() {
    cancelAnimationFrame(this.#asked);
    this.#asked = 0;
    const {width, height} = this.camera;
    if (!width || !height) return;
    const g = dom.known(this.canvas.getContext('2d'));
    this.#size(g);
    g.clearRect(0, 0, width, height);
    if (!page.data.photo) return;
    const step = this.player.of(page.now.right);
    const view = page.data.match ? page.state.view : 'classmap';
    const {left} = this.swipe;
    this.#sides(g, view, step, left);
    this.tools.pointer.draw(g);
    this.swipe.draw();
    this.captions.draw(view, step, left);
    this.marks.draw(left && models.compared(page.state.compare) ? this.swipe.at() : null);
    this.film.draw(step);
    this.grid.draw();
    this.present.repaint();
  }

  /** As many pixels as the screen has for the box. @param {CanvasRenderingContext2D} g */
  #size(g) {
    const {canvas, camera} = this;
    const dpr = devicePixelRatio || 1;
    const [width, height] = [Math.round(camera.width * dpr), Math.round(camera.height * dpr)];
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    g.setTransform(dpr, 0, 0, dpr, 0, 0);
  }

  /** @param {CanvasRenderingContext2D} g @param {View} view @param {number} step @param {Side | null} left */
  #sides(g, view, step, left) {
    const preview = page.now.shown;
    const {x, y, w, h} = this.camera.place();
    const whole = [0, 0, ...Layers.frame()];
    const to = [x, y, w, h];
    const over = view === 'match' || Layers.MAPS.includes(view);
    const shown = preview !== null && !over ? 'proposal' : view;
    this.layers.draw(g, shown, page.now.right, step, whole, to, preview);
    const changed = this.film.hovered || (view === 'enhanced' ? step : 0);
    if (changed && changed <= page.data.steps) this.layers.drawChange(g, changed, to);
    if (left) {
      g.save();
      g.beginPath();
      g.rect(0, 0, this.swipe.at(), this.camera.height);
      g.clip();
      this.layers.draw(g, view, left, left.step, whole, to, preview);
      g.restore();
    }
    const {truth} = dom.known(page.data.photo);
    if (truth && page.state.truth) g.drawImage(truth, x, y, w, h);
  }
}
