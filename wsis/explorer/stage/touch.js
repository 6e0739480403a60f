// @ts-check
// Hands: what a visitor does to peaks and masks. The page says all that was done, in order; Python has the last word.
const touch = (() => {
  const {state, data} = page;
  /** What was undone, the next to be done again last. @type {Edit[]} */
  let undone = [];
  /** What waits until Python has answered what came before. @type {(() => void)[]} */
  let later = [];
  /** @type {{token: string, peak: number, proposal: number, ids: number[]} | null} */
  let chain = null;
  /** How many levels up or down are still to be gone. */
  let climbing = 0;
  /** @type {{token: string, peak: number, classes: ClassScore[]} | null} */
  let guessed = null;

  /** @param {number} k */
  const number = k => data.hands?.[k]?.number ?? k;
  /** @param {number} k */
  const hand = k => data.hands?.[k] ?? null;
  const ready = () => !!data.match && !!state.token && !data.looking;

  /**
   * The mask of a peak: its instance's, else what it would have.
   * @param {number} k
   * @returns {{proposal: number, of: 'region' | 'object', slot: number, instance: Instance | null}}
   */
  function mask(k) {
    const field = dom.known(data.match);
    const instance = page.now.right.found.find(one => one.peak === k) ?? null;
    const slot = instance?.slot ?? page.now.right.best[k];
    const of = instance?.hypothesis ?? hand(k)?.of ?? 'region';
    return {proposal: field.ids[slot], of, slot, instance};
  }

  /** One after the other: what is built on an answer waits for it. @param {() => void} act */
  function inTurn(act) {
    if (!ready() && !wire.busy()) return;
    if (wire.busy() || data.busy) later.push(act);
    else act();
  }
  /** @param {Edit[]} edits @param {string} busy @param {Record<string, unknown>} more */
  function send(edits, busy, more = {}) {
    wire.look('edit', {edits, number: number(state.peak), ...more}, busy);
  }
  /** @param {() => Edit | null} make @param {string} busy */
  function edit(make, busy) {
    inTurn(() => {
      const one = make();
      if (!one) return;
      undone = [];
      send([...data.edits, one], busy);
    });
  }

  // --- peaks --------------------------------------------------------------------------------------------------------
  /** @param {number} x @param {number} y shares of the photo */
  function place(x, y) {
    inTurn(() => {
      undone = [];
      send([...data.edits], 'Following a new peak', {place: [x, y]});
    });
  }
  /** @param {number} k @param {number} x @param {number} y */
  const move = (k, x, y) => edit(() => ({do: 'move peak', peak: number(k), x, y}), 'Following the peak');
  /** @param {number} k */
  const remove = k => edit(() => (data.peaks[k] ? {do: 'remove peak', peak: number(k)} : null), 'Removing the peak');
  /** @param {number} k @param {string} name */
  const rename = (k, name) => edit(() => ({do: 'set class', peak: number(k), name}), `Looking for ${name}`);
  /** @param {number} k */
  const asFound = k => edit(() => ({do: 'as found', peak: number(k)}), 'Taking it back');

  // --- masks --------------------------------------------------------------------------------------------------------
  /**
   * A region belongs to the object, or does not: proposals are ranked with that.
   * @param {number} r @param {boolean} inside
   */
  function force(r, inside) {
    edit(() => {
      const {of} = mask(state.peak);
      return {do: 'force', peak: number(state.peak), of, inside: inside ? [r] : [], outside: inside ? [] : [r]};
    }, 'Ranking the proposals anew');
  }
  /** @param {number} proposal @param {Iterable<number>} inside @param {Iterable<number>} outside */
  function choose(proposal, inside = [], outside = []) {
    edit(() => {
      const {of} = mask(state.peak);
      return {do: 'choose', peak: number(state.peak), of, proposal, inside: [...inside], outside: [...outside]};
    }, 'Taking this mask');
  }
  /** @param {[number, number][]} points pixels of the photo @param {number} radius @param {boolean} erase */
  function stroke(points, radius, erase) {
    edit(() => {
      const {of, proposal} = mask(state.peak);
      return {do: 'brush', peak: number(state.peak), of, proposal, strokes: [{points, radius, erase}]};
    }, 'Painting');
  }
  /** @param {string} method */
  function snap(method) {
    edit(() => {
      const {of, proposal} = mask(state.peak);
      return {do: 'snap', peak: number(state.peak), of, proposal, method};
    }, 'Drawing the edge to the photo');
  }

  // --- several ------------------------------------------------------------------------------------------------------
  /**
   * Peaks of one class that end at one mask, the one that has it first; none where somebody said that they may.
   * @param {Instance} instance
   */
  function sharing(instance) {
    const field = data.match;
    if (!field || !data.areas || instance.byHand) return [];
    const {category} = data.peaks[instance.peak];
    const {best} = page.now.right;
    const others = data.peaks.flatMap((peak, k) => {
      const free = k !== instance.peak && peak.category === category && !page.now.byPeak.has(k);
      if (!free || !match.inside(field, instance.slot, regionAt(peak.x, peak.y))) return [];
      const same = match.iou(field, best[k], instance.slot, dom.known(data.areas)) > wsis.config.rules.nms;
      return same ? [k] : [];
    });
    const peaks = apart([instance.peak, ...others], field);
    const numbers = peaks.map(number);
    const kept = data.edits.some(one => one.do === 'keep' && numbers.every(n => one.peaks?.includes(n)));
    return kept ? [] : peaks;
  }
  /**
   * Of peaks in one mask those that lie on objects of their own, by the maps of the objects under them; none where that
   * is one alone: a lone cat has several peaks too.
   * @param {number[]} peaks @param {Field} field
   */
  function apart(peaks, field) {
    if (!data.objects) return peaks.length > 1 ? peaks : [];
    const {right} = page.now;
    /** @type {number[]} */
    const kept = [];
    for (const k of peaks) {
      const slot = right.single(k);
      const double = kept.some(
        one => match.iou(field, right.single(one), slot, dom.known(data.areas)) > wsis.config.rules.nms,
      );
      if (!double) kept.push(k);
    }
    return kept.length > 1 ? kept : [];
  }
  /** What may be split, the picked peak's first. */
  function offer() {
    const all = page.now.right.found.map(sharing).filter(peaks => peaks.length);
    return all.find(peaks => peaks.includes(state.peak)) ?? all[0] ?? null;
  }
  /** @param {number[]} peaks */
  function split(peaks) {
    const several = {do: 'split', peaks: peaks.map(number), weights: [...state.weights]};
    edit(() => several, 'Sharing out the proposals');
  }
  /** @param {number[]} peaks */
  function merge(peaks) {
    const several = {do: 'merge', peaks: peaks.map(number), weights: [...state.weights]};
    edit(() => several, 'Making them one');
  }
  /** @param {number[]} peaks */
  const keep = peaks => edit(() => ({do: 'keep', peaks: peaks.map(number)}), 'Keeping them together');

  // --- part and group -----------------------------------------------------------------------------------------------
  /** The next larger or smaller mask of the hierarchy at the peak. @param {number} by */
  function level(by) {
    if (!ready()) return;
    const {proposal} = mask(state.peak);
    const here = chain?.token === state.token && chain.peak === state.peak ? chain.ids.indexOf(proposal) : -1;
    if (here < 0 || !chain) {
      climbing = by;
      return wire.ask('levels', {peak: state.peak, proposal});
    }
    const next = chain.ids[here + by];
    if (next === undefined) return;
    const {ids} = chain;
    choose(next);
    later.push(() => {
      // The answer has another token, and the same hierarchy.
      chain = {token: state.token ?? '', peak: state.peak, proposal: next, ids};
    });
  }
  /** @param {LevelsMessage} message */
  function levels({token, peak, proposal, ids}) {
    if (token !== state.token || peak !== state.peak) return;
    chain = {token, peak, proposal, ids};
    const by = climbing;
    climbing = 0;
    if (by) level(by);
    page.change({}, 'touch');
  }
  /** @param {LikelyMessage} message */
  function likely({token, peak, classes}) {
    guessed = {token, peak, classes};
    page.change({}, 'touch');
  }
  const known = () => (guessed?.token === state.token && guessed?.peak === state.peak ? guessed : null);
  /** What the picked peak may be, as far as it was asked for. */
  const guesses = () => known()?.classes ?? [];
  /** Asked for as soon as somebody comes near the list. */
  function guess() {
    if (!known() && ready() && !data.busy) wire.ask('likely', {peak: state.peak});
  }

  // --- back and forth -----------------------------------------------------------------------------------------------
  /** To the state after so many edits. @param {number} count */
  function goTo(count) {
    inTurn(() => {
      const all = [...data.edits, ...[...undone].reverse()];
      if (count === data.edits.length || count < 0 || count > all.length) return;
      undone = all.slice(count).reverse();
      send(all.slice(0, count), count < data.edits.length ? 'Undoing' : 'Doing it again');
    });
  }
  const undo = () => goTo(data.edits.length - 1);
  const redo = () => goTo(data.edits.length + 1);

  /** The region under a place. @param {number} x @param {number} y shares of the photo */
  function regionAt(x, y) {
    const {w, h, labels} = dom.known(data.photo?.partition);
    const column = Math.min(w - 1, Math.max(0, Math.floor(x * w)));
    return labels[Math.min(h - 1, Math.max(0, Math.floor(y * h))) * w + column];
  }
  page.listen(why => {
    if (why === 'photo') undone = [];
    if (['gone', 'notice'].includes(why)) later = [];
    while (later.length && !wire.busy() && !data.busy) dom.known(later.shift())();
  });
  return {
    place,
    move,
    remove,
    rename,
    asFound,
    force,
    choose,
    stroke,
    snap,
    split,
    merge,
    keep,
    offer,
    level,
    levels,
    likely,
    guesses,
    guess,
    undo,
    redo,
    goTo,
    mask,
    hand,
    number,
    ready,
    regionAt,
    get undone() {
      return undone;
    },
  };
})();
