// @ts-check
// Whether the picked mask can be trusted, above how firm its choice is: ten dots, the count, and the sample behind it.
const trust = (() => {
  const {state, data} = page;
  const HEAD = markup.html`<header><h2>Can it be trusted?</h2></header>`;

  /** @param {{hypothesis: string, score: number}} one @param {number} peak */
  function rated(one, peak) {
    const {probability} = data.peaks[peak];
    return data.trust ? rating.rate(data.trust, one, probability, state.weights, page.now.right.step) : 'model';
  }
  /** Of the table: its text, and the exact share or the reason as its title. @param {Instance | Offered} instance */
  function row(instance) {
    const found = rated(instance, instance.peak);
    return {text: rating.cell(found), title: title(found)};
  }
  /** @param {Rated | string} found */
  function title(found) {
    if (!data.trust) return '';
    return typeof found === 'string' ? rating.why(found, data.trust) : rating.exactly(found, data.trust);
  }
  /** The picked peak's mask; an unsure one counts as well. */
  function picked() {
    const {byPeak, right} = page.now;
    const instance = byPeak.get(state.peak);
    return instance ?? right.unsure.find(one => one.peak === state.peak) ?? null;
  }
  /** @param {HTMLElement} home */
  function draw(home) {
    const one = picked();
    if (!one) return dom.fill(home, markup.html`${HEAD}<p class="unrated">${rating.ALONE}</p>`);
    const found = rated(one, state.peak);
    if (typeof found === 'string') return dom.fill(home, markup.html`${HEAD}<p class="unrated">${title(found)}</p>`);
    const full = rating.tenths(found);
    const dots = Array.from({length: 10}, (_, i) => markup.html`<i class="${i < full ? 'full' : ''}"></i>`);
    dom.fill(
      home,
      markup.html`
        <header><h2>Can it be trusted?</h2><div class="dots" aria-hidden="true">${dots}</div></header>
        <p title="${title(found)}"><b>${rating.headline(found)}</b></p>
        <p class="sample">${rating.sample(found, one.hypothesis)}</p>`,
    );
  }
  return {draw, row};
})();
