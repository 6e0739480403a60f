// @ts-check
// The tools beside the stage, their keys, and the offer on the photo's lower edge, or below it on a small screen.
class Tools {
  /** @type {Record<string, Tool>} */
  static KEYS = {k: 'peak', '+': 'in', '-': 'out', r: 'paint', b: 'brush', x: 'eraser'};
  /** @param {HTMLElement} element @param {HTMLElement} box @param {Camera} camera @param {() => void} repaint */
  constructor(element, box, camera, repaint) {
    this.box = box;
    this.pointer = new Pointer(box, camera, repaint);
    this.rail = dom.one(element, '.rail', HTMLElement);
    this.offer = dom.one(element, '.offer', HTMLElement);
    for (const b of dom.all(this.rail, '[data-tool]'))
      b.addEventListener('click', () => this.#pick(/** @type {Tool} */ (b.dataset.tool)));
    document.addEventListener('click', event => {
      const what = dom.hit(event, '#hands [data-do]')?.dataset.do;
      if (what) this.#act(what);
    });
    this.offer.addEventListener('click', event => {
      const what = dom.hit(event, 'button')?.dataset.offer;
      const peaks = touch.offer();
      if (!what || !peaks) return;
      event.stopPropagation();
      if (what === 'split') touch.split(peaks);
      else touch.keep(peaks);
    });
    document.addEventListener('keydown', event => this.#key(event));
    page.listen(() => this.drawBar());
  }

  /** @param {Tool} tool */
  #pick(tool) {
    this.pointer.cancel();
    page.change({tool: page.state.tool === tool ? 'look' : tool}, 'touch');
  }
  /** @param {string} what */
  #act(what) {
    if (!touch.ready()) return;
    const peaks = touch.offer();
    const same = Tools.#ofClass();
    if (what === 'undo') touch.undo();
    else if (what === 'redo') touch.redo();
    else if (what === 'remove') touch.remove(page.state.peak);
    else if (what === 'part') touch.level(-1);
    else if (what === 'group') touch.level(1);
    else if (what === 'snap') touch.snap('grabcut');
    else if (what === 'guided') touch.snap('guided filter');
    else if (what === 'split' && (peaks || same.length > 1)) touch.split(peaks ?? same);
    else if (what === 'merge') this.#pick('merge');
  }
  /** The picked peak and the others of its class that lie in its mask. */
  static #ofClass() {
    const {peaks, match: field} = page.data;
    const {peak} = page.state;
    if (!field || !peaks[peak]) return [];
    const {slot} = touch.mask(peak);
    const others = peaks.flatMap((one, k) => {
      const same = k !== peak && one.category === peaks[peak].category;
      return same && match.inside(field, slot, touch.regionAt(one.x, one.y)) ? [k] : [];
    });
    return [peak, ...others];
  }

  // --- keys ---------------------------------------------------------------------------------------------------------
  /** @param {KeyboardEvent} event */
  #key(event) {
    const typing = dom.hit(event, 'input:not([type=range]), textarea, select, [contenteditable]');
    if (typing || event.altKey || !touch.ready() || document.querySelector('dialog[open]')) return;
    const key = event.key.toLowerCase();
    if (event.ctrlKey || event.metaKey) {
      if (key === 'z') event.shiftKey ? touch.redo() : touch.undo();
      else if (key === 'y') touch.redo();
      else return;
      return event.preventDefault();
    }
    const elsewhere = ['teach', 'why'].includes(page.state.tab) && !dom.hit(event, '.stage'); // their own keys
    const {tool} = page.state;
    if (elsewhere) return;
    if (event.key === 'Escape' && tool !== 'look') this.#pick('look');
    else if (Tools.KEYS[key] && (tool !== 'look' || !['+', '-'].includes(key))) this.#pick(Tools.KEYS[key]);
    else if (key === 's') this.#act('split');
    else if (key === 'm') this.#act('merge');
    else if (key === 'g') this.#act('snap');
    else if (key === '[' || key === ']') this.#bracket(key === ']' ? 1 : -1);
    else if (event.key === 'Delete' || event.key === 'Backspace') touch.remove(page.state.peak);
    else if (event.key === 'Enter' && tool !== 'look' && dom.hit(event, '.box')) this.pointer.middle();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
  /** @param {number} by */
  #bracket(by) {
    const {tool} = page.state;
    if (tool === 'brush' || tool === 'eraser') this.pointer.resize(by > 0 ? 1.25 : 0.8);
    else touch.level(by);
  }
  /** Which tool is in hand, what can be done, what is offered. */
  drawBar() {
    const {state, data} = page;
    const can = touch.ready();
    this.rail.hidden = !data.match;
    this.box.dataset.tool = state.tool;
    for (const b of dom.all(this.rail, '[data-tool]'))
      b.setAttribute('aria-pressed', String(b.dataset.tool === state.tool));
    const peaks = can && !data.busy ? touch.offer() : null;
    this.offer.hidden = !peaks || state.view === 'classmap';
    if (!peaks) return;
    const {name} = data.peaks[peaks[0]];
    const text = `${peaks.length} peaks of class ${name} share a mask: as many objects?`;
    dom.fill(
      this.offer,
      markup.html`<span>${text}</span><button type="button" class="primary" data-offer="split">Split</button>
        <button type="button" class="plain" data-offer="keep">Keep as one</button>`,
    );
  }
}
