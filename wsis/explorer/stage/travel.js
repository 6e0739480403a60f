// @ts-check
// How the sliders of the weights spend their travel: where the mask changes. Numbers in, numbers out;
// wsis/explorer/travel.py is the authority, test_travel_js.py demands the same of both.
const travel = (() => {
  const {rules} = wsis.config;

  /**
   * Who wins as one weight goes from 0 to a limit, the others stay: stretches in order, those without length left out.
   * @param {Field} field of depth 1 @param {number} cell @param {Weights} w @param {number} axis @param {number} limit
   * @returns {Stretch[]}
   */
  function stretches(field, cell, w, axis, limit) {
    const start = w.map((weight, i) => (i === axis ? 0 : weight));
    let now = match.best(field, cell, start);
    let low = 0;
    /** @type {Stretch[]} */
    const found = [];
    for (;;) {
      const {then, high} = next(field, cell, start, axis, now);
      if (then < 0 || high >= limit) return [...found, {low, high: limit, entry: now}];
      if (high > low) {
        found.push({low, high, entry: now});
        low = high;
      }
      now = then;
    }
  }
  /**
   * Who takes over from an entry as a weight grows, -1 for nobody, and where: of those met at once the steepest, of
   * equally steep ones that with the greater sum of terms, as in `matching.rank`.
   * @param {Field} field @param {number} cell @param {Weights} start @param {number} axis @param {number} now
   */
  function next(field, cell, start, axis, now) {
    const {terms} = field;
    const own = terms[3 * now + axis];
    const score = match.score(field, now, start);
    let then = -1;
    let high = Infinity;
    let steep = 0;
    for (let i = field.offsets[cell]; i < field.offsets[cell + 1]; i++) {
      const slope = terms[3 * i + axis];
      if (slope <= own) continue;
      const meets = (score - match.score(field, i, start)) / (slope - own);
      const tie = meets === high && (slope - steep || sum(field, i) - sum(field, then)) > 0;
      if (meets < high || tie) {
        then = i;
        high = meets;
        steep = slope;
      }
    }
    return {then, high};
  }
  /** @param {Field} field @param {number} i */
  const sum = ({terms}, i) => terms[3 * i] + terms[3 * i + 1] + terms[3 * i + 2];

  /**
   * Values of a weight, and where the thumb stands at them; between these both go evenly.
   * @param {Field} field @param {Stretch[]} found @param {Areas} areas pixels of each region
   * @returns {Knots}
   */
  function knots(field, found, areas) {
    const limit = found[found.length - 1].high;
    const slots = found.map(({entry}) => field.slots[entry]);
    const changes = slots.map((slot, i) => (i ? change(field, slots[i - 1], slot, areas) : 0));
    const worth = slots.map((slot, i) => {
      const both = changes[i] + (changes[i + 1] ?? 0);
      return both * (alike.most(field, slot, areas) ? rules.dull : 1);
    });
    const total = worth.reduce((a, b) => a + b, 0);
    const values = [0];
    const places = [0];
    let place = 0;
    for (const [i, {low, high}] of found.entries()) {
      const length = (high - low) / limit;
      place += rules.flat * length + (1 - rules.flat) * (total > 0 ? worth[i] / total : length);
      values.push(high);
      places.push(i === found.length - 1 ? 1 : place);
    }
    return {values, places};
  }
  /** How much of two masks is not in both. @param {Field} field @param {number} a @param {number} b */
  function change(field, a, b, /** @type {Areas} */ areas) {
    const {common, union} = alike.overlap(field, a, b, areas);
    return 1 - common / Math.max(union, 1);
  }

  /**
   * What stands in one row where another number stands in the other, both rising.
   * @param {number[]} from @param {number[]} to @param {number} x
   */
  function between(from, to, x) {
    let i = 1;
    while (i < from.length - 1 && from[i] < x) i++;
    const span = from[i] - from[i - 1];
    const part = span > 0 ? (x - from[i - 1]) / span : 0;
    return to[i - 1] + Math.min(1, Math.max(0, part)) * (to[i] - to[i - 1]);
  }
  /** Where the thumb stands, 0 to 1. @param {Knots} knots @param {number} value */
  const place = ({values, places}, value) => between(values, places, value);
  /** What the thumb says. @param {Knots} knots @param {number} place */
  const value = ({values, places}, place) => between(places, values, place);

  return {stretches, knots, place, value};
})();
