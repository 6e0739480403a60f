// @ts-check
// What fills the list of masks up: likely objects of a class that none of its peaks was found on. No page, no canvas.
//
// wsis/instances.py is the authority; test_match_js.py demands the same offers of both.
const offers = (() => {
  const {rules} = wsis.config;

  /**
   * Pixels that two proposals share.
   * @param {Bits} first @param {number} a @param {Bits} second @param {number} b @param {ArrayLike<number>} areas
   */
  function common(first, a, second, b, areas) {
    const [from, other] = [a * first.stride, b * second.stride];
    let pixels = 0;
    for (let j = 0; j < first.stride; j++) {
      const both = first.bits[from + j] & second.bits[other + j];
      for (let left = both; left; left &= left - 1) pixels += areas[8 * j + 31 - Math.clz32(left & -left)];
    }
    return pixels;
  }
  /**
   * Offers, down their scores, that are apart from what their class has already, until there are `fill` masks.
   * @param {Field} field @param {Instance[]} taken all that the peaks give, also what pictures leave out
   * @param {Offers} given @param {number} fill @param {Peak[]} peaks @param {ArrayLike<number>} areas
   * @returns {Offered[]}
   */
  function filled(field, taken, given, fill, peaks, areas) {
    const {ids, scores} = given;
    const left = new Uint8Array(ids.length).fill(1);
    /** @type {Offered[]} */
    const added = [];
    /** Those near a mask of their class go. @param {Bits} of @param {number} slot @param {number} peak */
    function leaveOutNear(of, slot, peak) {
      const area = common(of, slot, of, slot, areas);
      for (let i = 0; i < ids.length; i++) {
        if (!left[i] || peaks[given.peaks[i]].category !== peaks[peak].category) continue;
        const shared = common(of, slot, given, ids[i], areas);
        const union = area + common(given, ids[i], given, ids[i], areas) - shared;
        if (Math.fround(shared / Math.max(union, 1)) > rules.offersApart) left[i] = 0;
      }
    }
    if (taken.length >= fill) return added;
    for (const one of taken) leaveOutNear(field, one.slot, one.peak);
    for (let i = 0; i < ids.length && taken.length + added.length < fill; i++) {
      if (!left[i]) continue;
      const one = {peak: given.peaks[i], cell: -1, entry: -1, slot: ids[i], id: ids[i], score: scores[i]};
      added.push({...one, hypothesis: 'offer'});
      leaveOutNear(given, ids[i], one.peak);
    }
    return added;
  }
  return {filled};
})();
