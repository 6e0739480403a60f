// @ts-check
// The panel on how firm the choice is: who wins in the plane of alpha and gamma, and where another takes over.
const firmness = (() => {
  const {config} = wsis;
  const {state, data} = page;
  /** With more candidates than this, the plane of a drag waits until the drag pauses. */
  const MANY = 150;
  const PAUSE = 80;
  const ZOOM = 2;

  /** The plane that was worked out last, and what from. @type {{key: string, field: Field, plane: Plane} | null} */
  let planned = null;
  /** What the canvas shows. @type {{plane: Plane, present: number, share: number} | null} */
  let shown = null;
  let later = 0;

  /**
   * Who wins where depends on beta alone: kept while alpha and gamma move.
   * @param {Field} field @param {number} cell @param {number[]} span
   */
  function plane(field, cell, span) {
    const key = [data.photo?.serial, data.reading, data.enhancer, cell, state.weights[1], ...span].join();
    if (planned?.key !== key || planned.field !== field)
      planned = {key, field, plane: match.plane(field, cell, state.weights, [0, 2], span)};
    return planned.plane;
  }
  /** A proposal by its place in the ranking. @param {number} id */
  function placed(id) {
    const field = page.now.part?.runners;
    const {step} = page.now.right;
    return field ? `#${words.count(match.place(field, step, field.offsets[step] + id, state.weights))}` : 'another';
  }
  /** @param {HTMLElement} home */
  function build(home) {
    dom.build(
      home,
      markup.html`
        <section class="trust"></section>
        <header class="lesser" title="How far the weights may move before another shape wins">
          <h2>How firm is this choice?</h2><small>not whether it is right</small>
        </header>
        <div class="firm">
          <div class="plane" role="img"><canvas></canvas><i></i></div>
          <p></p>
        </div>`,
    );
    const box = dom.one(home, '.plane', HTMLElement);
    box.addEventListener('pointermove', event => {
      const {id} = event.pointerType === 'touch' ? {id: null} : spot(box, event);
      ranking.point(id);
    });
    box.addEventListener('pointerleave', () => ranking.point(null));
    box.addEventListener('click', event => acts.setWeights(spot(box, event).weights));
  }
  /** What wins at a place of the plane, and the weights there. @param {HTMLElement} box @param {MouseEvent} event */
  function spot(box, event) {
    const {left, top, width, height} = box.getBoundingClientRect();
    const x = Math.min(Math.max((event.clientX - left) / width, 0), 0.999);
    const y = Math.min(Math.max(1 - (event.clientY - top) / height, 0), 0.999);
    const {ranges} = presets.current();
    const span = [0, 2].map(i => Math.max(ranges[i][0], state.weights[i]));
    const [alpha, gamma] = [x * span[0], y * span[1]].map((value, i) => weights.tidy(value, ranges[2 * i][1]));
    const {plane, field} = planned ?? {};
    const entry = plane ? plane.winners[Math.floor(y * plane.cells) * plane.cells + Math.floor(x * plane.cells)] : -1;
    return {id: field && entry >= 0 ? field.ids[field.slots[entry]] : null, weights: [alpha, state.weights[1], gamma]};
  }
  /** @param {Why} why */
  function draw(why) {
    const home = dom.host('firmness');
    const field = data.match;
    const hidden = !field;
    dom.one(document, '#firmness', HTMLElement).hidden = hidden;
    if (hidden || !home) return;
    if (!home.querySelector('.firm')) build(home);
    trust.draw(dom.one(home, '.trust', HTMLElement));
    const {ranges, reading} = presets.current();
    for (const part of dom.all(home, '.lesser, .firm')) part.hidden = reading === 'iou'; // one term, no plane
    if (reading === 'iou') return;
    const span = [0, 2].map(i => Math.max(ranges[i][0], state.weights[i]));
    const cell = page.now.right.step * data.peaks.length + state.peak;
    const mark = dom.one(home, '.plane i', HTMLElement);
    mark.style.left = `${(100 * state.weights[0]) / span[0]}%`;
    mark.style.top = `${100 - (100 * state.weights[2]) / span[1]}%`;
    clearTimeout(later);
    if (why === 'weights' && planned?.field === field && match.candidates(field, cell) > MANY) {
      later = setTimeout(draw, PAUSE, 'state');
      return;
    }
    const present = match.best(field, cell, state.weights);
    const share = picture(dom.one(home, 'canvas', HTMLCanvasElement), field, plane(field, cell, span), present);
    sentences(home, field, cell, span, share);
  }
  /** @param {Field} field @param {number} entry @param {number} winner @param {number} alpha */
  const ink = (field, entry, winner, alpha) => paint.packed(paint.rgb(paint.tint(field, entry, winner)), alpha);
  /**
   * The plane in the peak's colour where the present winner stays, and in those of its rivals; its share.
   * @param {HTMLCanvasElement} canvas @param {Field} field @param {Plane} plane @param {number} present
   */
  function picture(canvas, field, plane, present) {
    if (shown?.plane === plane && shown.present === present) return shown.share;
    const {winners, cells} = plane;
    const faded = Math.round(255 * config.faded);
    const inks = new Map([...new Set(winners)].map(w => [w, ink(field, w, present, w === present ? 255 : faded)]));
    canvas.width = canvas.height = cells * ZOOM;
    const small = paint.canvas(cells, cells, out => {
      for (let y = 0; y < cells; y++)
        for (let x = 0; x < cells; x++) out[(cells - 1 - y) * cells + x] = dom.known(inks.get(winners[y * cells + x]));
    });
    paint.context(canvas).drawImage(small, 0, 0, cells * ZOOM, cells * ZOOM);
    const share = winners.reduce((n, w) => n + Number(w === present), 0) / winners.length;
    shown = {plane, present, share};
    return share;
  }
  /**
   * The same in words.
   * @param {HTMLElement} home @param {Field} field @param {number} cell @param {number[]} span @param {number} share
   */
  function sentences(home, field, cell, span, share) {
    const lines = [0, 1].flatMap(i => {
      const axis = 2 * i;
      const next = match.handover(field, cell, state.weights, axis, span[i]);
      if (!next) return [];
      const side = next.below ? 'below' : 'above';
      const winner = placed(field.ids[field.slots[next.entry]]);
      return [`${words.SYMBOLS[axis]} ${side} ${words.weight(next.value, span[i])}: ${winner} wins`];
    });
    const text = `#1 wins ${Math.round(100 * share)}% of this plane`;
    const can = `${words.count(match.candidates(field, cell))} of ${words.count(data.photo?.total ?? 0)} can win`;
    dom.one(home, '.plane', HTMLElement).setAttribute('aria-label', `${text}; ${lines.join('; ')}`);
    const told = lines.length ? lines : ['No other proposal can take over.'];
    dom.fill(
      home.querySelector('.firm p'),
      markup.html`
        <b>${text}</b>
        ${told.map(line => markup.html`<span>${line}</span>`)}
        <span>at most ${can}</span>`,
    );
  }
  return {draw, placed};
})();
