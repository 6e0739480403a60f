// @ts-check
// A press on the stage with a tool in hand: peaks placed and dragged, regions and pixels painted.
class Pointer {
  /** Beyond so many pixels a press on a peak is a drag. */
  static SLACK = 6;
  static RADIUS = [2, 120];
  /**
   * What a press has begun.
   * @type {{kind: 'drag', peak: number} | {kind: 'paint', on: number} | {kind: 'brush'} | null}
   */
  #doing = null;
  /** @type {[number, number]} */
  #from = [0, 0];
  /** Points of the stroke, in pixels of the photo. @type {[number, number][]} */
  #points = [];
  /** The mask that is being painted. @type {Draft | null} */
  #draft = null;
  /** Where the pointer is over the stage, CSS pixels. @type {[number, number] | null} */
  #at = null;

  /** The click that ends a drag or a stroke is none. */
  #swallow = false;

  /** @param {HTMLElement} box @param {Camera} camera @param {() => void} repaint */
  constructor(box, camera, repaint) {
    this.box = box;
    this.camera = camera;
    this.repaint = repaint;
    this.terms = dom.one(box, '.tag.terms', HTMLElement);
    // Before the gestures of a stage that is only looked at.
    box.addEventListener('pointerdown', event => this.#down(event), true);
    box.addEventListener('pointermove', event => this.#move(event), true);
    box.addEventListener('pointerup', event => this.#up(event), true);
    box.addEventListener('pointercancel', () => this.cancel(), true);
    box.addEventListener('pointerleave', () => this.#hovered(null));
    box.addEventListener('click', event => this.#click(event), true);
    box.addEventListener('wheel', event => this.#wheel(event), {capture: true, passive: false});
  }

  // --- pointer ------------------------------------------------------------------------------------------------------
  /** Where an event is, as shares of the photo. @param {MouseEvent} event @returns {[number, number]} */
  #share(event) {
    const {x, y, w, h} = this.camera.place();
    const [left, top] = this.camera.spot(event);
    return [(left - x) / w, (top - y) / h];
  }
  /** @param {number[]} place */
  static #within = ([x, y]) => x >= 0 && x < 1 && y >= 0 && y < 1;

  /** @param {PointerEvent} event */
  #down(event) {
    const mark = dom.hit(event, '.marks button');
    if (!event.isPrimary) return this.cancel();
    if (event.button || !touch.ready()) return;
    this.#from = [event.clientX, event.clientY];
    if (mark && page.state.tool !== 'merge') {
      const peak = dom.all(this.box, '.marks button').indexOf(mark);
      this.#doing = {kind: 'drag', peak};
      return;
    }
    const at = this.#share(event);
    if (dom.hit(event, 'button, .message') || !Pointer.#within(at)) return;
    const {tool} = page.state;
    if (tool === 'paint') this.#beginRegions(event, at);
    else if (tool === 'brush' || tool === 'eraser') this.#beginStroke(event, at);
  }
  /** @param {PointerEvent} event @param {[number, number]} at */
  #beginRegions(event, at) {
    const begun = draft.of(page.state.peak);
    if (!begun) return;
    const region = touch.regionAt(...at);
    this.#draft = begun;
    this.#doing = {kind: 'paint', on: begun.members[region] ? 0 : 1};
    this.#hold(event);
    this.#paintRegion(region);
  }
  /** @param {PointerEvent} event @param {[number, number]} at */
  #beginStroke(event, at) {
    this.#doing = {kind: 'brush'};
    this.#points = [this.#pixel(at)];
    this.#hold(event);
    this.repaint();
  }
  /** The gestures of looking do not get this one. @param {PointerEvent} event */
  #hold(event) {
    event.stopPropagation();
    event.preventDefault();
    this.box.focus({preventScroll: true});
    this.box.setPointerCapture(event.pointerId);
  }
  /** @param {number[]} at @returns {[number, number]} */
  #pixel([x, y]) {
    const [width, height] = dom.known(page.data.photo).size;
    return [Math.round(x * width * 10) / 10, Math.round(y * height * 10) / 10];
  }
  /** @param {PointerEvent} event */
  #move(event) {
    this.#hovered(this.camera.spot(event));
    if (!this.#doing) return;
    const at = this.#share(event);
    if (this.#doing.kind === 'drag') return this.#drag(event);
    event.stopPropagation();
    if (this.#doing.kind === 'paint') {
      if (Pointer.#within(at)) this.#paintRegion(touch.regionAt(...at));
      return;
    }
    this.#points.push(this.#pixel(at));
    this.repaint();
  }
  /** @param {[number, number] | null} at */
  #hovered(at) {
    this.#at = at;
    if (['brush', 'eraser'].includes(page.state.tool)) this.repaint();
  }
  /** @param {PointerEvent} event */
  #drag(event) {
    const doing = this.#doing;
    if (doing?.kind !== 'drag') return;
    const far = Math.hypot(event.clientX - this.#from[0], event.clientY - this.#from[1]);
    const mark = dom.all(this.box, '.marks button')[doing.peak];
    if (!mark || (far <= Pointer.SLACK && !mark.classList.contains('dragged'))) return;
    event.stopPropagation();
    const [left, top] = this.camera.spot(event);
    mark.classList.add('dragged');
    Object.assign(mark.style, {left: `${left}px`, top: `${top}px`});
  }
  /** @param {PointerEvent} event */
  #up(event) {
    const doing = this.#doing;
    this.#doing = null;
    if (!doing) return;
    if (doing.kind === 'drag') {
      const mark = dom.all(this.box, '.marks button')[doing.peak];
      if (!mark?.classList.contains('dragged')) return;
      mark.classList.remove('dragged');
      event.stopPropagation();
      this.#swallow = true;
      const at = this.#share(event);
      if (Pointer.#within(at)) touch.move(doing.peak, ...at);
      else this.repaint();
      return;
    }
    event.stopPropagation();
    this.#swallow = true;
    if (doing.kind === 'paint') {
      const {proposal} = touch.mask(page.state.peak);
      const {inside, outside} = dom.known(this.#draft);
      touch.choose(proposal, inside, outside);
    } else touch.stroke(this.#points, page.state.radius, page.state.tool === 'eraser');
  }
  /** @param {MouseEvent} event */
  #click(event) {
    if (this.#swallow) {
      this.#swallow = false;
      event.stopPropagation();
      event.preventDefault();
      return;
    }
    const {tool} = page.state;
    const mark = dom.hit(event, '.marks button');
    if (mark && tool === 'merge') {
      const other = dom.all(this.box, '.marks button').indexOf(mark);
      event.stopPropagation();
      page.change({tool: 'look'}, 'touch');
      if (other !== page.state.peak) touch.merge([page.state.peak, other]);
      return;
    }
    const at = this.#share(event);
    if (dom.hit(event, 'button, .message') || !Pointer.#within(at) || !touch.ready()) return;
    if (tool === 'peak') touch.place(...at);
    else if (tool === 'in' || tool === 'out') touch.force(touch.regionAt(...at), tool === 'in');
    else if (tool === 'look' || tool === 'merge') return;
    event.stopPropagation();
  }
  cancel() {
    for (const mark of dom.all(this.box, '.dragged')) mark.classList.remove('dragged');
    this.#doing = null;
    this.#draft = null;
    this.#points = [];
    this.repaint();
  }
  /** With a tool in hand, the wheel over the picked mask goes from part to group; with a brush it sets its size. */
  #wheel(/** @type {WheelEvent} */ event) {
    const {tool} = page.state;
    if (event.ctrlKey || tool === 'look' || !touch.ready()) return;
    event.preventDefault();
    event.stopPropagation();
    if (tool === 'brush' || tool === 'eraser') return this.resize(event.deltaY > 0 ? 1 / 1.15 : 1.15);
    if (Pointer.#idle()) touch.level(event.deltaY < 0 ? 1 : -1);
  }
  /** Whether nothing is being worked out. */
  static #idle = () => !page.data.busy && !wire.busy();
  /** @param {number} by */
  resize(by) {
    const [least, most] = Pointer.RADIUS;
    page.change({radius: Math.min(most, Math.max(least, page.state.radius * by))}, 'touch');
    this.repaint();
  }

  /** Without a pointer: a tool acts where the keyboard's cross stands, in the middle of the stage. */
  middle() {
    const {x, y, w, h} = this.camera.place();
    const at = /** @type {[number, number]} */ ([(this.camera.width / 2 - x) / w, (this.camera.height / 2 - y) / h]);
    const {tool, radius} = page.state;
    if (!Pointer.#within(at)) return;
    const region = touch.regionAt(...at);
    if (tool === 'peak') touch.place(...at);
    else if (tool === 'in' || tool === 'out') touch.force(region, tool === 'in');
    else if (tool === 'brush' || tool === 'eraser') touch.stroke([this.#pixel(at)], radius, tool === 'eraser');
    else if (tool === 'paint') this.#toggle(region);
  }
  /** @param {number} region */
  #toggle(region) {
    const begun = draft.of(page.state.peak);
    if (!begun) return;
    draft.set(begun, region, begun.members[region] ? 0 : 1);
    touch.choose(touch.mask(page.state.peak).proposal, begun.inside, begun.outside);
  }

  // --- regions ------------------------------------------------------------------------------------------------------
  /** @param {number} region */
  #paintRegion(region) {
    const doing = this.#doing;
    const begun = this.#draft;
    if (doing?.kind !== 'paint' || !begun || begun.members[region] === doing.on) return;
    draft.set(begun, region, doing.on);
    this.#measure(begun.members);
    this.repaint();
  }
  /** What the mask is worth as it stands. @param {Uint8Array} members */
  async #measure(members) {
    const {now, data, state} = page;
    const {part, right} = now;
    const partition = data.photo?.partition;
    if (!part || !partition) return;
    const row = touch.mask(state.peak).of === 'object' && data.objects ? data.steps + 1 : right.step;
    const counts = await measure.of(part, row, partition);
    const terms = measure.terms(counts, members, partition.areas, data.reading);
    if (!terms || this.#draft?.members !== members) return;
    const score = terms.reduce((sum, term, t) => sum + term * state.weights[t], 0) * this.#rate();
    const told = panels
      .termNames()
      .flatMap((name, t) => (name === words.UNUSED ? [] : [`${name} ${words.short(terms[t], 2)}`]));
    this.terms.textContent = [...told, `score ${words.short(score)}`].join(' · ');
    this.terms.hidden = false;
  }

  /** By how much the terms of the mask under way count: as those of the proposal that it comes from. */
  #rate() {
    const field = page.data.match;
    const slot = field?.ids.indexOf(touch.mask(page.state.peak).proposal) ?? -1;
    return field && slot >= 0 ? field.rates[slot] : 1;
  }

  // --- drawn --------------------------------------------------------------------------------------------------------
  /** What is under way, over the picture. @param {CanvasRenderingContext2D} g */
  draw(g) {
    const {tool, radius} = page.state;
    if (!page.data.photo?.partition || !page.data.match) return;
    if (page.data.busy === '' && !this.#doing && (this.#draft || this.#points.length)) {
      this.#draft = null; // Python has painted it
      this.#points = [];
      this.terms.hidden = true;
    }
    const {x, y, w, h} = this.camera.place();
    const colour = page.data.peaks[page.state.peak]?.colour ?? '#5b9dff';
    if (this.#draft) {
      g.imageSmoothingEnabled = true;
      g.drawImage(paint.members(this.#draft.members, colour), x, y, w, h);
    }
    const scale = w / dom.known(page.data.photo).size[0];
    if (this.#points.length) this.#line(g, scale, tool === 'eraser' ? '#101216' : colour);
    if (['brush', 'eraser'].includes(tool) && this.#at) {
      g.beginPath();
      g.arc(...this.#at, Math.max(1, radius * scale), 0, 2 * Math.PI);
      g.lineWidth = 1.5;
      g.strokeStyle = '#fff';
      g.stroke();
    }
  }
  /** @param {CanvasRenderingContext2D} g @param {number} scale @param {string} colour */
  #line(g, scale, colour) {
    const {x, y} = this.camera.place();
    g.save();
    g.globalAlpha = 0.6;
    g.strokeStyle = g.fillStyle = colour;
    g.lineWidth = 2 * page.state.radius * scale;
    g.lineCap = g.lineJoin = 'round';
    g.beginPath();
    for (const [left, top] of this.#points) g.lineTo(x + left * scale, y + top * scale);
    const [left, top] = this.#points[0];
    g.lineTo(x + left * scale + 0.01, y + top * scale);
    g.stroke();
    g.restore();
  }
}
