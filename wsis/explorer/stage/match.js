// @ts-check
// Eq. 5 in the browser: score, rank, pick, suppress. No page, no canvas: numbers in, numbers out.
//
// wsis/matching.py and wsis/instances.py are the authority; test_match_js.py demands the same picks of both. Scores
// are three products and two sums of doubles in the same order there and here, so they agree to the bit.
//
// A field holds the proposals that can matter, for some cells (a cell is one map: a step of a peak; where there are
// maps of the object under each peak, these are the row of cells after the last step):
//   ids      Int32Array (n)        index of each in the full list of proposals, ascending
//   bits     Uint8Array (n, stride) its regions, bit r of byte r >> 3
//   offsets  Int32Array (cells+1)  where each cell's entries begin
//   slots    Uint16Array (m)       which of the n an entry is
//   terms    Float32Array (m, 3)   its three terms, times its proposal's rate
//   tints    Uint8Array (m)        its colour in the plane of two weights, see pictures.tints
//   fits     Float32Array (m)      IoU of the binary map and the proposal, times its objectness
//   rates    Float32Array (n)      by how much the terms of each of the n count, see `wsis.matching.rates`
const match = (() => {
  const {rules} = wsis.config;

  /** @param {Field} field @param {number} i @param {Weights} w */
  function score(field, i, w) {
    return field.terms[3 * i] * w[0] + field.terms[3 * i + 1] * w[1] + field.terms[3 * i + 2] * w[2];
  }
  /** The three terms of entry i by themselves, as people read them. @param {Field} field @param {number} i */
  const terms = (field, i) => [0, 1, 2].map(t => field.terms[3 * i + t] / field.rates[field.slots[i]]);
  /** Whether some proposals count less than others. @param {Field} field */
  const rated = field => field.rates.some(rate => rate < 1);
  /** @param {Field} field @param {number} i */
  const sum = (field, i) => field.terms[3 * i] + field.terms[3 * i + 1] + field.terms[3 * i + 2];

  /**
   * Whether entry i ranks before entry j: by score, then by the sum of terms, then by index.
   * @param {Field} field @param {number} i @param {number} j @param {Weights} w
   */
  function before(field, i, j, w) {
    const a = score(field, i, w);
    const b = score(field, j, w);
    if (a !== b) return a > b;
    const c = sum(field, i);
    const d = sum(field, j);
    return c !== d ? c > d : field.slots[i] < field.slots[j];
  }
  /**
   * The entry that wins a cell, or would without entry `but`; -1 where there is none.
   * @param {Field} field @param {number} cell @param {Weights} w
   */
  function best(field, cell, w, but = -1) {
    let winner = -1;
    for (let i = field.offsets[cell]; i < field.offsets[cell + 1]; i++)
      if (i !== but && (winner < 0 || before(field, i, winner, w))) winner = i;
    return winner;
  }
  /**
   * The first entries of a cell's ranking.
   * @param {Field} field @param {number} cell @param {Weights} w @param {number} count
   */
  function rank(field, cell, w, count) {
    const from = field.offsets[cell];
    const length = candidates(field, cell);
    const scores = new Float64Array(length);
    for (let i = 0; i < length; i++) scores[i] = score(field, from + i, w);
    // Only those are put in order whose score is among the best: numbers alone are sorted far quicker.
    const least = length > count ? scores.slice().sort()[length - count] : Number.NEGATIVE_INFINITY;
    /** @type {number[]} */
    const few = [];
    for (let i = 0; i < length; i++) if (scores[i] >= least) few.push(from + i);
    few.sort((i, j) => scores[j - from] - scores[i - from] || (before(field, i, j, w) ? -1 : 1));
    return few.slice(0, count);
  }
  /**
   * An entry's place in a cell's ranking, from 1.
   * @param {Field} field @param {number} cell @param {number} entry @param {Weights} w
   */
  function place(field, cell, entry, w) {
    let found = 1;
    for (let i = field.offsets[cell]; i < field.offsets[cell + 1]; i++)
      found += Number(i !== entry && before(field, i, entry, w));
    return found;
  }
  /**
   * How many can win a cell at some weights.
   * @param {Field} field @param {number} cell
   */
  const candidates = (field, cell) => field.offsets[cell + 1] - field.offsets[cell];

  /** @param {Bits} field @param {number} slot @param {number} region */
  const inside = (field, slot, region) => (field.bits[slot * field.stride + (region >> 3)] >> (region & 7)) & 1;

  /**
   * Of two proposals by slot.
   * @param {Field} field @param {number} a @param {number} b
   * @param {ArrayLike<number>} areas pixels of each region
   */
  function iou(field, a, b, areas) {
    let common = 0;
    let union = 0;
    for (let r = 0; r < areas.length; r++) {
      const x = inside(field, a, r);
      const y = inside(field, b, r);
      if (x & y) common += areas[r];
      if (x | y) union += areas[r];
    }
    return Math.fround(common / Math.max(union, 1));
  }
  /**
   * Regions and pixels of a proposal.
   * @param {Bits} field @param {number} slot @param {ArrayLike<number>} areas
   */
  function extent(field, slot, areas) {
    let regions = 0;
    let pixels = 0;
    for (let r = 0; r < areas.length; r++)
      if (inside(field, slot, r)) {
        regions++;
        pixels += areas[r];
      }
    return {regions, pixels};
  }

  /**
   * The proposal of a peak in a row of cells: the one that a hand has chosen, else the best.
   * @param {Field} field @param {Peak[]} peaks @param {number} row @param {number} k @param {Weights} w
   * @param {number | null} chosen
   * @returns {Winner}
   */
  function winner(field, peaks, row, k, w, chosen = null) {
    const cell = row * peaks.length + k;
    let entry = -1;
    if (chosen !== null)
      for (let i = field.offsets[cell]; i < field.offsets[cell + 1]; i++)
        if (field.ids[field.slots[i]] === chosen) entry = i;
    if (entry < 0) entry = best(field, cell, w);
    const slot = field.slots[entry];
    return {peak: k, cell, entry, slot, id: field.ids[slot], score: peaks[k].probability * field.fits[entry]};
  }
  /**
   * Each peak's best proposal of a row of cells, but of those that hands have touched, then class by class those that
   * are no double of a better one (Algorithm 1); by falling score.
   * @param {Field} field @param {Peak[]} peaks @param {number} row @param {Weights} w @param {ArrayLike<number>} areas
   * @param {Hand[] | null} hands
   */
  function picked(field, peaks, row, w, areas, hands) {
    const winners = peaks
      .flatMap((_, k) => (hands?.[k].touched ? [] : [winner(field, peaks, row, k, w)]))
      .sort((a, b) => b.score - a.score);
    /** @type {Winner[]} */
    const kept = [];
    for (const winner of winners) if (!overlaps(field, peaks, winner, kept, areas, rules.nms)) kept.push(winner);
    return kept;
  }
  /**
   * Whether it is, by more than `most`, another of its class.
   * @param {Field} field @param {Peak[]} peaks @param {Winner} winner @param {Winner[]} others
   * @param {ArrayLike<number>} areas @param {number} most
   */
  function overlaps(field, peaks, winner, others, areas, most) {
    const {category} = peaks[winner.peak];
    const limit = Math.fround(most);
    return others.some(
      other =>
        peaks[other.peak].category === category &&
        // The same one has no area where it is too small for the partition.
        (other.slot === winner.slot || iou(field, other.slot, winner.slot, areas) > limit),
    );
  }
  /**
   * Whether an instance of the method's own is found, or unsure, as `is_found` in `wsis/instances.py`.
   * @param {'region' | 'object'} hypothesis @param {number} score @param {number} least
   */
  function isFound(hypothesis, score, least, beside = false) {
    if (hypothesis === 'region') return score >= least;
    return !beside && score >= Math.max(rules.leastObject, least / 2);
  }
  /**
   * The regions of a step, and the objects under peaks at a part of their score. What is found is `painted`, all else
   * is unsure.
   * @param {Field} field @param {Peak[]} peaks @param {number} step @param {Weights} w @param {ArrayLike<number>} areas
   * @param {number | null} objects the row of their maps, null for none; the naive maps go without
   * @param {number} least score from which a region is found
   * @param {Hand[] | null} hands what was done to each peak: one instance of each that was touched, which gives way to
   *   none
   * @returns {Instance[]}
   */
  function instances(field, peaks, step, w, areas, objects = null, least = 0, hands = null) {
    const made = byHand(field, peaks, step, w, objects, hands);
    /** @param {Winner} one */
    const free = one => !overlaps(field, peaks, one, made, areas, rules.nms);
    /** @type {Instance[]} */
    const regions = picked(field, peaks, step, w, areas, hands)
      .filter(free)
      .map(one => ({...one, hypothesis: 'region', painted: isFound('region', one.score, least), byHand: false}));
    if (objects === null || !step) return [...regions, ...made].sort((a, b) => b.score - a.score);
    const shown = new Set(regions.filter(one => one.painted).map(one => one.peak));
    /** @type {Instance[]} */
    const singles = picked(field, peaks, objects, w, areas, hands)
      .filter(one => free(one) && !overlaps(field, peaks, one, regions, areas, rules.again))
      .map(one => {
        const score = one.score * rules.object;
        const painted = isFound('object', score, least, shown.has(one.peak));
        return {...one, score, hypothesis: 'object', painted, byHand: false};
      });
    return [...regions, ...singles, ...made].sort((a, b) => b.score - a.score);
  }
  /**
   * @param {Field} field @param {Peak[]} peaks @param {number} step @param {Weights} w @param {number | null} objects
   * @param {Hand[] | null} hands
   * @returns {Instance[]}
   */
  function byHand(field, peaks, step, w, objects, hands) {
    return (hands ?? []).flatMap((hand, k) => {
      if (!hand.touched) return [];
      const single = hand.of === 'object' && objects !== null && step > 0;
      const one = winner(field, peaks, single ? objects : step, k, w, hand.proposal);
      return [{...one, hypothesis: single ? 'object' : 'region', painted: true, byHand: true}];
    });
  }
  /**
   * For each region 1 + the place among `found` of the instance on top, 0 for none.
   * @param {Field} field @param {Instance[]} found @param {ArrayLike<number>} areas
   */
  function regions(field, found, areas) {
    const top = new Uint8Array(areas.length);
    /** @param {number} i */
    const single = i => Number(found[i].hypothesis === 'object');
    const order = found.map((_, i) => i);
    /** @param {number} i */
    const made = i => Number(found[i].byHand);
    order.sort((a, b) => made(a) - made(b) || single(a) - single(b) || found[a].score - found[b].score || b - a);
    for (const i of order) for (let r = 0; r < areas.length; r++) if (inside(field, found[i].slot, r)) top[r] = i + 1;
    return top;
  }

  /**
   * Who wins where in the plane of two weights, from 0 to `span` on each, at the centres of cells x cells squares; the
   * other weight stays.
   * @param {Field} field @param {number} cell @param {Weights} w @param {number[]} axes @param {number[]} span
   * @returns {Plane}
   */
  function plane(field, cell, w, axes, span, cells = 48) {
    const winners = new Int32Array(cells * cells);
    const at = [...w];
    const present = best(field, cell, w);
    let held = 0;
    for (let row = 0; row < cells; row++) {
      at[axes[1]] = (span[1] * (row + 0.5)) / cells;
      for (let column = 0; column < cells; column++) {
        at[axes[0]] = (span[0] * (column + 0.5)) / cells;
        const winner = best(field, cell, at);
        winners[row * cells + column] = winner;
        held += Number(winner === present);
      }
    }
    return {winners, cells, present, share: held / (cells * cells)};
  }
  /**
   * The nearest value of one weight, within [0, limit], beyond which another entry wins; null where there is none.
   * @param {Field} field @param {number} cell @param {Weights} w @param {number} axis @param {number} limit
   */
  function handover(field, cell, w, axis, limit) {
    const present = best(field, cell, w);
    const winning = score(field, present, w);
    /** @type {Handover | null} */
    let nearest = null;
    for (let i = field.offsets[cell]; i < field.offsets[cell + 1]; i++) {
      const slope = field.terms[3 * i + axis] - field.terms[3 * present + axis];
      const steep = Math.abs(slope);
      const below = slope < 0;
      const move = Math.abs(winning - score(field, i, w)) / steep;
      const value = w[axis] + (below ? -move : move);
      if (!slope || value < 0 || value > limit || value === (below ? 0 : limit)) continue; // beyond there must be room
      if (!nearest || sooner(field, {value, entry: i, below, move, steep}, nearest))
        nearest = {value, entry: i, below, move, steep};
    }
    return nearest;
  }
  /** @param {Field} field @param {Handover} a @param {Handover} b */
  function sooner(field, a, b) {
    return (a.move - b.move || b.steep - a.steep || sum(field, b.entry) - sum(field, a.entry)) < 0;
  }
  /**
   * Which term puts the winner before the runner-up, the best of the others that can win, and by how much of the whole
   * score; null where no other can. For a field of depth 1, so that it is known for every peak.
   * @param {Field} field @param {number} cell @param {Weights} w
   */
  function decided(field, cell, w) {
    const first = best(field, cell, w);
    const second = best(field, cell, w, first);
    if (second < 0) return null;
    const leads = [0, 1, 2].map(t => (field.terms[3 * first + t] - field.terms[3 * second + t]) * w[t]);
    return {term: leads.indexOf(Math.max(...leads)), lead: score(field, first, w) - score(field, second, w)};
  }

  return {
    ...{score, terms, rated, rank, place, best, winner, candidates, inside, extent, iou},
    ...{instances, regions, plane, handover, decided},
  };
})();
