// @ts-check
// The mask of a peak while its regions are being painted in and out.
const draft = (() => {
  /** The mask of a peak, to be painted on. @param {number} k @returns {Draft | null} */
  function of(k) {
    const {match: field, areas, peaks} = page.data;
    if (!field || !areas || !peaks[k]) return null;
    const {slot} = touch.mask(k);
    const hand = touch.hand(k);
    return {
      members: Uint8Array.from(areas, (_, r) => match.inside(field, slot, r)),
      inside: new Set(hand?.inside),
      outside: new Set(hand?.outside),
    };
  }
  /** A region in or out. @param {Draft} begun @param {number} r @param {number} on */
  function set(begun, r, on) {
    begun.members[r] = on;
    (on ? begun.inside : begun.outside).add(r);
    (on ? begun.outside : begun.inside).delete(r);
  }
  return {of, set};
})();
