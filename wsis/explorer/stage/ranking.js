// @ts-check
// The panel of the picked peak's best proposals.
const ranking = (() => {
  const {state, data} = page;

  /** @param {HTMLElement} home @param {number} count @param {string} scored */
  function build(home, count, scored) {
    const rows = Array.from(
      {length: count},
      (_, i) => markup.html`
        <button type="button" class="proposal" data-preview="${i}">
          <em>${i + 1}</em>
          <canvas width="76" height="76"></canvas>
          <span>
            <b></b>
            <small></small>
            <s>${words.TERMS.map(term => markup.html`<u class="${term}"></u>`)}</s>
          </span>
        </button>`,
    );
    dom.build(
      home,
      markup.html`
        <header><h2>Best proposals for this peak</h2><small>${scored}</small></header>
        <div class="proposals">${rows}</div>`,
    );
  }
  /** @param {Field} field @param {number} entry the three terms of its score, weighted */
  const parts = (field, entry) => [0, 1, 2].map(t => field.terms[3 * entry + t] * state.weights[t]);

  function draw() {
    const home = dom.host('ranking');
    if (!home) return;
    const {top, part} = page.now;
    if (!data.match) return dom.fill(home, panels.waiting('Proposals are ranked as soon as there is a peak.', 3));
    home.classList.toggle('stale', !part?.runners);
    if (!part?.runners) return;
    const field = part.runners;
    const scored = `${words.count(data.photo?.total ?? 0)} scored`;
    if (home.querySelectorAll('.proposal').length !== top.length) build(home, top.length, scored);
    dom.one(home, 'header small', HTMLElement).textContent = scored;
    const scores = top.map(entry => parts(field, entry));
    const longest = Math.max(...scores.map(three => three.reduce((a, b) => a + Math.max(0, b), 0)), 1e-9);
    for (const [i, row] of dom.all(home, '.proposal').entries()) proposal(row, i, field, scores[i], longest);
  }
  /**
   * @param {HTMLElement} row @param {number} i its place @param {Field} field
   * @param {number[]} three parts of its score @param {number} longest sum of any row's, for the length of the bars
   */
  function proposal(row, i, field, three, longest) {
    const slot = field.slots[page.now.top[i]];
    const {regions, pixels} = match.extent(field, slot, dom.known(data.areas));
    const [width, height] = dom.known(data.photo?.work);
    const share = Math.round((100 * pixels) / (width * height));
    const score = words.short(three[0] + three[1] + three[2]);
    const told = panels
      .termNames()
      .flatMap((name, t) => (name === words.UNUSED ? [] : [`${name} ${words.short(three[t])}`]))
      .join(', ');
    row.title = told;
    row.setAttribute('aria-label', `Proposal ${i + 1}, score ${score}: ${told}`);
    row.setAttribute('aria-pressed', String(state.preview === i));
    dom.one(row, 'b', HTMLElement).textContent = score;
    const size = `${words.plural(regions, 'region')} · ${share}%`;
    dom.one(row, 'small', HTMLElement).textContent = i ? size : `${size} of photo`;
    for (const [t, bar] of dom.all(row, 'u').entries()) bar.style.width = `${(Math.max(0, three[t]) / longest) * 100}%`;
    paint.thumbnail(dom.one(row, 'canvas', HTMLCanvasElement), field, slot, data.peaks[state.peak].colour);
  }
  return {draw};
})();
