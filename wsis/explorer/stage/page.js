// @ts-check
// What the page knows: where the visitor stands (state), what Python sent (data), and what follows from both (now).
// Every change goes through `change`; whoever draws, listens.
const page = (() => {
  const {config} = wsis;
  /** What a link says, and what holds where it says nothing. */
  const START = {
    peak: 0,
    step: config.step,
    preset: 'paper',
    weights: config.presets.paper.weights,
    fill: 0,
    enhancer: config.enhancer,
    model: config.model.name,
    /** @type {View} */
    view: 'response',
    compare: 'naive',
    swipe: false,
    split: 0.5,
    opacity: 0.75,
  };
  /** @type {State} */
  const state = {
    ...START,
    weights: [...START.weights],
    token: null,
    other: null,
    preview: null,
    tool: 'look',
    radius: 16,
    truth: true,
    pointed: null,
    tab: 'instances',
    axes: [0, 2],
  };
  /** @returns {OnScreen} */
  const blank = () => ({
    photo: null,
    peaks: [],
    classes: [],
    on: [],
    named: null,
    steps: 0,
    objects: false,
    match: null,
    offers: null,
    other: null,
    parts: new Map(),
    areas: null,
    empty: null,
    seconds: null,
    trust: null,
    pristine: false,
    hands: null,
    edits: [],
    partition: null,
    grid: null,
  });
  /** @type {Data} */
  const data = {
    ...blank(),
    enhancer: '',
    model: '',
    enhancers: config.model.enhancers,
    menu: null,
    reading: '',
    settings: {},
    least: 0,
    busy: 'Looking at a first photo',
    looking: false,
    place: null,
    asked: null,
    retry: null,
    drawn: '',
    notice: '',
    gone: null,
    replaced: null,
  };

  /**
   * A side of the stage: an analysis at a step.
   * @param {Analysed} analysed @param {number} wanted the step, if it has so many
   * @param {PackedPart | Part | null | undefined} part
   * @returns {Side}
   */
  function side(analysed, wanted, part) {
    const peak = part?.peak ?? state.peak;
    if (!analysed.match)
      return {
        ...{data: analysed, step: 0, peak, part, found: [], unsure: []},
        ...{offered: [], best: [], single: () => -1},
      };
    const {match: field, steps, objects, peaks, least, hands = null} = analysed;
    const step = Math.min(wanted, steps);
    const row = objects ? steps + 1 : null;
    /** @param {number} row @param {number} k */
    const winner = (row, k) => match.winner(field, peaks, row, k, state.weights, hands?.[k].proposal).slot;
    const areas = dom.known(data.areas);
    const filling = analysed.offers && state.fill ? analysed.offers : null;
    const kept = match.instances(field, peaks, step, state.weights, areas, row, least, hands);
    return {
      data: analysed,
      step,
      peak,
      part,
      found: kept.filter(one => one.painted),
      unsure: kept.filter(one => !one.painted),
      offered: filling ? offers.filled(field, kept, filling, state.fill, peaks, areas) : [],
      get best() {
        return peaks.map((_, k) => winner(hands?.[k].of === 'object' && row && step ? row : step, k));
      },
      single: k => winner(steps + 1, k),
    };
  }
  /** @returns {Side | null} */
  function left(/** @type {Part | null} */ part) {
    if (state.compare === 'naive') return side(data, 0, part);
    return data.other?.compare === state.compare ? side(data.other, state.step, part?.other) : null;
  }
  /** @returns {Now} */
  function follow() {
    const part = data.parts.get(state.peak) || null;
    const right = side(data, state.step, part);
    const wanted = state.pointed ?? state.preview;
    return {
      part,
      right,
      left: left(part),
      byPeak: new Map(right.found.map((instance, place) => [instance.peak, {...instance, place}])),
      groups: part?.runners ? alike.groups(part.runners, right.step, state.weights, dom.known(data.areas)) : [],
      shown: part?.runners && wanted !== null && wanted < part.runners.ids.length ? wanted : null,
    };
  }
  let now = follow();

  /** @type {Draw[]} */
  const listeners = [];
  /** @param {Why} why */
  function tell(why) {
    for (const draw of listeners) draw(why);
  }
  return {
    START,
    state,
    data,
    blank,
    get now() {
      return now;
    },
    /** @param {Partial<State>} changes @param {Why} why */
    change(changes = {}, why = 'state') {
      Object.assign(state, changes);
      if (changes.preview === null) state.pointed = null;
      if (!data.busy) data.place = null;
      now = follow();
      tell(why);
    },
    /** What Python sent; drawn with the next `change`. @param {Partial<Data>} changes */
    setData(changes) {
      Object.assign(data, changes);
    },
    tell,
    /** @param {Draw} draw */
    listen(draw) {
      listeners.push(draw);
    },
    /** The stage, before the panels around it. @param {Draw} draw */
    listenFirst(draw) {
      listeners.unshift(draw);
    },
    /** @param {string} text */
    notice(text) {
      data.notice = text;
      if (!text) data.retry = null;
      page.change({}, 'notice');
    },
    /** A new photo is to be seen, also where a tab has taken the stage's place. */
    stageFirst() {
      if (!['tune', 'teach', 'results', 'method'].includes(state.tab)) return;
      const tab = document.querySelector('#tab-instances-button');
      if (tab instanceof HTMLElement) tab.click();
    },
  };
})();
