// Eq. 5 in the browser: score, rank, pick, suppress. No page, no canvas: numbers in, numbers out.
//
// wsis/matching.py and wsis/instances.py are the authority; test_match_js.py demands the same picks of both. Scores
// are three products and two sums of doubles in the same order there and here, so they agree to the bit.
//
// A field holds the proposals that can matter, for some cells (a cell is one map: a step of a peak):
//   ids      Int32Array (n)        index of each in the full list of proposals, ascending
//   bits     Uint8Array (n, bytes) its regions, bit r of byte r >> 3
//   offsets  Int32Array (cells+1)  where each cell's entries begin
//   slots    Uint16Array (m)       which of the n an entry is
//   terms    Float32Array (m, 3)   its three terms
//   tints    Uint8Array (m)        its colour in the plane of two weights, see pictures.tints
//   fits     Float32Array (m)      IoU of the binary map and the proposal, times its objectness
(() => {
const score = (field, i, w) => field.terms[3 * i] * w[0] + field.terms[3 * i + 1] * w[1] + field.terms[3 * i + 2] * w[2];
const sum = (field, i) => field.terms[3 * i] + field.terms[3 * i + 1] + field.terms[3 * i + 2];

function before(field, i, j, w) {  // whether entry i ranks before entry j: score, then sum of terms, then index
  const a = score(field, i, w), b = score(field, j, w);
  if (a !== b) return a > b;
  const c = sum(field, i), d = sum(field, j);
  return c !== d ? c > d : field.slots[i] < field.slots[j];
}
function best(field, cell, w, but) {  // the entry that wins a cell, or would without one of them
  let found;
  for (let i = field.offsets[cell]; i < field.offsets[cell + 1]; i++) if (i !== but && (found === undefined || before(field, i, found, w))) found = i;
  return found;
}
function rank(field, cell, w, count) {  // the first entries of a cell's ranking
  const all = [];
  for (let i = field.offsets[cell]; i < field.offsets[cell + 1]; i++) all.push(i);
  return all.sort((i, j) => before(field, i, j, w) ? -1 : 1).slice(0, count);
}

const inside = (field, slot, region) => field.bits[slot * field.bytes + (region >> 3)] >> (region & 7) & 1;
function iou(field, a, b, areas) {  // of two proposals by slot; areas: pixels of each region
  let common = 0, union = 0;
  for (let r = 0; r < areas.length; r++) {
    const x = inside(field, a, r), y = inside(field, b, r);
    if (x & y) common += areas[r];
    if (x | y) union += areas[r];
  }
  return Math.fround(common / Math.max(union, 1));
}

// Each peak's best proposal, then class by class those that no better one overlaps by more than `nms` (Algorithm 1).
// peaks: [{category, probability}]; step: which of the maps. Instances by falling score: {peak, entry, slot, id, score}.
function instances(field, peaks, step, w, areas, nms = .3) {
  const found = peaks.map((peak, k) => {
    const entry = best(field, step * peaks.length + k, w), slot = field.slots[entry];
    return {peak: k, entry, slot, id: field.ids[slot], score: peak.probability * field.fits[entry]};
  }).sort((a, b) => b.score - a.score);
  const kept = [], most = Math.fround(nms);
  for (const one of found) {
    const category = peaks[one.peak].category;
    const clash = other => other.slot === one.slot || iou(field, other.slot, one.slot, areas) > most;  // its own has no area where it is too small
    if (!kept.some(other => peaks[other.peak].category === category && clash(other))) kept.push(one);
  }
  return kept;
}
function regions(field, found, areas) {  // for each region 1 + the place in `found` of the instance on top, 0 for none
  const top = new Uint8Array(areas.length);
  const order = found.map((_, i) => i).sort((a, b) => found[a].score - found[b].score || a - b);
  for (const i of order) for (let r = 0; r < areas.length; r++) if (inside(field, found[i].slot, r)) top[r] = i + 1;
  return top;
}

// Who wins where in the plane of two weights (axes 0..2), from 0 to `span` on each, at the centres of
// cells x cells squares; the other weight stays.
function plane(field, cell, w, axes, span, cells = 48) {
  const from = field.offsets[cell], count = field.offsets[cell + 1] - from, winners = new Int32Array(cells * cells), at = [...w];
  const present = best(field, cell, w);
  let held = 0;
  for (let row = 0; row < cells; row++) {
    at[axes[1]] = span[1] * (row + .5) / cells;
    for (let column = 0; column < cells; column++) {
      at[axes[0]] = span[0] * (column + .5) / cells;
      const winner = best(field, cell, at);
      winners[row * cells + column] = winner;
      held += winner === present;
    }
  }
  return {winners, cells, present, share: held / (cells * cells), candidates: count};
}
// The nearest value of one weight, within [0, limit], beyond which another entry wins: {value, entry, below} or null.
function handover(field, cell, w, axis, limit) {
  const present = best(field, cell, w), own = score(field, present, w);
  let nearest = null;
  for (let i = field.offsets[cell]; i < field.offsets[cell + 1]; i++) {
    const slope = field.terms[3 * i + axis] - field.terms[3 * present + axis], steep = Math.abs(slope), below = slope < 0;
    const move = Math.abs(own - score(field, i, w)) / steep, value = w[axis] + (below ? -move : move);
    if (!slope || value < 0 || value > limit || value === (below ? 0 : limit)) continue;  // beyond there must be room
    const order = nearest && (move - nearest.move || nearest.steep - steep || sum(field, nearest.entry) - sum(field, i));
    if (!nearest || order < 0) nearest = {value, entry: i, below, move, steep};
  }
  return nearest;
}
// Which term puts the winner before the runner-up, the best of the others that can win: {term, lead}, lead of the whole
// score; null where no other can. For a field of depth 1, so that it is known for every peak.
function decided(field, cell, w) {
  const first = best(field, cell, w), second = best(field, cell, w, first);
  if (second === undefined) return null;
  const leads = [0, 1, 2].map(t => (field.terms[3 * first + t] - field.terms[3 * second + t]) * w[t]);
  return {term: leads.indexOf(Math.max(...leads)), lead: score(field, first, w) - score(field, second, w)};
}

globalThis.wsis = globalThis.wsis || {};
wsis.match = {score, rank, best, inside, iou, instances, regions, plane, handover, decided};
})();
