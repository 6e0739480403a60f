// @ts-check
// Which cells of a photo, and of a second one, the backbone takes for the same as the one that is pointed at.
class Likeness {
  /** From this similarity on a cell counts as alike. */
  static SAME = 0.5;

  /** @param {PackedAlike} packed */
  static async of(packed) {
    const {second} = packed;
    const [own, other, image] = await Promise.all([
      unpack.array(packed.cells),
      second && unpack.array(second.cells),
      second && unpack.picture(second.src),
    ]);
    return new Likeness(
      {grid: packed.grid, cells: Uint8Array.from(own)},
      second && other && image ? {grid: second.grid, cells: Uint8Array.from(other), image, size: second.size} : null,
      second?.name ?? '',
    );
  }

  /**
   * @param {Cells} own @param {(Cells & {image: HTMLImageElement, size: number[]}) | null} second
   * @param {string} name of the second photo
   */
  constructor(own, second, name) {
    this.own = own;
    this.second = second;
    this.name = name;
    /** The last pictures. @type {{key: number, made: (Grey | null)[]} | null} */
    this.last = null;
  }

  /** The cell at a place, in shares of the photo. @param {[number, number]} at */
  cell([u, v]) {
    const [w, h] = this.own.grid;
    return Math.floor(v * h) * w + Math.floor(u * w);
  }

  /** What is like a cell in this photo and in the second one, 255 for 1. @param {number} cell */
  maps(cell) {
    if (this.last?.key === cell) return this.last.made;
    const made = [this.own, this.second].map(
      cells => cells && {w: cells.grid[0], h: cells.grid[1], v: Likeness.#row(cells, cell)},
    );
    this.last = {key: cell, made};
    return made;
  }

  /** In words, how much is like a cell. @param {number} cell */
  told(cell) {
    return [this.own, this.second].flatMap(cells => {
      if (!cells) return [];
      const row = Likeness.#row(cells, cell);
      return [
        `${words.count(row.filter(value => value >= 255 * Likeness.SAME).length)} of ${words.count(row.length)} cells`,
      ];
    });
  }

  /** @param {Cells} cells @param {number} cell */
  static #row({grid, cells}, cell) {
    const n = grid[0] * grid[1];
    return cells.subarray(cell * n, (cell + 1) * n);
  }
}
