// @ts-check
// Eq. 5 for any set of regions, as `wsis/matching.py::terms` has it: what a mask is worth while it is being painted.
const measure = (() => {
  /** @typedef {{v: Float64Array, e: Float64Array, mass: number, rim: number}} Counts pixels of V and E(V) by region */
  /** @type {Map<string, Counts>} */
  const known = new Map();

  /**
   * Pixels of a binary map and of its contour band in each region.
   * @param {Grey} binary @param {Grey} band @param {Partition} partition
   * @returns {Counts}
   */
  function counted(binary, band, {labels, areas}) {
    const v = new Float64Array(areas.length);
    const e = new Float64Array(areas.length);
    for (let i = 0; i < labels.length; i++) {
      if (binary.v[i]) v[labels[i]]++;
      if (band.v[i]) e[labels[i]]++;
    }
    /** @param {Float64Array} all */
    const sum = all => all.reduce((a, b) => a + b, 0);
    return {v, e, mass: sum(v), rim: sum(e)};
  }
  /**
   * The counts of a peak's map; one of them is kept.
   * @param {PackedPart | Part} part @param {number} row step, or the one after the last for the object's map
   * @param {Partition} partition
   */
  async function of(part, row, partition) {
    const key = part.binary[row];
    const there = known.get(key);
    if (there) return there;
    const [binary, band] = await Promise.all([unpack.grey(part.binary[row]), unpack.grey(part.bands[row])]);
    known.clear();
    const made = counted(binary, band, partition);
    known.set(key, made);
    return made;
  }
  /**
   * The three terms in a reading; null in one that needs more than V.
   * @param {Counts} counts @param {Uint8Array} members 1 for each region of the mask @param {Int32Array} areas
   * @param {string} reading
   * @returns {number[] | null}
   */
  function terms({v, e, mass, rim}, members, areas, reading) {
    let area = 0;
    let inside = 0;
    let contour = 0;
    for (let r = 0; r < members.length; r++)
      if (members[r]) {
        area += areas[r];
        inside += v[r];
        contour += e[r];
      }
    const precision = inside / Math.max(area, 1);
    const recall = inside / Math.max(mass, 1);
    const coverage = contour / Math.max(rim, 1);
    switch (reading) {
      case 'cover':
        return [precision, coverage, recall];
      case 'no-rebalance':
        return [recall, coverage, recall];
      case 'penalty':
        return [precision, coverage, mass ? -(area - inside) / mass : 0];
      case 'literal':
        return [precision, contour, -(area - inside)];
      case 'iou':
        return [inside / Math.max(area + mass - inside, 1), 0, 0];
      default:
        return null;
    }
  }
  return {of, counted, terms};
})();
