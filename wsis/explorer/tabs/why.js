// @ts-check
// The tab Why: what a visitor takes away or points at goes to Python; what Python draws goes to its places.
const why = (() => {
  const {state, data} = page;
  /** @type {HTMLElement | null} */
  let root = null;
  /** @type {Trigger} */
  let trigger = () => {};
  /** @type {Upload | null} */
  let upload = null;
  /** @type {Easel | null} */
  let own = null;
  /** @type {Easel | null} */
  let second = null;
  /** @type {Brush | null} */
  let brush = null;
  /** @type {Likeness | null} */
  let alike = null;
  const chosen = {mode: 'erase', what: 'picked', fill: 'blur', size: 18};
  /** The second photo, as Python is told of it. @type {Record<string, string>} */
  let other = {};
  /** A place that stays while nothing is pointed at. @type {[number, number] | null} */
  let held = null;
  /**
   * What is under way, by act: its ticket and what it is about.
   * @type {Map<string, {ticket: string, about: string}>}
   */
  const flying = new Map();
  /** What the places show: of which photo, peak and step. */
  const shown = {photo: '', peak: '', token: ''};

  const home = () => dom.known(root);
  /** @param {string} name */
  const place = name => dom.one(home(), `[data-why="${name}"]`, HTMLElement);
  const open = () => !!root && state.tab === 'why';
  const peak = () => `${state.token} ${state.peak} ${page.now.right.step}`;
  /** @param {string} text */
  const told = text => markup.html`${text && markup.html`<p class="why-fault" role="alert">${text}</p>`}`;
  let serial = 0;

  /** @param {string} act @param {Record<string, unknown>} more */
  function ask(act, more = {}) {
    if (!state.token || !data.match) return;
    serial += 1;
    const ticket = `why-${serial}`;
    flying.set(act, {ticket, about: act === 'alike' ? state.token : peak()});
    dom.fill(place('fault'), told(''));
    trigger(act === 'known' ? 'select' : 'edit', {act, ticket, now: wire.snapshot(), ...more});
    busy();
  }
  function busy() {
    for (const name of ['erase', 'curves'])
      for (const b of dom.all(home(), `[data-why-act="${name}"]`)) b.toggleAttribute('disabled', flying.has(name));
    home().classList.toggle('looking', flying.has('erase') || flying.has('alike'));
  }

  /** @param {WhyMessage | null} message */
  async function receive(message) {
    if (!message || !root) return;
    const asked = flying.get(message.act);
    if (!asked || asked.ticket !== message.ticket) return;
    flying.delete(message.act);
    busy();
    const here = message.act === 'alike' ? state.token : peak();
    if (asked.about !== here) return known(); // another photo, peak or step meanwhile
    if (message.fault) return dom.fill(place('fault'), told(message.fault));
    if (message.act === 'erase') dom.fill(place('erased'), new Markup(message.html ?? ''));
    if (message.act === 'curves' || message.act === 'known') {
      dom.fill(place('curves'), new Markup(message.html ?? ''));
      if (message.act === 'curves' && message.left?.length) ask('curves');
    }
    if (message.alike) {
      alike = await Likeness.of(message.alike);
      draw();
    }
  }
  /** What was measured of the picked peak before. */
  function known() {
    if (open() && !flying.has('curves')) ask('known');
  }

  /** The picked peak's mask, over the photo. @returns {[OffscreenCanvas, number, boolean][]} */
  function picked() {
    const field = data.match;
    const slot = page.now.byPeak.get(state.peak)?.slot ?? page.now.right.best[state.peak];
    if (!field || slot === undefined || !data.photo?.partition) return [];
    return [[paint.proposal(field, slot, data.peaks[state.peak].colour, 120), 1, true]];
  }
  /** @param {number} which 0: this photo, 1: the second one @returns {[OffscreenCanvas, number, boolean][]} */
  function heat(which) {
    const at = own?.at ?? held;
    const map = at && alike?.maps(alike.cell(at))[which];
    return map ? [[paint.heat(map), 0.75, false]] : [];
  }

  /** A place on the photo. @param {[number, number] | null} at @param {boolean} down @param {boolean} begins */
  function moved(at, down, begins) {
    if (chosen.mode === 'alike') {
      if (at && down) held = at;
      return point();
    }
    if (chosen.what !== 'picked' && at && down) brush?.stroke(at, chosen.size, begins, chosen.what === 'brush');
  }
  function point() {
    const at = own?.at ?? held;
    second?.repaint();
    const cell = at && alike ? alike.cell(at) : -1;
    const [here, there] = alike && cell >= 0 ? alike.told(cell) : [];
    const least = words.unit(Likeness.SAME);
    const also = there ? `, ${there} of the second photo` : '';
    place('note').textContent = here ? `${here} are alike (${least} or more)${also}` : '';
  }

  /** All that follows from what is chosen. */
  function draw() {
    if (!open() || !own) return;
    const {mode, what} = chosen;
    home().dataset.mode = mode;
    for (const b of dom.all(home(), '[data-why-mode]'))
      b.setAttribute('aria-pressed', String(b.dataset.whyMode === mode));
    for (const b of dom.all(home(), '[data-why-what]'))
      b.setAttribute('aria-pressed', String(b.dataset.whyWhat === what));
    for (const b of dom.all(home(), '[data-why-fill]'))
      b.setAttribute('aria-pressed', String(b.dataset.whyFill === chosen.fill));
    for (const one of dom.all(home(), '[data-why-only]')) one.hidden = one.dataset.whyOnly !== mode;
    for (const one of dom.all(home(), '[data-why-brush]')) one.hidden = what === 'picked';
    own.radius = mode === 'erase' && what !== 'picked' ? chosen.size : 0;
    const frame = dom.one(home(), '[data-why-frame=second]', HTMLElement);
    frame.hidden = !alike?.second;
    if (alike?.second && second?.photo?.image !== alike.second.image) {
      const [w, h] = alike.second.size;
      second?.show(alike.second.image, w, h);
    }
    place('second').textContent = alike?.name ?? '';
    const name = data.peaks[state.peak]?.name;
    const erase = name ? `What does ${name} rest on?` : 'Pick a peak at the left.';
    place('about').textContent = mode === 'erase' ? erase : 'Point at a place: what is the same to the backbone?';
    place('note').textContent = '';
    if (mode === 'alike') point();
    own.repaint();
    if (mode === 'alike' && !alike && data.match && !flying.has('alike')) ask('alike', other);
  }

  /** The photo, the peak or the step is another one. */
  function follow() {
    if (!open() || !own) return;
    const {photo} = data;
    const size = photo?.work ?? photo?.size;
    if (photo && size && shown.photo !== String(photo.serial)) {
      shown.photo = String(photo.serial);
      own.show(photo.image, size[0], size[1]);
      brush = null;
      held = null;
    }
    if (photo?.work && !brush) brush = new Brush(photo.work[0], photo.work[1]);
    if (state.token && data.match && shown.token !== state.token) {
      shown.token = state.token;
      alike = null;
    }
    if (state.token && data.match && shown.peak !== peak()) {
      shown.peak = peak();
      dom.fill(
        place('erased'),
        markup.html`<p class="hint">Take a part away and look again: the picked mask, or what you brush over.</p>`,
      );
      known();
    }
    draw();
  }

  const ACTS = {
    erase() {
      if (chosen.what === 'picked') return ask('erase', {fill: chosen.fill});
      if (!brush || brush.empty) return dom.fill(place('fault'), told('Brush over a part of the photo first.'));
      ask('erase', {fill: chosen.fill, runs: brush.runs()});
    },
    clear() {
      if (brush) brush = new Brush(brush.w, brush.h);
      draw();
    },
    curves: () => ask('curves'),
    choose: () => dom.one(home(), 'input[type=file]', HTMLInputElement).click(),
  };
  /** @param {MouseEvent} event */
  function click(event) {
    const b = dom.hit(event, 'button');
    if (!b) return;
    const {whyAct, whyMode, whyWhat, whyFill} = b.dataset;
    if (whyMode) chosen.mode = whyMode;
    if (whyWhat) chosen.what = whyWhat;
    if (whyFill) chosen.fill = whyFill;
    if (whyMode || whyWhat || whyFill) return draw();
    if (whyAct && whyAct in ACTS) ACTS[/** @type {keyof typeof ACTS} */ (whyAct)]();
  }
  /** Another second photo. @param {File | undefined} file */
  async function send(file) {
    if (!file) return;
    place('second').textContent = 'Uploading …';
    try {
      other = {path: (await dom.known(upload)(file)).path, name: file.name};
      chosen.mode = 'alike';
      ask('alike', other);
    } catch {
      dom.fill(
        place('fault'),
        told('The upload did not arrive. Is the file too large, or the server gone? Try again.'),
      );
    }
    draw();
  }

  /**
   * @param {HTMLElement} element @param {{value: WhyMessage}} props @param {Trigger} triggers @param {Watch} watch
   * @param {Upload} uploads
   */
  function mount(element, props, triggers, watch, uploads) {
    root = dom.one(element, '[data-why-page]', HTMLElement);
    trigger = triggers;
    upload = uploads;
    own = new Easel(dom.one(root, '[data-why-frame=own] canvas', HTMLCanvasElement), moved);
    own.over = () => {
      if (chosen.mode === 'alike') return heat(0);
      return chosen.what === 'picked' ? picked() : brush ? [[brush.canvas, 1, true]] : [];
    };
    second = new Easel(dom.one(root, '[data-why-frame=second] canvas', HTMLCanvasElement), () => {});
    second.over = () => heat(1);
    watch('value', () => receive(props.value));
    root.addEventListener('click', click);
    root.addEventListener('input', event => {
      const {target} = event;
      if (target instanceof HTMLInputElement && target.type === 'range') chosen.size = Number(target.value);
      draw();
    });
    root.addEventListener('change', event => {
      const {target} = event;
      if (target instanceof HTMLInputElement && target.type === 'file') {
        send(target.files?.[0]);
        target.value = '';
      } else if (target instanceof HTMLSelectElement) {
        other = target.value ? {example: target.value} : {};
        ask('alike', other);
      }
    });
    root.addEventListener('dragover', event => event.preventDefault());
    root.addEventListener('drop', event => {
      if (!event.dataTransfer?.files.length) return;
      event.preventDefault();
      send(event.dataTransfer.files[0]);
    });
    page.listen(follow);
    follow();
  }
  /** Python could not do it. */
  function failed() {
    flying.clear();
    if (!root) return;
    busy();
    dom.fill(place('fault'), told('The server could not do that. Try again.'));
  }
  return {mount, failed};
})();
