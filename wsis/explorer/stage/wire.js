// @ts-check
// What the page asks of Python. One look at the networks at a time, and the next with what the one before has made. Of
// equal ones the last is enough, and a new photo makes what waits pointless.
const wire = (() => {
  const {config} = wsis;
  const {state, data} = page;
  /** @type {Trigger} */
  let trigger = () => {};
  /** @type {Asked | null} */
  let flying = null;
  /** @type {Asked[]} */
  let waiting = [];

  /** @returns {Snapshot} */
  const snapshot = () => ({
    token: state.token || data.replaced || null,
    other: state.other,
    peak: state.peak,
    step: state.step,
    preset: config.presets[state.preset] ? state.preset : 'paper',
    weights: state.weights,
    enhancer: state.enhancer,
    compare: state.swipe ? state.compare : 'naive',
    model: state.model,
    tab: state.tab,
    axes: state.axes,
    fill: state.fill,
    dark: document.body.classList.contains('dark'),
    reading: presets.current().reading,
  });
  const newTicket = () => crypto.getRandomValues(new Uint32Array(4)).join('-');
  /** @param {Act} act */
  const opensPhoto = act => ['open', 'example', 'upload'].includes(act);

  /**
   * Ask for something that needs the networks.
   * @param {Act} act @param {Record<string, unknown>} details
   * @param {string} busy what to call it meanwhile
   * @param {Partial<State> | null} undo the state to go back to where it fails
   */
  function look(act, details = {}, busy = '', undo = null) {
    const key = act === 'class' ? act + details.name : act;
    const asked = {act, data: details, busy, undo, ticket: newTicket(), key};
    if (opensPhoto(act)) {
      data.looking = true;
      waiting = [];
    }
    if (opensPhoto(act) || act === 'finish') arrival.follow(asked.ticket);
    if (data.retry) data.notice = '';
    page.setData({busy: busy || 'Looking', place: null, retry: null});
    page.change({}, 'busy');
    waiting = [...waiting.filter(one => one.key !== key), asked];
    next();
  }
  function next() {
    if (flying || !waiting.length) return;
    flying = data.asked = dom.known(waiting.shift());
    const {act, busy, ticket} = flying;
    if (!data.busy) {
      data.busy = busy || 'Looking';
      page.change({}, 'busy');
    }
    trigger('edit', {act, ...flying.data, ticket, now: snapshot()});
    clearTimeout(standing);
    standing = setTimeout(stand, 500, ticket, 0);
  }
  /** Where in the queue what was asked last stands; asked about now and then for as long as it takes. */
  let standing = 0;
  const LOST = 3;
  /**
   * A server that has started anew may know of nothing: Gradio's script can go on listening to the one before for
   * good. The page then starts anew as well; link and browser have what it needs.
   * @param {string} ticket @param {number} lost how often in a row it was so
   */
  async function stand(ticket, lost) {
    const over = () => !data.busy || data.asked?.ticket !== ticket;
    if (over()) return;
    try {
      /** @type {Place} */
      const told = await (await fetch(`place?ticket=${ticket}`)).json();
      if (over()) return;
      lost = told.known || told.server === config.server ? 0 : lost + 1;
      if (lost === LOST) return location.reload();
      data.place = told.place ? told : null;
    } catch {
      data.place = null;
    }
    page.tell('place');
    standing = setTimeout(stand, 1000, ticket, lost);
  }
  /** The controls back to where they were before they asked. @param {Asked | null} asked */
  function revert(asked) {
    if (asked?.undo) Object.assign(state, asked.undo);
  }

  let settling = 0;
  /** The visitor let go: the address, the spoken summary, the tables that Python makes. */
  function settle() {
    clearTimeout(settling);
    settling = setTimeout(() => {
      link.write();
      if (!state.token || data.busy) return;
      page.change({}, 'settled');
      trigger('release', {now: snapshot()});
    }, 120);
  }
  return {
    snapshot,
    /** @param {Trigger} given */
    mount(given) {
      trigger = given;
    },
    look,
    next,
    settle,
    revert,
    /** What is there already: another peak's maps, a promise to keep an analysis. */
    ask(/** @type {string} */ act, details = {}) {
      trigger('select', {act, ...details, now: snapshot()});
    },
    /** A file to take home. */
    download(/** @type {string} */ kind, details = {}) {
      trigger('download', {kind, ...details, now: snapshot()});
    },
    /** What was not taken on, once more. */
    again() {
      const {act, data: details, busy, undo} = dom.known(data.retry);
      data.empty = null;
      look(act, details, busy, undo);
    },
    /** The rest of a photo, before all that waits. @param {GlanceMessage} message */
    finish({finish, busy, text, expired}) {
      const ticket = newTicket();
      arrival.follow(ticket);
      waiting.unshift({act: 'finish', data: finish, busy, ticket, key: '', undo: null, told: {text, expired}});
    },
    /** The request that a message answers, which is then no longer under way. @param {Message} message */
    answered(message) {
      if (!message.ticket || message.ticket !== flying?.ticket) return null;
      const asked = flying;
      flying = null;
      return asked;
    },
    /** Whether another photo was chosen meanwhile. */
    replaced: () => waiting.some(one => opensPhoto(one.act)),
    busy: () => !!flying,
    idle: () => !waiting.length,
    /** Nothing that waits is wanted any more. */
    drop() {
      waiting = [];
    },
    /** Python could not do it, or what it said made no sense. */
    failed() {
      waiting = [];
      flying = null;
      revert(data.asked);
      arrival.undo();
      data.retry = data.asked;
      page.notice('The server could not do that. Try again, or reload the page.');
      page.change({}, 'busy');
    },
  };
})();
