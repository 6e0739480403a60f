// @ts-check
// A new photo is under way: at first what is on the screen fades, then the new picture has the stage to itself. Where
// it fails, the screen before comes back whole.
const arrival = (() => {
  const {state, data} = page;
  /** The screen before. @type {{screen: OnScreen, token: string | null, peak: number} | null} */
  let held = null;
  /** The request that the new photo hangs on, until it is seen through. @type {string | null} */
  let chain = null;

  /** @returns {OnScreen} */
  function screen() {
    return {
      photo: data.photo,
      peaks: data.peaks,
      classes: data.classes,
      on: data.on,
      named: data.named,
      steps: data.steps,
      objects: data.objects,
      match: data.match,
      offers: data.offers,
      other: data.other,
      parts: data.parts,
      areas: data.areas,
      empty: data.empty,
      seconds: data.seconds,
      trust: data.trust,
      pristine: data.pristine,
      hands: data.hands,
      edits: data.edits,
      partition: data.partition,
      grid: null,
    };
  }
  return {
    /** Whether an answer belongs to the screen before. @param {Message} message */
    late: message => !!chain && !!message.ticket && message.ticket !== chain,
    /** @param {string} ticket */
    follow(ticket) {
      chain = ticket;
    },
    /** It is on its way to the server. @param {string} busy */
    announce(busy) {
      chain = 'upload';
      page.setData({looking: true, busy, notice: '', retry: null});
      page.change({}, 'busy');
    },
    /**
     * It can be shown, with what is known of it.
     * @param {Photo} photo @param {Partial<OnScreen>} more @param {number} peak
     */
    begin(photo, more = {}, peak = 0) {
      held ||= {screen: screen(), token: state.token, peak: state.peak};
      const replaced = state.token || data.replaced;
      page.setData({...page.blank(), photo, looking: true, notice: '', gone: null, replaced, ...more});
      page.change({peak, preview: null, token: null}, 'photo');
      page.stageFirst();
    },
    /** It is there: nothing of the screen before is needed any more. */
    done() {
      chain = held = null;
      data.replaced = null;
    },
    /** Back to the screen before. */
    undo() {
      page.setData({busy: '', looking: false});
      chain = null;
      if (!held) return;
      const {screen, token, peak} = held;
      held = null;
      page.setData({...screen, replaced: null});
      page.change({token, peak, preview: null}, 'back');
    },
  };
})();
