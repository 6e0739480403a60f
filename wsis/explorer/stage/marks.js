// @ts-check
// One button a peak, over the canvas so that the keyboard reaches it.
class Marks {
  /** With more peaks than this only the picked one is named. */
  static FEW = 5;

  /** @param {HTMLElement} box @param {Camera} camera @param {Captions} captions */
  constructor(box, camera, captions) {
    this.home = dom.one(box, '.marks', HTMLElement);
    this.answer = dom.one(box, '.answer', HTMLElement);
    this.camera = camera;
    this.captions = captions;
  }

  /** @param {number | null} line where another model's side ends, CSS pixels; null where there is none */
  draw(line) {
    const {peaks} = page.data;
    while (this.home.children.length > peaks.length) this.home.lastChild?.remove();
    while (this.home.children.length < peaks.length) this.home.append(Marks.#button(this.home.children.length));
    for (const [k, b] of dom.all(this.home, 'button').entries()) {
      this.#place(b, peaks[k], k);
      b.classList.toggle('away', line !== null && parseFloat(b.style.left) < line);
    }
    this.#answered(line);
  }

  /** The peak on another model's side that answers the picked one. @param {number | null} line */
  #answered(line) {
    const side = page.now.left;
    const peak = line === null ? undefined : side?.data.peaks[side.peak];
    const {x, y, w, h} = this.camera.place();
    const left = peak ? x + peak.x * w : 0;
    this.answer.hidden = !peak || left > (line ?? 0);
    if (peak) this.answer.style.cssText = `left:${left}px;top:${y + peak.y * h}px;--own:${peak.colour}`;
  }

  /** @param {number} k */
  static #button(k) {
    const b = document.createElement('button');
    b.type = 'button';
    b.append(document.createElement('span'));
    b.addEventListener('click', event => {
      event.stopPropagation();
      acts.pick(k);
    });
    return b;
  }

  /** @param {HTMLElement} b @param {Peak} peak @param {number} k */
  #place(b, peak, k) {
    const {state, data, now} = page;
    const {below} = this.captions;
    const {width, height} = this.camera;
    const photo = this.camera.place();
    const x = photo.x + peak.x * photo.w;
    const y = photo.y + peak.y * photo.h;
    const picked = k === state.peak;
    const count = data.peaks.length;
    const text = `${peak.name} ${words.unit(now.byPeak.get(k)?.score)}`.trim();
    if (!dom.changed(b, [x, y, below, width, height, photo.y, photo.h, peak.colour, picked, text, count].join()))
      return;
    const under = y < below + 14;
    b.style.cssText = `left:${x}px;top:${y}px;--own:${peak.colour};--below:${below - y}px`;
    b.setAttribute('aria-pressed', String(picked));
    b.setAttribute('aria-label', `Peak ${k + 1} of ${count}: ${text}`);
    b.classList.toggle('quiet', count > Marks.FEW && !picked);
    b.classList.toggle('flip', x > width - 130);
    b.classList.toggle('under', under);
    b.classList.toggle('above', !under && y > Math.min(height, photo.y + photo.h) - 52);
    dom.one(b, 'span', HTMLElement).textContent = text;
  }
}
