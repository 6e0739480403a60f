// @ts-check
// Which proposals are alike, and how one differs from another: numbers in, numbers out. wsis/explorer/alike.py is the
// authority; test_alike_js.py demands the same of both.
const alike = (() => {
  const {rules} = wsis.config;

  /** So much of a ranking is put in order at first: at least so many, and what the last one took. */
  const LEAST = 100;
  let enough = LEAST;
  /** Pixels by byte of `bits` and its value. @type {WeakMap<object, Int32Array>} */
  const tables = new WeakMap();
  /** @param {Areas} areas @param {number} stride */
  function table(areas, stride) {
    const known = tables.get(areas);
    if (known) return known;
    const made = new Int32Array(256 * stride);
    for (let r = 0; r < areas.length; r++) {
      const home = 256 * (r >> 3);
      const bit = 1 << (r & 7);
      for (let value = 0; value < 256; value++) if (value & bit) made[home + value] += areas[r];
    }
    tables.set(areas, made);
    return made;
  }
  /**
   * Pixels that two proposals share, and that either has.
   * @param {Field} field @param {number} a slot @param {number} b slot @param {Areas} areas pixels of each region
   */
  function overlap({bits, stride}, a, b, areas) {
    const pixels = table(areas, stride);
    let common = 0;
    let union = 0;
    for (let i = 0; i < stride; i++) {
      const mine = bits[a * stride + i];
      const theirs = bits[b * stride + i];
      common += pixels[256 * i + (mine & theirs)];
      union += pixels[256 * i + (mine | theirs)];
    }
    return {common, union};
  }
  /** Pixels of all proposals, by their bits. @type {WeakMap<Uint8Array, Int32Array>} */
  const sizes = new WeakMap();
  /** @param {Field} field @param {Areas} areas */
  function sized(field, areas) {
    const known = sizes.get(field.bits);
    if (known) return known;
    const made = Int32Array.from(field.ids, (_, slot) => pixels(field, slot, areas));
    sizes.set(field.bits, made);
    return made;
  }
  /** @param {Field} field @param {number} a slot @param {number} b slot @param {Areas} areas */
  function same(field, a, b, areas) {
    const size = sized(field, areas);
    // Not even if one lies within the other.
    if (Math.min(size[a], size[b]) <= rules.alike * Math.max(size[a], size[b])) return false;
    const {common, union} = overlap(field, a, b, areas);
    return common > rules.alike * union;
  }
  /** Pixels of a proposal. @param {Field} field @param {number} slot @param {Areas} areas */
  const pixels = (field, slot, areas) => overlap(field, slot, slot, areas).common;

  /** Whether a proposal is most of the photo. @param {Field} field @param {number} slot @param {Areas} areas */
  function most(field, slot, areas) {
    let photo = 0;
    for (const area of areas) photo += area;
    return pixels(field, slot, areas) > rules.most * photo;
  }

  /**
   * Down a cell's ranking, each proposal joins the first group whose best it is like, or leads one of its own.
   * @param {Field} field all that are ranked @param {number} cell @param {Weights} w @param {Areas} areas
   * @param {number} count most groups
   * @returns {Group[]}
   */
  function groups(field, cell, w, areas, count = rules.groups) {
    /** @type {Group[]} */
    const found = [];
    for (let depth = enough, place = 0; ; depth *= 2) {
      const order = match.rank(field, cell, w, depth);
      for (; place < order.length; place++) {
        const entry = order[place];
        const slot = field.slots[entry];
        const home = found.find(({entries}) => same(field, field.slots[entries[0]], slot, areas));
        if (!home && found.length === count) {
          enough = Math.max(LEAST, Math.round(1.2 * place));
          return found;
        }
        const group = home ?? {entries: [], places: []};
        if (!home) found.push(group);
        group.entries.push(entry);
        group.places.push(place + 1);
      }
      if (order.length < depth) return found;
    }
  }

  /**
   * What a proposal gains and what it loses against another, in shares of the other.
   * @param {Field} field @param {number} one slot @param {number} other slot @param {Partition} partition
   * @returns {{gained: Change, lost: Change}}
   */
  function difference(field, one, other, partition) {
    const told = sums(partition, r => match.inside(field, other, r));
    const gained = sums(partition, r => match.inside(field, one, r) & ~match.inside(field, other, r));
    const lost = sums(partition, r => match.inside(field, other, r) & ~match.inside(field, one, r));
    return {gained: change(gained, told), lost: change(lost, told)};
  }
  /**
   * Pixels of some regions, the sums of their coordinates, and their box.
   * @param {Partition} partition @param {(region: number) => number} has
   */
  function sums({areas, boxes, sums}, has) {
    const found = {pixels: 0, x: 0, y: 0, box: [1e9, 1e9, -1, -1]};
    for (let r = 0; r < areas.length; r++)
      if (areas[r] && has(r)) {
        found.pixels += areas[r];
        found.x += sums[2 * r];
        found.y += sums[2 * r + 1];
        for (let i = 0; i < 2; i++) {
          found.box[i] = Math.min(found.box[i], boxes[4 * r + i]);
          found.box[i + 2] = Math.max(found.box[i + 2], boxes[4 * r + i + 2] + 1);
        }
      }
    return found;
  }
  /** @typedef {ReturnType<typeof sums>} Sums */
  /** @param {Sums} part @param {Sums} told @returns {Change} */
  function change(part, told) {
    const share = part.pixels / Math.max(told.pixels, 1);
    if (!part.pixels || !told.pixels) return {share, side: ''};
    const across = aside(part.x / part.pixels, told.box[0], told.box[2]);
    const down = aside(part.y / part.pixels, told.box[1], told.box[3]);
    if (Math.max(Math.abs(across), Math.abs(down)) < rules.aside) return {share, side: ''};
    if (Math.abs(across) >= Math.abs(down)) return {share, side: across < 0 ? 'left' : 'right'};
    return {share, side: down < 0 ? 'top' : 'bottom'};
  }
  /** How far from the middle of a box, in half widths. @param {number} mean @param {number} low @param {number} high */
  const aside = (mean, low, high) => (mean + 0.5 - (low + high) / 2) / ((high - low) / 2);

  return {overlap, same, pixels, most, groups, difference};
})();
