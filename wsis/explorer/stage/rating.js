// @ts-check
// How often masks like one are right, by what Python counted. No page, no canvas: the same rules as wsis/trust.py and
// the same sentences as wsis/explorer/rated.py, which test_rated.py holds to each other.
const rating = (() => {
  const {trust: said} = wsis.config;

  /** @param {string} text @param {Record<string, string | number>} values */
  const filled = (text, values) => text.replace(/{(\w+)}/g, (_, name) => String(values[name]));
  /** How far two triples are from each other, in shares of their sums. @param {Weights} a @param {Weights} b */
  function distance(a, b) {
    const [sums, others] = [a, b].map(([x, y, z]) => x + y + z);
    if (!(sums > 0 && others > 0)) return Number.POSITIVE_INFINITY;
    return Math.max(...a.map((value, i) => Math.abs(value / sums - b[i] / others)));
  }
  /** What was counted of the masks that score alike. @param {Curve} curve @param {number} score @returns {Rated} */
  function alike({starts, right, counts}, score) {
    const at = Math.max(
      starts.findLastIndex(start => start <= score),
      0,
    );
    return {right: right[at], count: counts[at], low: starts[at], high: starts[at + 1] ?? 1};
  }
  /**
   * What was counted of masks like one; or the reason why it is not rated.
   * @param {PackedTrust} counted
   * @param {{hypothesis: string, score: number, byHand?: boolean}} one
   * @param {number} probability of its class @param {Weights} weights @param {number} step
   * @returns {Rated | string}
   */
  function rate(counted, one, probability, weights, step) {
    if (counted.unrated) return counted.unrated;
    if (one.byHand) return 'hand';
    if (step !== counted.step) return 'step';
    if (!(distance(weights, counted.weights) <= counted.reach)) return 'weights';
    if (probability < counted.least) return 'class';
    const curve = counted.curves[one.hypothesis];
    return curve ? alike(curve, one.score) : 'model';
  }
  /** Of ten dots. @param {Rated} rated */
  const tenths = ({right, count}) => Math.floor((20 * right + count) / (2 * count));
  /** @param {string[]} three @param {Rated} rated */
  function ofThree([few, some, most], rated) {
    const n = tenths(rated);
    return n === 0 ? few : n === 10 ? most : filled(some, {n});
  }
  /** @param {Rated} rated */
  const headline = rated => filled(said.right, {n: ofThree(said.headline, rated)});
  /** @param {Rated | string} rated */
  const cell = rated => (typeof rated === 'string' ? said.none : ofThree(said.cell, rated));
  /** @param {Rated} rated @param {string} kind */
  function sample({right, count, low, high}, kind) {
    const digits = low >= 0.1 ? 2 : 3;
    const ends = {low: words.short(low, digits), high: words.short(high, digits)};
    return filled(said.sample[kind], {
      right: words.count(right),
      count: words.count(count),
      range: filled(said.ranges[2 * Number(low > 0) + Number(high < 1)], ends),
    });
  }
  /** @param {Rated} rated @param {PackedTrust} counted */
  const exactly = ({right, count}, {photos, source}) =>
    filled(said.share, {share: words.short(right / count), photos: words.count(photos), source});
  /** @param {string} reason @param {PackedTrust} counted */
  const why = (reason, {what, step}) => filled(said.unrated[reason], {what, step});

  return {ALONE: said.alone, distance, rate, tenths, headline, cell, sample, exactly, why};
})();
