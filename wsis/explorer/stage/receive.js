// @ts-check
// What Python says, one kind of message after the other.
const receive = (() => {
  const {state, data} = page;
  const FALSIFIED =
    'This browser changes what pages read from pictures. Allow it for this page, or masks will look wrong.';
  let serial = 0;

  /** @param {PackedPhoto} packed @returns {Promise<Photo>} */
  async function unpackedPhoto(packed) {
    const {bits, truth: drawn, ...rest} = packed;
    const {src, labels, areas} = rest;
    const partition = labels && areas ? unpack.partition(labels, areas) : null;
    const all = bits ? unpack.array(bits) : [];
    const [image, regions, members] = await Promise.all([unpack.picture(src), partition, all]);
    const truth = drawn ? await unpack.picture(drawn) : null;
    return {...rest, image, truth, partition: regions, members: Uint8Array.from(members), serial: ++serial};
  }
  /**
   * @param {PackedPart | null} packed @param {Photo | null} photo @param {Hand[] | null} hands
   * @returns {Promise<Part | null>}
   */
  async function unpackedPart(packed, photo = data.photo, hands = data.hands) {
    if (!packed) return null;
    const bits = photo && packed.runners && forced(photo.members, packed.runners.count, hands?.[packed.peak]);
    const runners = bits && (await unpack.runners(packed.runners, bits));
    return {...packed, runners, other: packed.other || null};
  }
  /**
   * The regions of all proposals with those that a hand has forced in and out.
   * @param {Uint8Array} members their bits @param {number} count of proposals @param {Hand} [hand] of their peak
   */
  function forced(members, count, hand) {
    if (!hand?.inside.length && !hand?.outside.length) return members;
    const bits = members.slice();
    const stride = bits.length / count;
    for (let i = 0; i < bits.length; i += stride) {
      for (const r of hand.inside) bits[i + (r >> 3)] |= 1 << (r & 7);
      for (const r of hand.outside) bits[i + (r >> 3)] &= ~(1 << (r & 7));
    }
    return bits;
  }
  /** @param {PackedOther | null} packed @returns {Promise<Compared | null>} */
  const unpackedOther = async packed => packed && {...packed, match: await unpack.field(packed.match)};

  /** The first map of a new photo. @param {GlanceMessage} message */
  async function glance(message) {
    if (wire.replaced()) return;
    const {picked, peaks, classmap, range, grid} = message;
    /** @type {Map<number, Part>} */
    const parts = new Map();
    if (picked !== undefined && classmap && range && grid) {
      const pictures = {response: null, maps: [], binary: [], bands: [], thresholds: []};
      const nothing = {...pictures, runners: null, other: null};
      parts.set(picked, {peak: picked, classmap, range, grid, ...nothing});
    }
    arrival.begin(await unpackedPhoto(message), {peaks, parts}, picked ?? 0);
    wire.finish(message);
    data.busy = message.busy;
    page.change({}, 'busy');
  }
  /** @param {AnalysisMessage} message @param {Asked | null} asked */
  async function analysis(message, asked) {
    const [field, other, photo] = await Promise.all([
      unpack.field(message.match),
      unpackedOther(message.other),
      message.photo && unpackedPhoto(message.photo),
    ]);
    const on = photo ?? data.photo;
    const part = await unpackedPart(message.part, on, message.hands);
    const offers = on?.total ? await unpack.offers(message.offers, on.members, on.members.length / on.total) : null;
    if (photo) {
      if (data.photo?.src === photo.src) photo.truth ??= data.photo.truth;
      data.photo = photo;
      data.areas = photo.partition?.areas ?? null;
      page.stageFirst();
    }
    arrival.done();
    const falsified = photo?.partition && !unpack.intact(photo.partition) ? FALSIFIED : '';
    const text = [message.text || asked?.told?.text, falsified].filter(Boolean).join(' ');
    const expired = message.expired || asked?.told?.expired;
    const {classes, named, settings, enhancer, reading, steps, objects, peaks, seconds, empty} = message;
    const {pristine, least, model, enhancers, hands, edits, partition, trust} = message;
    page.setData({hands, edits, partition, offers});
    page.setData({classes, on: message.on, named, settings, enhancer, reading, steps, objects, peaks, seconds, empty});
    page.setData({model, enhancers, trust});
    page.setData({pristine, least, match: field, other, busy: '', looking: false, notice: text, gone: null});
    data.grid = null;
    if (expired && (await photos.held(expired))) data.gone = expired;
    data.parts = new Map(part ? [[part.peak, part]] : []);
    const usual = (photo || enhancer !== state.enhancer) && !state.linked;
    page.change(
      {
        token: message.token,
        other: message.otherToken || null,
        peak: part?.peak ?? 0,
        preview: null,
        enhancer,
        step: usual ? wsis.config.step : state.step,
        linked: false,
        model: wire.idle() ? model : state.model,
        compare: other || (state.compare !== enhancer && !models.compared(state.compare)) ? state.compare : 'naive',
      },
      photo ? 'photo' : 'analysis',
    );
    link.write();
    // Another reading was chosen while this one was looked at.
    if (presets.current().reading !== reading && wire.idle()) acts.setPreset(state.preset, state.weights);
    wire.settle();
  }
  /** @param {PeakMessage} message */
  async function peak(message) {
    if (message.token !== state.token) return;
    const part = await unpackedPart(message);
    if (part) data.parts.set(message.peak, part);
    page.change({}, 'part');
  }
  /** @param {OtherMessage} message */
  async function other(message) {
    data.busy = '';
    if (message.token !== state.token) return page.change({}, 'busy');
    data.other = await unpackedOther(message.other);
    const part = data.parts.get(message.peak);
    data.parts = new Map(part ? [[message.peak, {...part, other: message.part}]] : []);
    if (message.text) data.notice = message.text;
    page.change({other: message.otherToken, compare: data.other?.compare ?? state.compare}, 'analysis');
    link.write();
  }
  /** @param {GridMessage} message @param {Asked | null} asked */
  function grid(message, asked) {
    if (asked) data.busy = '';
    if (message.token === state.token) data.grid = message;
    page.change({}, 'grid');
    if (asked) page.tell('busy');
  }
  /** @param {ModelsMessage} message */
  function menu(message) {
    data.menu = message;
    if (!message.chosen) return page.change({}, 'models');
    data.busy = '';
    page.change({model: message.chosen}, 'models');
    page.tell('busy');
  }
  /** Python ranked with the same weights: it has the last word. @param {SettledMessage} message */
  function settled({token, tab, found, weights, step, fill}) {
    data.drawn = token + tab;
    if (state.token && !data.parts.has(state.peak) && data.match) wire.ask('pick', {peak: state.peak});
    const {right} = page.now;
    const here = JSON.stringify([...right.found, ...right.offered].map(one => [one.peak, one.id]));
    const shown = [state.token, ...state.weights, right.step, state.fill];
    const same = String([token, ...weights, step, fill]) === String(shown); // not what was asked a click ago
    if (same && JSON.stringify(found) !== here) console.error('Browser and Python picked differently', here, found);
    page.change({}, 'drawn');
  }
  /** @param {NoticeMessage | GoneMessage} message @param {Asked | null} asked */
  function notice(message, asked) {
    if (message.kind !== 'gone' || asked?.act !== 'model') wire.revert(asked); // a model stays for the next photo
    if (asked) arrival.undo();
    data.retry = null;
    if (message.kind === 'gone' && !data.photo) data.empty = message.empty;
    data.gone = message.kind === 'gone' ? state.token || link.read().id : null;
    data.notice = message.text;
    page.change({}, message.kind);
  }
  /** The screen stays as it is, and the same can be asked again. @param {Message & BusyMessage} message */
  function busy({text, ticket}, /** @type {Asked | null} */ asked) {
    if (asked) {
      arrival.undo();
      wire.drop();
    }
    data.retry = ticket && ticket === data.asked?.ticket ? data.asked : null;
    if (data.photo) data.notice = text;
    else data.empty = {title: 'Not yet', text, offer: 'Try again'};
    page.change({}, 'notice');
  }
  /** @param {IdleMessage} message */
  function idle({empty}) {
    arrival.undo();
    data.empty = empty;
    page.change({}, 'empty');
  }

  /** @param {Message} message */
  async function take(message) {
    const asked = wire.answered(message);
    if (arrival.late(message)) {
      if (message.kind === 'analysis') data.replaced = message.token;
      else wire.revert(asked);
      return;
    }
    switch (message.kind) {
      case 'glance':
        return glance(message);
      case 'analysis':
        return analysis(message, asked);
      case 'peak':
        return peak(message);
      case 'grid':
        return grid(message, asked);
      case 'other':
        return other(message);
      case 'models':
        return menu(message);
      case 'synonyms':
        Search.take(message);
        return classes.draw();
      case 'levels':
        return touch.levels(message);
      case 'likely':
        return touch.likely(message);
      case 'settled':
        return settled(message);
      case 'code':
        return code.show(message);
      case 'notice':
      case 'gone':
        return notice(message, asked);
      case 'busy':
        return busy(message, asked);
      case 'idle':
        return idle(message);
    }
  }
  let order = Promise.resolve();
  /** The next message; they are taken one after the other. @param {Message | null} message */
  return message => {
    if (!message || typeof message !== 'object') return;
    order = order
      .then(() => take(message))
      .catch(error => {
        console.error(error);
        wire.failed();
      })
      .then(wire.next);
  };
})();
