// @ts-check
// The panel of what was done by hand: the picked peak's class, every step, and the way back.
const correction = (() => {
  const {state, data} = page;
  /** @type {Record<string, string>} */
  const SAID = {
    'add peak': 'Placed',
    'move peak': 'Moved',
    'remove peak': 'Removed',
    'set class': 'Named',
    force: 'Regions of',
    choose: 'Mask of',
    brush: 'Painted',
    snap: 'Edge of',
    split: 'Split',
    merge: 'Merged',
    keep: 'Kept together',
    'as found': 'As found',
  };

  const BACK = markup.html`<button type="button" class="plain" data-asfound>This peak as found</button>`;
  const FILE = markup.html`<button type="button" class="plain" data-get="Edits">Edits as a file</button>`;
  const HINT = markup.html`
    <p class="hint">Drag a peak, or take a tool beside the photo. Whatever you change is marked as made by hand.</p>`;
  /** @type {[string, string, string][]} */
  const DO = [
    ['part', 'Part', 'A smaller mask of the hierarchy at the peak ([, or the wheel with a tool in hand)'],
    ['group', 'Group', 'A larger one (])'],
    ['split', 'Split', 'These are several objects: the peaks in this mask share out the proposals (S)'],
    ['merge', 'Merge', 'Then click the peak that lies on the same object (M)'],
    ['snap', 'GrabCut', "Draw the edge to the photo's edges, by GrabCut (G)"],
    ['guided', 'Guided filter', "Draw the edge to the photo's edges, by a guided filter"],
    ['remove', 'Remove', 'Remove the picked peak (Delete)'],
  ];

  /** @param {Edit} edit */
  function said(edit) {
    const numbers = edit.peaks ?? (edit.peak === undefined ? [] : [edit.peak]);
    const more = edit.do === 'snap' ? ` (${edit.method})` : '';
    return (
      [SAID[edit.do], numbers.map(n => `peak ${n + 1}`).join(' and '), edit.name ?? ''].filter(Boolean).join(' ') + more
    );
  }
  /** @param {Edit} edit @param {number} i @param {boolean} undone */
  function step(edit, i, undone) {
    const now = i + 1 === data.edits.length ? markup.html`aria-current="step"` : '';
    return markup.html`
      <li><button type="button" data-step="${i + 1}" class="${undone ? 'undone' : ''}" ${now}>
        ${i + 1}. ${said(edit)}</button></li>`;
  }
  /** What the picked peak may be: the likeliest first, then all others. */
  function classes() {
    const {name} = data.peaks[state.peak];
    const likely = touch.guesses().map(one => one.name);
    const names = [...new Set([name, ...likely, ...data.classes.map(one => one.name)])];
    const options = names.map(
      one => markup.html`<option value="${one}" ${one === name ? markup.html`selected` : ''}>${one}</option>`,
    );
    return markup.html`
      <label>This peak is a
        <select class="rename" aria-label="Class of the picked peak">${options}</select></label>`;
  }
  /** What can be done to the picked peak. */
  function buttons() {
    const off = touch.ready() ? '' : markup.html`disabled`;
    /** @param {[string, string, string]} kind */
    const one = ([what, text, title]) => markup.html`
      <button type="button" class="plain" data-do="${what}" title="${title}" ${off}
        aria-pressed="${String(what === 'merge' && state.tool === 'merge')}">${text}</button>`;
    return markup.html`<div class="row">${DO.map(one)}</div>`;
  }
  /** Back and forth, in the panel's head. */
  function ways() {
    const can = {undo: data.edits.length > 0, redo: touch.undone.length > 0};
    for (const b of dom.all(document, '#hands header button'))
      if (b instanceof HTMLButtonElement)
        b.disabled = !touch.ready() || !can[b.dataset.do === 'undo' ? 'undo' : 'redo'];
  }
  function draw() {
    ways();
    const home = dom.host('hands');
    if (!home) return;
    if (!data.match && !data.edits.length) return dom.fill(home, panels.waiting('Nothing to correct yet.', 1));
    const all = [...data.edits, ...[...touch.undone].reverse()];
    const steps = all.map((edit, i) => step(edit, i, i >= data.edits.length));
    const first = data.edits.length ? '' : markup.html`aria-current="step"`;
    const hand = touch.hand(state.peak);
    dom.fill(
      home,
      markup.html`
        ${data.peaks.length > 0 && classes()}
        ${
          all.length > 0 &&
          markup.html`<ol class="done" aria-label="What was done by hand">
            <li><button type="button" data-step="0" ${first}>As the method found it</button></li>${steps}</ol>`
        }
        ${data.peaks.length > 0 && buttons()}
        <div class="row">
          ${hand?.touched && !hand.added && BACK}
          ${data.edits.length > 0 && FILE}
        </div>
        ${!all.length && HINT}`,
    );
  }
  document.addEventListener('click', event => {
    const step = dom.hit(event, '#hands [data-step]');
    if (step) touch.goTo(Number(step.dataset.step));
    if (dom.hit(event, '#hands [data-asfound]')) touch.asFound(state.peak);
  });
  for (const near of ['pointerover', 'focusin'])
    document.addEventListener(near, event => {
      if (dom.hit(event, '#hands .rename')) touch.guess();
    });
  document.addEventListener('change', event => {
    const list = dom.hit(event, '#hands .rename');
    if (list instanceof HTMLSelectElement) touch.rename(state.peak, list.value);
  });
  page.listen(why => {
    if (['photo', 'back', 'analysis', 'peak', 'touch', 'part', 'busy'].includes(why)) draw();
  });
  return {draw};
})();
