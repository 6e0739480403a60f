// @ts-check
// What changed from one binary map to the next, and from which step on nothing does; the same as wsis/changes.py.
const changes = (() => {
  const {settled: SETTLED} = wsis.config.rules;

  /**
   * How many pixels of all were gained and lost.
   * @param {Grey} before @param {Grey} after of the same size
   * @returns {StepChange}
   */
  function between(before, after) {
    let gained = 0;
    let lost = 0;
    for (let i = 0; i < after.v.length; i++) {
      if (after.v[i] && !before.v[i]) gained++;
      else if (before.v[i] && !after.v[i]) lost++;
    }
    return {gained: gained / after.v.length, lost: lost / after.v.length};
  }
  /**
   * The first step after which no step changes anything to speak of; null where only the last one is that.
   * @param {StepChange[]} steps what changed with t = 1, 2, ...
   */
  function settled(steps) {
    const last = steps.findLastIndex(({gained, lost}) => gained + lost >= SETTLED) + 1;
    return last < steps.length ? last : null;
  }
  /** A share of the photo in few characters: 41%, .3%. @param {number} share */
  function percent(share) {
    const value = 100 * share;
    if (value < 0.05) return '0%';
    if (value >= 9.95) return `${value.toFixed(0)}%`;
    return `${value.toFixed(1).replace(/^0/, '')}%`;
  }
  return {between, settled, percent};
})();
