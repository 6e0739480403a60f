// @ts-check
// The triangle over the sliders: a point is alpha, beta and gamma divided by their sum, a colour the proposal that wins
// there; where it is most of the photo it is hatched. The ring is now: it can be dragged, and goes where one clicks.
const triangle = (() => {
  const {config} = wsis;
  const {state, data} = page;
  /** The triangle's box and that of all of it, in CSS pixels; `.simplex` in panels.css has the same. */
  const [LEFT, TOP, WIDTH, HEIGHT] = [62, 8, 160, 138];
  const WHOLE = 284;
  /** Side of a picture, and from one to the next. */
  const [PICTURE, NEXT] = [44, 64];
  const PICTURES = 4;
  const SCALE = 2;
  /** A key moves the ring by so much of the triangle's side. */
  const KEY = 0.02;

  /** @typedef {{entry: number, at: number[]}} Shown */
  /** @type {{key: string, field: Field, seen: Simplex, shown: Shown[]} | null} */
  let known = null;

  /** How far each slider goes. */
  const reach = () => presets.current().ranges.map(([limit]) => limit);
  /** What a sum of weights is in reaches. */
  const total = () => state.weights.reduce((sum, w, i) => sum + w / reach()[i], 0);
  /** @param {Field} field @param {number} entry */
  const most = (field, entry) => alike.most(field, field.slots[entry], dom.known(data.areas));

  /** Who wins where, and the largest regions whose proposals differ. @param {Field} field @param {number} cell */
  function seen(field, cell) {
    const key = [data.photo?.serial, state.token, data.reading, cell, ...reach()].join();
    if (known?.key === key && known.field === field) return known;
    const found = simplex.winners(field, cell, reach());
    const areas = dom.known(data.areas);
    /** @type {Shown[]} */
    const shown = [];
    for (const region of simplex.regions(found)) {
      const slot = field.slots[region.entry];
      const new_ = !shown.some(one => alike.same(field, field.slots[one.entry], slot, areas));
      if (new_ && shown.length < PICTURES) shown.push(region);
    }
    known = {key, field, seen: found, shown};
    return known;
  }

  /** @param {HTMLElement} home */
  function build(home) {
    const corner = words.SYMBOLS.map(
      (symbol, i) => markup.html`<span class="${words.TERMS[i]}"><em>${symbol}</em></span>`,
    );
    const pictures = Array(PICTURES).fill(
      markup.html`<button type="button" hidden><canvas width="88" height="88"></canvas><small></small></button>`,
    );
    dom.build(
      home,
      markup.html`
        ${corner}
        <div class="field">
          <canvas width="${SCALE * WIDTH}" height="${SCALE * HEIGHT}"></canvas>
          <i role="slider" tabindex="0" aria-label="Proportions of the weights" aria-valuemin="0"
            aria-valuemax="100"></i>
        </div>
        ${pictures}
        <svg viewBox="0 0 ${WHOLE} 158" aria-hidden="true"></svg>`,
    );
    const box = dom.one(home, '.field', HTMLElement);
    box.addEventListener('pointerdown', event => grab(box, event));
    box.addEventListener('pointermove', event => hover(box, event));
    box.addEventListener('pointerleave', () => ranking.point(null));
    dom.one(home, 'i[role]', HTMLElement).addEventListener('keydown', press);
    for (const [i, b] of dom.all(home, 'button').entries())
      b.addEventListener('click', () => {
        if (known?.shown[i]) to(known.shown[i].at, total(), true);
      });
  }

  // --- moving -------------------------------------------------------------------------------------------------------
  /** @param {number[]} at @param {number} sum @param {boolean} done */
  function to(at, sum, done) {
    const {ranges} = presets.current();
    const w = simplex.weights(simplex.within(at), sum || 1, reach());
    acts.setWeights(
      w.map((value, i) => weights.tidy(value, ranges[i][1])),
      done,
    );
  }
  /** Where in the square an event is. @param {HTMLElement} box @param {PointerEvent} event */
  function spot(box, event) {
    const {left, top, width, height} = box.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  }
  /** @param {HTMLElement} box @param {PointerEvent} event */
  function grab(box, event) {
    if (event.button || !data.match) return;
    event.preventDefault();
    dom.one(box, 'i[role]', HTMLElement).focus({preventScroll: true});
    box.setPointerCapture(event.pointerId);
    const sum = total();
    const move = (/** @type {PointerEvent} */ e) => to(spot(box, e), sum, false);
    const end = () => {
      box.removeEventListener('pointermove', move);
      wire.settle();
    };
    box.addEventListener('pointermove', move);
    box.addEventListener('lostpointercapture', end, {once: true});
    move(event);
  }
  /** What wins under the pointer is on the stage. @param {HTMLElement} box @param {PointerEvent} event */
  function hover(box, event) {
    if (event.buttons || event.pointerType === 'touch' || !known || !data.match) return;
    const {winners, width, height} = known.seen;
    const [x, y] = spot(box, event);
    const entry = winners[Math.floor(y * height) * width + Math.floor(x * width)] ?? -1;
    const {field} = known;
    ranking.point(entry < 0 || x < 0 || x >= 1 ? null : field.ids[field.slots[entry]]);
  }
  /** @param {KeyboardEvent} event */
  function press(event) {
    /** @type {Record<string, number[]>} */
    const moves = {ArrowUp: [0, -KEY], ArrowDown: [0, KEY], ArrowLeft: [-KEY, 0], ArrowRight: [KEY, 0]};
    const by = moves[event.key];
    const at = simplex.point(state.weights, reach());
    if (!by || !at) return;
    event.preventDefault();
    to([at[0] + by[0], at[1] + by[1]], total(), true);
  }

  // --- drawing ------------------------------------------------------------------------------------------------------
  /** @param {HTMLElement} home */
  function draw(home) {
    const field = data.match;
    const at = simplex.point(state.weights, reach());
    home.hidden = !field || !at || presets.current().reading === 'iou';
    if (home.hidden || !field || !at) return;
    if (!home.querySelector('.field')) build(home);
    const cell = page.now.right.step * data.peaks.length + state.peak;
    const now = seen(field, cell);
    const present = match.best(field, cell, state.weights);
    const canvas = dom.one(home, '.field canvas', HTMLCanvasElement);
    const colour = data.peaks[state.peak].colour;
    if (dom.changed(canvas, [now.key, present, colour].join())) picture(canvas, field, now.seen, present);
    ring(dom.one(home, 'i[role]', HTMLElement), at);
    winners(home, field, now.shown, present);
  }
  /** @param {HTMLElement} mark @param {number[]} at */
  function ring(mark, at) {
    mark.style.left = `${100 * at[0]}%`;
    mark.style.top = `${100 * at[1]}%`;
    const shares = simplex.shares(at).map(share => Math.round(100 * share));
    const names = panels.termNames();
    mark.setAttribute('aria-valuenow', String(shares[0]));
    mark.setAttribute('aria-valuetext', names.map((name, i) => `${name} ${shares[i]}%`).join(', '));
    mark.title = 'Drag: the proportions of the weights change, their sum stays';
  }
  /** @param {HTMLCanvasElement} canvas @param {Field} field @param {Simplex} seen @param {number} present */
  function picture(canvas, field, {winners, width, height}, present) {
    /** @param {number} entry */
    const alpha = entry => (entry === present ? 255 : Math.round(255 * config.faded));
    const inks = new Map(
      [...new Set(winners)].map(entry => [
        entry,
        entry < 0 ? 0 : paint.packed(paint.rgb(paint.tint(field, entry, present)), alpha(entry)),
      ]),
    );
    const large = new Set([...inks.keys()].filter(entry => entry >= 0 && most(field, entry)));
    const small = paint.canvas(width, height, out => {
      for (let i = 0; i < out.length; i++) out[i] = dom.known(inks.get(winners[i]));
    });
    const g = paint.context(canvas);
    const [w, h] = [canvas.width, canvas.height];
    g.clearRect(0, 0, w, h);
    g.save();
    g.beginPath();
    g.moveTo(w / 2, 0);
    g.lineTo(w, h);
    g.lineTo(0, h);
    g.clip();
    g.imageSmoothingEnabled = false;
    // Cells at the slanted edges are empty: copies beside and above lie under them.
    g.drawImage(small, 0, 0, w, h);
    g.globalCompositeOperation = 'destination-over';
    for (const by of [1, -1]) g.drawImage(small, (by * w) / width, 0, w, h);
    g.drawImage(small, 0, -h / height, w, h);
    g.globalCompositeOperation = 'source-over';
    if (large.size) {
      const mask = paint.canvas(width, height, out => {
        for (let i = 0; i < out.length; i++) out[i] = large.has(winners[i]) ? 0xff000000 : 0;
      });
      g.drawImage(hatched(mask, w, h), 0, 0);
    }
    g.restore();
  }
  /** Lines where a small mask is set. @param {OffscreenCanvas} mask @param {number} w @param {number} h */
  function hatched(mask, w, h) {
    const made = new OffscreenCanvas(w, h);
    const g = paint.context(made);
    g.strokeStyle = '#101216c0';
    g.lineWidth = 2;
    g.beginPath();
    for (let x = -h; x < w; x += 9) {
      g.moveTo(x, h);
      g.lineTo(x + h, 0);
    }
    g.stroke();
    g.globalCompositeOperation = 'destination-in';
    g.imageSmoothingEnabled = false;
    g.drawImage(mask, 0, 0, w, h);
    return made;
  }
  /** Pictures of the winners at both sides, each with a line to its region. */
  function winners(
    /** @type {HTMLElement} */ home,
    /** @type {Field} */ field,
    /** @type {Shown[]} */ shown,
    /** @type {number} */ present,
  ) {
    const buttons = dom.all(home, ':scope > button');
    const places = sides(shown);
    for (const [i, b] of buttons.entries()) {
      b.hidden = !shown[i];
      if (b.hidden) continue;
      const {entry} = shown[i];
      const slot = field.slots[entry];
      const colour = paint.tint(field, entry, present);
      const place = firmness.placed(field.ids[slot]);
      const text = most(field, entry) ? 'photo' : place;
      b.dataset.preview = String(field.ids[slot]);
      const style = `left: ${places[i].x}px; top: ${places[i].y}px; --own: ${colour}`;
      if (dom.changed(b, style)) b.style.cssText = style;
      b.setAttribute('aria-label', `Weights where ${place} wins`);
      dom.text(dom.one(b, 'small', HTMLElement), text);
      paint.thumbnail(dom.one(b, 'canvas', HTMLCanvasElement), field, slot, colour);
    }
    const lines = shown.map(({at}, i) => {
      const x = (LEFT + at[0] * WIDTH).toFixed(1);
      const y = (TOP + at[1] * HEIGHT).toFixed(1);
      const from = places[i].x < LEFT ? places[i].x + PICTURE : places[i].x;
      const start = `${from} ${places[i].y + PICTURE / 2}`;
      return `<path d="M${start}L${x} ${y}"/><circle cx="${x}" cy="${y}" r="2"/>`;
    });
    const svg = dom.known(home.querySelector('svg'));
    if (dom.changed(svg, lines.join())) svg.innerHTML = lines.join('');
  }
  /**
   * Where each picture stands: the left ones of the regions at the left, the higher ones above.
   * @param {Shown[]} shown
   */
  function sides(shown) {
    const across = shown.map((_, i) => i).sort((a, b) => shown[a].at[0] - shown[b].at[0]);
    const half = Math.ceil(shown.length / 2);
    const made = shown.map(() => ({x: 0, y: 0}));
    for (const [x, column] of [
      [0, across.slice(0, half)],
      [WHOLE - PICTURE, across.slice(half)],
    ]) {
      if (!Array.isArray(column) || typeof x !== 'number') continue;
      column.sort((a, b) => shown[a].at[1] - shown[b].at[1]);
      for (const [row, i] of column.entries()) made[i] = {x, y: row * NEXT};
    }
    return made;
  }
  return {draw};
})();
