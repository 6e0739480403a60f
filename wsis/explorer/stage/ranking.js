// @ts-check
// The panel of the picked peak's best proposals: one row for all that are alike, told by what it gains and loses
// against the winner. Whatever shows a proposal (a row, a dot, a region) has its number as `data-preview`: under the
// pointer it is on the stage, after a click it stays there.
const ranking = (() => {
  const {state, data} = page;
  /** At most so many of a group are shown. */
  const FOLDED = 24;
  /** The place of the row that is unfolded, by peak. */
  let open = '';

  /** @param {HTMLElement} home */
  function build(home) {
    const rows = Array.from(
      {length: wsis.config.rules.groups},
      (_, i) => markup.html`
        <div class="group">
          <button type="button" class="proposal">
            <i></i>
            <canvas width="76" height="76"></canvas>
            <span>
              <em></em>
              <b></b>
              <small></small>
              <s>${words.TERMS.map(term => markup.html`<u class="${term}"></u>`)}</s>
            </span>
          </button>
          <button type="button" class="fold" data-fold="${i}" aria-expanded="false"></button>
          <div class="folded" hidden></div>
        </div>`,
    );
    dom.build(
      home,
      markup.html`
        <header title="What each gains and loses is told against #1, in shares of its area">
          <h2>Proposals that differ</h2>
          <small></small>
        </header>
        <div class="proposals">${rows}</div>`,
    );
  }
  /** @param {Field} field @param {number} entry the three terms of its score, weighted */
  const parts = (field, entry) => [0, 1, 2].map(t => field.terms[3 * entry + t] * state.weights[t]);
  /** The peak's row that is unfolded. @param {number} i */
  const named = i => `${state.token}:${state.peak}:${i}`;

  function draw() {
    const home = dom.host('ranking');
    if (!home) return;
    const {groups, part} = page.now;
    if (!data.match) return dom.fill(home, panels.waiting('Proposals are ranked as soon as there is a peak.', 3));
    home.classList.toggle('stale', !part?.runners);
    if (!part?.runners) return;
    const field = part.runners;
    if (!home.querySelector('.proposal')) build(home);
    dom.text(dom.one(home, 'header small', HTMLElement), `${words.count(data.photo?.total ?? 0)} scored`);
    const scores = groups.map(({entries}) => parts(field, entries[0]));
    const longest = Math.max(...scores.map(three => three.reduce((a, b) => a + Math.max(0, b), 0)), 1e-9);
    for (const [i, row] of dom.all(home, '.group').entries()) {
      row.hidden = i >= groups.length;
      if (!row.hidden) group(row, i, field, scores[i], longest);
    }
  }
  /** What a proposal gains and loses against the winner. @param {Field} field @param {number} slot */
  function differs(field, slot) {
    const first = field.slots[page.now.groups[0].entries[0]];
    return alike.difference(field, slot, first, dom.known(data.photo?.partition));
  }
  /** The same in words. @param {Field} field @param {number} slot */
  function sentence(field, slot) {
    const {gained, lost} = differs(field, slot);
    return [words.change('adds ', gained), words.change('loses ', lost)].filter(Boolean).join(', ');
  }
  /**
   * @param {HTMLElement} row @param {number} i its place @param {Field} field
   * @param {number[]} three parts of its best's score @param {number} longest sum of any row's, for the bars
   */
  function group(row, i, field, three, longest) {
    const {entries, places} = page.now.groups[i];
    const b = dom.one(row, '.proposal', HTMLElement);
    const slot = field.slots[entries[0]];
    const first = field.slots[page.now.groups[0].entries[0]];
    const score = words.short(three[0] + three[1] + three[2]);
    const names = panels.termNames();
    const told = names.flatMap((name, t) => (name === words.UNUSED ? [] : [`${name} ${words.short(three[t])}`]));
    const said = i ? difference(dom.one(b, 'small', HTMLElement), field, slot) : size(b, field, slot);
    b.dataset.preview = String(slot);
    if (match.rated(field)) told.push(`r ${words.short(field.rates[slot], 2)}`);
    const never = field.tints[entries[0]] >= wsis.config.tints.length - 1 && 'No weights let it win';
    b.title = [said, told.join(', '), never].filter(Boolean).join('\n');
    b.setAttribute('aria-label', `Proposal ${places[0]}, score ${score}: ${said}; ${told.join(', ')}`);
    b.setAttribute('aria-pressed', String(state.preview === slot));
    dom.one(b, 'i', HTMLElement).style.background = paint.tint(field, entries[0], page.now.groups[0].entries[0]);
    dom.text(dom.one(b, 'em', HTMLElement), `#${places[0]}`);
    dom.text(dom.one(b, 'b', HTMLElement), score);
    for (const [t, bar] of dom.all(b, 'u').entries()) bar.style.width = `${(Math.max(0, three[t]) / longest) * 100}%`;
    const {colour} = data.peaks[state.peak];
    paint.thumbnail(dom.one(b, 'canvas', HTMLCanvasElement), field, slot, colour, i ? first : null);
    fold(row, i, field);
  }
  /** Of the winner: how large it is. @param {HTMLElement} b @param {Field} field @param {number} slot */
  function size(b, field, slot) {
    const {regions, pixels} = match.extent(field, slot, dom.known(data.areas));
    const [width, height] = dom.known(data.photo?.work);
    const text = `${words.plural(regions, 'region')}, ${Math.round((100 * pixels) / (width * height))}% of the photo`;
    dom.update(dom.one(b, 'small', HTMLElement), markup.html`${text}`);
    return text;
  }
  /** @param {HTMLElement} home @param {Field} field @param {number} slot */
  function difference(home, field, slot) {
    const {gained, lost} = differs(field, slot);
    dom.update(home, markup.html`<ins>${words.change('+', gained)}</ins> <del>${words.change('−', lost)}</del>`);
    return sentence(field, slot);
  }
  /** How many are like it, and after a click which. @param {HTMLElement} row @param {number} i @param {Field} field */
  function fold(row, i, field) {
    const {entries, places} = page.now.groups[i];
    const b = dom.one(row, '.fold', HTMLElement);
    const list = dom.one(row, '.folded', HTMLElement);
    b.hidden = entries.length < 2;
    dom.text(b, `and ${entries.length - 1} like it`);
    list.hidden = b.hidden || open !== named(i);
    b.setAttribute('aria-expanded', String(!list.hidden));
    if (list.hidden) return;
    const shown = Math.min(entries.length - 1, FOLDED);
    if (list.children.length !== shown)
      list.innerHTML = Array(shown)
        .fill('<button type="button" class="one"><canvas width="76" height="76"></canvas><small></small></button>')
        .join('');
    for (const [j, one] of dom.all(list, '.one').entries()) {
      const slot = field.slots[entries[j + 1]];
      const place = `#${places[j + 1]}`;
      one.dataset.preview = String(slot);
      one.setAttribute('aria-pressed', String(state.preview === slot));
      one.title = `${place}: ${sentence(field, slot)}`;
      one.setAttribute('aria-label', one.title);
      dom.text(dom.one(one, 'small', HTMLElement), place);
      const first = field.slots[page.now.groups[0].entries[0]];
      const {colour} = data.peaks[state.peak];
      paint.thumbnail(dom.one(one, 'canvas', HTMLCanvasElement), field, slot, colour, first);
    }
  }
  /** @param {string} i */
  function unfold(i) {
    open = open === named(Number(i)) ? '' : named(Number(i));
    draw();
  }
  /** The proposal on the stage that is looked at instead of the winner, in words; empty where there is none. */
  function told() {
    const {shown, part, right, groups} = page.now;
    const field = part?.runners;
    if (shown === null || !field) return '';
    const place = match.place(field, right.step, field.offsets[right.step] + shown, state.weights);
    if (place === 1) return 'proposal #1';
    if (!groups.length) return `proposal #${words.count(place)}`;
    return `proposal #${words.count(place)}: ${sentence(field, shown)}`;
  }

  // --- the pointer over whatever shows a proposal -------------------------------------------------------------------
  /** A proposal is under the pointer, or none. @param {number | null} id */
  function point(id) {
    if (id !== state.pointed) page.change({pointed: id}, 'preview');
  }
  /** A proposal stays on the stage, or goes from it. @param {number} id */
  function pin(id) {
    page.change({preview: state.preview === id ? null : id}, 'preview');
  }
  document.addEventListener('pointerover', event => {
    if (event.pointerType === 'touch' || event.buttons) return;
    const hit = dom.hit(event, '#right [data-preview]');
    if (hit) point(Number(hit.dataset.preview));
  });
  document.addEventListener('pointerout', event => {
    const to = event.relatedTarget instanceof Element ? event.relatedTarget.closest('[data-preview]') : null;
    if (dom.hit(event, '#right [data-preview]') && !to) point(null);
  });
  return {draw, unfold, told, point, pin};
})();
