// @ts-check
// What stands over the corners of the photo: what each side shows, and the scale of colours.
class Captions {
  /** @type {Record<View, string>} */
  static NAMES = {
    photo: 'photo',
    classmap: 'class map',
    response: 'peak response, Eq. 2',
    enhanced: '',
    match: 'V and its best proposal',
    instances: 'final masks',
    semantic: 'final classes',
  };
  /** A photo narrower than this has its captions beside it. */
  static NARROW = 440;
  static EDGE = 10;
  /** Where they end, from the top of the box. */
  below = 0;

  /** @param {HTMLElement} box @param {Camera} camera */
  constructor(box, camera) {
    this.camera = camera;
    this.left = dom.one(box, '.tag.left', HTMLElement);
    this.right = dom.one(box, '.tag.right', HTMLElement);
    this.scale = dom.one(box, '.scale', HTMLElement);
    this.ends = dom.all(this.scale, 'span');
  }

  /** What naive maps are, by the setting. @type {Record<string, string>} */
  static NAIVE = {'class map': 'class map', response: 'peak response, Eq. 2', mixed: 'response and class map, mixed'};
  /** What the left of the swipe is called, where it is no enhancer. @type {Record<string, string>} */
  static TITLES = {naive: 'without enhancing', published: 'as published'};

  /** A map in words. @param {Analysed} data @param {number} t step */
  static told(data, t) {
    const {compare} = /** @type {Partial<Compared>} */ (data);
    const naive = compare === acts.PUBLISHED ? 'response' : String(page.data.settings.naive);
    if (t === 0) return `naive, t = 0 · ${Captions.NAIVE[naive] ?? ''}`;
    if (t > data.steps) return 'the object under the peak';
    if (data.enhancer === 'spread') return 'spread over superpixels';
    return `enhanced, t = ${t} · ${wsis.config.enhancers[data.enhancer]?.short || ''}`;
  }

  /** What a picture shows. @param {Analysed} data @param {View} what @param {number} t step */
  static #shown(data, what, t) {
    if (!data.match || what === 'classmap') return Captions.NAMES.classmap;
    if (what === 'photo' || what === 'response') return Captions.NAMES[what];
    return [Captions.NAMES[what], Captions.told(data, t)].filter(Boolean).join(' · ');
  }

  /** The left of the swipe. @param {Side} left */
  static #compared({data, step}) {
    const title = Captions.TITLES[page.state.compare];
    return title ? `${title} · ${Captions.told(data, step)}` : Captions.told(data, step);
  }

  /** The same where two models are compared: whose it is, and which class. @param {string} model @param {Side} side */
  static #by(model, side, /** @type {View} */ what, t = side.step) {
    const peak = side.data.peaks[side.peak];
    if (!peak) return `${model}: nothing found`;
    const one = what === 'instances' || what === 'semantic' ? '' : `${peak.name}, `;
    return `${model}: ${one}${Captions.#shown(side.data, what, t)}`;
  }

  /** @param {View} what @param {number} t step @param {Side | null} left */
  draw(what, t, left) {
    const {state, data} = page;
    const {x, w} = this.camera.place();
    // Beside a narrow photo there is room for both, on it there is not; half of the width each, lest they meet.
    const narrow = left && w < Captions.NARROW;
    const edge = (narrow ? 0 : Math.max(0, x)) + Captions.EDGE;
    const most = left ? (this.camera.width - 2 * edge) / 2 - 5 : this.camera.width - 20;
    const right = Captions.#shown(data, what, t);
    const preview = ranking.told();
    const model = left && models.compared(state.compare);
    const other = model ? Captions.#by(model, left, what) : left ? Captions.#compared(left) : '';
    const alone = left ? `final · ${Captions.told(data, t)}` : right;
    const own = model ? Captions.#by(data.model, page.now.right, what, t) : alone;
    const changed = [
      this.#label(this.left, other, {left: edge}, most),
      this.#label(this.right, data.peaks.length ? preview || own : '', {right: edge}, most),
    ];
    if (changed.some(Boolean))
      this.below = Math.max(...[this.left, this.right].map(tag => tag.offsetTop + tag.offsetHeight)); // 0 where hidden
    this.#drawScale(what);
  }

  /**
   * Whether it has changed.
   * @param {HTMLElement} tag @param {string} text @param {{left?: number, right?: number}} side its distance
   * @param {number} most width
   */
  #label(tag, text, {left, right}, most) {
    const {y} = this.camera.place();
    if (!dom.changed(tag, [text, left, right, y, most].join())) return false;
    tag.hidden = !text;
    tag.textContent = text;
    tag.style.left = left === undefined ? 'auto' : `${left}px`;
    tag.style.right = right === undefined ? 'auto' : `${Math.max(Captions.EDGE, right)}px`;
    tag.style.top = `${Math.max(Captions.EDGE, y + 10)}px`;
    tag.style.maxWidth = `${most}px`;
    return true;
  }

  /** @param {View} what */
  #drawScale(what) {
    const {x, y, w, h} = this.camera.place();
    this.scale.hidden = !['classmap', ...Layers.MAPS].includes(what) || !page.data.peaks.length;
    if (this.scale.hidden) return;
    const range = (page.now.part?.range || [0, 1]).map(n => n.toFixed(1));
    for (const [i, end] of this.ends.entries()) dom.text(end, what === 'classmap' ? range[i] : String(i));
    this.scale.style.right = `${Math.max(Captions.EDGE, this.camera.width - x - w + 10)}px`;
    this.scale.style.bottom = `${Math.max(Captions.EDGE, this.camera.height - y - h + 10)}px`;
  }
}
