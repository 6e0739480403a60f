// @ts-check
// Who wins where in the triangle of the three weights: numbers in, numbers out. Only their proportions decide, so that
// the triangle of a map stays whatever the weights are; each is measured in the reach of its slider. In a square from
// (0, 0) to (1, 1) alpha is at the top, gamma at the bottom left, beta at the bottom right.
const simplex = (() => {
  const WIDTH = 78;
  const HEIGHT = 68;

  /** Shares of alpha, beta and gamma at a point of the square; one is negative outside. @param {number[]} at */
  function shares([x, y]) {
    const alpha = 1 - y;
    const beta = x - alpha / 2;
    return [alpha, beta, 1 - alpha - beta];
  }
  /** Where in the square weights are; null where all are 0. @param {Weights} w @param {number[]} reach */
  function point(w, reach) {
    const own = w.map((weight, i) => weight / reach[i]);
    const sum = own.reduce((a, b) => a + b, 0);
    return sum > 0 ? [(own[1] + own[0] / 2) / sum, 1 - own[0] / sum] : null;
  }
  /**
   * The nearest point of the triangle. @param {number[]} at
   * @returns {number[]}
   */
  function within(at) {
    const clipped = shares(at).map(share => Math.max(0, share));
    return dom.known(point(clipped, [1, 1, 1]));
  }
  /** Weights at a point, of a sum in reaches. @param {number[]} at @param {number} sum @param {number[]} reach */
  const weights = (at, sum, reach) => shares(at).map((share, i) => Math.max(0, share) * sum * reach[i]);

  /**
   * The winner at the middle of each cell of the square, -1 outside the triangle.
   * @param {Field} field of depth 1 @param {number} cell @param {number[]} reach
   * @returns {Simplex}
   */
  function winners(field, cell, reach, width = WIDTH, height = HEIGHT) {
    const found = new Int32Array(width * height).fill(-1);
    for (let row = 0, i = 0; row < height; row++)
      for (let column = 0; column < width; column++, i++) {
        const at = [(column + 0.5) / width, (row + 0.5) / height];
        if (Math.min(...shares(at)) < 0) continue;
        found[i] = match.best(field, cell, weights(at, 1, reach));
      }
    return {winners: found, width, height};
  }

  /**
   * The regions of the winners, the largest first: how many cells, and the one of them nearest to their middle.
   * @param {Simplex} seen
   * @returns {{entry: number, cells: number, at: number[]}[]}
   */
  function regions({winners, width, height}) {
    /** @type {Map<number, number[]>} */
    const cells = new Map();
    for (const [i, entry] of winners.entries()) {
      if (entry < 0) continue;
      const own = cells.get(entry);
      if (own) own.push(i);
      else cells.set(entry, [i]);
    }
    /** @param {number} i */
    const at = i => [((i % width) + 0.5) / width, (Math.floor(i / width) + 0.5) / height];
    return [...cells]
      .map(([entry, own]) => {
        const places = own.map(at);
        const middle = [0, 1].map(axis => places.reduce((sum, one) => sum + one[axis], 0) / places.length);
        const away = places.map(([x, y]) => Math.hypot(x - middle[0], y - middle[1]));
        return {entry, cells: own.length, at: places[away.indexOf(Math.min(...away))]};
      })
      .sort((a, b) => b.cells - a.cells);
  }
  return {shares, point, within, weights, winners, regions};
})();
