// @ts-check
// The table of the instances, and the line of figures below it.
const table = (() => {
  const {state, data} = page;
  const OBJECT =
    'What stands for the region around this peak stands for another peak already: this is the object under it.';
  const OFFER = 'A likely object of this class without a peak: unsure, in files only on request. Click to see it.';
  /** So many classes are offered where nothing is sure, as in `payload.py`. */
  const LIKELIEST = 5;
  const LEAD =
    'The term with the largest lead before the runner-up: the best other proposal that can win at some weights';

  /** The terms that the reading has: [place, name]. */
  const terms = () => [...panels.termNames().entries()].filter(([, name]) => name !== words.UNUSED);

  /** @param {Instance} instance @param {number} i @param {Field} field */
  function row(instance, i, field) {
    const {name, colour} = data.peaks[instance.peak];
    const [width, height] = dom.known(data.photo?.work);
    const {pixels} = match.extent(field, instance.slot, dom.known(data.areas));
    const decided = match.decided(field, instance.cell, state.weights);
    const why = words.decidedBy(decided ? panels.termNames()[decided.term] : '', decided?.lead ?? null);
    const rated = trust.row(instance);
    const single = instance.hypothesis === 'object' && markup.html` <small title="${OBJECT}">object</small>`;
    const by = instance.byHand && markup.html` <small title="Placed or corrected by hand">✎ by hand</small>`;
    const own = match.terms(field, instance.entry);
    const cells = terms().map(([t]) => markup.html`<td>${words.short(own[t], 2)}</td>`);
    const now = instance.peak === state.peak ? markup.html`class="now"` : '';
    return markup.html`
      <tr data-peak="${instance.peak}" ${now} ${instance.painted ? '' : markup.html`data-unsure`}>
        <td><button type="button" data-peak="${instance.peak}">${panels.dot(colour)}${name}</button>${single}${by}</td>
        <td>${words.short(instance.score)}</td>
        ${cells}
        <td>${((100 * pixels) / (width * height)).toFixed(1)}%</td>
        <td title="${rated.title}">${rated.text}</td>
        <td class="decided">${why}</td>
        ${files(name, i)}
      </tr>`;
  }
  /** A mask that fills up the list. @param {Offered} instance @param {number} i @param {Offers} offers */
  function offer(instance, i, offers) {
    const {name, colour} = data.peaks[instance.peak];
    const [width, height] = dom.known(data.photo?.work);
    const {pixels} = match.extent(offers, instance.slot, dom.known(data.areas));
    const rated = trust.row(instance);
    const now = state.preview === instance.id && instance.peak === state.peak ? markup.html`class="now"` : '';
    const of = markup.html`data-offer="${instance.id}" data-of="${instance.peak}"`;
    return markup.html`
      <tr ${of} ${now}>
        <td><button type="button" ${of}>${panels.dot(colour)}${name}</button> <small title="${OFFER}">offer</small></td>
        <td>${words.short(instance.score)}</td>
        ${terms().map(() => markup.html`<td></td>`)}
        <td>${((100 * pixels) / (width * height)).toFixed(1)}%</td>
        <td title="${rated.title}">${rated.text}</td>
        <td class="decided">no peak on it</td>
        ${files(name, i)}
      </tr>`;
  }
  /** @param {string} name @param {number} i */
  function files(name, i) {
    return markup.html`
        <td class="get">
          <button type="button" data-get="instance-png" data-index="${i}" aria-label="${name}: mask as PNG">PNG</button>
          ${' · '}
          <button type="button" data-get="instance-json" data-index="${i}" aria-label="${name}: COCO JSON">JSON</button>
        </td>`;
  }
  /** An offer, on the stage in the place of its peak's mask. @param {number} peak @param {number} id */
  function look(peak, id) {
    acts.pick(peak);
    ranking.pin(id);
  }
  function head() {
    return markup.html`
      <tr>
        <th scope="col">class</th>
        <th scope="col">score</th>
        ${terms().map(([t, name]) => markup.html`<th scope="col"><span class="${words.TERMS[t]}">${name}</span></th>`)}
        <th scope="col">area</th>
        <th scope="col" title="Of masks like it, on photos that the model never saw">right</th>
        <th scope="col" title="${LEAD}">decided by</th>
        <th scope="col"><span class="aloud">files</span></th>
      </tr>`;
  }
  /** The head of those that are not found. */
  function apart() {
    return markup.html`
      <tr class="apart"><th scope="rowgroup" colspan="${6 + terms().length}">Unsure
        <small>below a score of ${words.unit(data.least)}, or a second guess: dashed, not counted</small></th></tr>`;
  }
  /** Peaks, but nothing is found: what it may be, to be looked for by name. */
  function likeliest() {
    const best = [...data.classes].sort((a, b) => b.score - a.score).slice(0, LIKELIEST);
    const chips = best.map(
      ({name, score}) => markup.html`
        <button type="button" class="chip off" data-only="${name}" title="Whatever the score of its masks">${name}
          <b>${words.unit(score)}</b></button>`,
    );
    return markup.html`
      <p class="hint">No mask has a score of ${words.unit(data.least)}. Look for one class alone, and what is found is
        shown:</p>
      <div class="chips" role="group" aria-label="The likeliest classes">${chips}</div>`;
  }
  /** @param {Why} why */
  function draw(why) {
    const home = dom.host('table');
    if (!home) return;
    const field = data.match;
    const nothing = 'No instances yet: switch a class on, lower its threshold, or choose another photo.';
    if (!field) return dom.fill(home, panels.waiting(nothing));
    if (!home.querySelector('.scroll'))
      dom.fill(home, markup.html`<div class="scroll" tabindex="0" role="region" aria-label="Instances"></div>`);
    const box = dom.one(home, '.scroll', HTMLElement);
    const {found, unsure, offered} = page.now.right;
    const rows = [...found, ...unsure].map((instance, i) => row(instance, i, field));
    const {offers} = data;
    const filling = offers ? offered.map((instance, i) => offer(instance, rows.length + i, offers)) : [];
    const doubtful = [...rows.slice(found.length), ...filling];
    const group = doubtful.length > 0 && markup.html`<tbody>${apart()}${doubtful}</tbody>`;
    const sure = markup.html`<tbody>${rows.slice(0, found.length)}</tbody>`;
    dom.update(
      box,
      markup.html`
        ${!found.length && likeliest()}
        ${rows.length + filling.length > 0 && markup.html`<table><thead>${head()}</thead>${sure}${group}</table>`}`,
    );
    if (panels.PICKED.includes(why)) dom.reveal(box, box.querySelector('tr.now'), 32);
  }
  function status() {
    const home = dom.host('status');
    if (!home) return;
    const slow = Object.entries(data.seconds || {}).map(([stage, s]) => `${stage} ${s.toFixed(2)} s`);
    const field = data.match;
    const cell = page.now.right.step * data.peaks.length + state.peak;
    const can = field && `, ${match.candidates(field, cell)} can win`;
    const summary = words.summary(data, page.now);
    dom.fill(
      home,
      markup.html`
        <p class="status" title="${slow.join(' · ')}">${summary}${can}</p>`,
    );
  }
  return {draw, status, look};
})();
