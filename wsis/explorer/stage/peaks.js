// @ts-check
// The panel of the peaks: each with its best proposal.
const peaks = (() => {
  const {state, data} = page;

  /** @param {Peak} peak @param {number} k */
  function card(peak, k) {
    const instance = page.now.byPeak.get(k);
    const doubt = page.now.right.unsure.find(one => one.peak === k);
    const gone = doubt ? `unsure: ${words.unit(doubt.score)}, dashed` : 'overlaps a better one';
    const note = instance ? `mask score ${words.unit(instance.score)}` : gone;
    const by = instance?.byHand && markup.html`<span class="by">✎ by hand</span> · `;
    return markup.html`
      <button type="button" class="peak${instance ? '' : ' gone'}" aria-pressed="${String(k === state.peak)}"
        data-peak="${k}"><canvas width="76" height="76"></canvas>
        <span><b>${panels.dot(peak.colour)}${peak.name}</b> peak ${peak.value.toFixed(1)}<br>${by}${note}</span>
      </button>`;
  }
  /** @param {Why} why */
  function draw(why) {
    const home = dom.host('peaks');
    if (!home) return;
    const field = data.match;
    if (!field) return dom.update(home, panels.waiting('No peaks. Switch a class on above.'));
    dom.update(home, markup.html`<div class="peaks" role="group" aria-label="Peaks">${data.peaks.map(card)}</div>`);
    const {byPeak, right} = page.now;
    const slots = right.best;
    for (const [k, canvas] of [...home.querySelectorAll('canvas')].entries())
      paint.thumbnail(canvas, field, byPeak.get(k)?.slot ?? slots[k], data.peaks[k].colour);
    if (panels.PICKED.includes(why))
      dom.reveal(dom.one(document, '#peaks', HTMLElement), home.querySelector('[aria-pressed=true]'), 44);
  }
  return {draw};
})();
