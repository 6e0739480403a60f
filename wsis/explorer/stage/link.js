// @ts-check
// The address: a reload and a colleague find the same screen.
const link = (() => {
  const {config} = wsis;
  const {state, data, START} = page;
  /** @type {View[]} */
  const VIEWS = ['photo', 'classmap', 'response', 'enhanced', 'match', 'instances', 'semantic'];
  /** @type {['split', 'opacity']} */
  const SHARES = ['split', 'opacity'];
  /** Characters of edits that an address carries; more go by the file of edits. */
  const MOST = 8000;
  /** The analysis of the entry in the browser's history where the visitor stands. @type {string | null} */
  let at = null;

  /** What it says of the state. @param {URLSearchParams} q */
  function linkedState(q) {
    /** @param {string} name */
    const get = name => q.get(name) ?? '';
    /** @type {Partial<State>} */
    const said = {};
    const weights = get('w').split(',').map(Number);
    if (weights.length === 3 && weights.every(w => Number.isFinite(w) && w >= 0)) said.weights = weights;
    if (presets.all()[get('preset')]) said.preset = get('preset');
    const view = VIEWS.find(one => one === get('view'));
    if (view) said.view = view;
    if (config.enhancers[get('enhancer')]) said.enhancer = get('enhancer');
    const compare = get('compare');
    const others = ['naive', acts.PUBLISHED];
    if (others.includes(compare) || config.enhancers[compare] || models.compared(compare)) {
      said.compare = compare;
      said.swipe = get('swipe') !== '0';
    }
    if (get('model')) said.model = get('model');
    if (/^[0-8]$/.test(get('t'))) said.step = Number(get('t'));
    if (/^\d{1,2}$/.test(get('fill'))) said.fill = Math.min(Number(get('fill')), config.mostFilled);
    if (/^\d{1,2}$/.test(get('peak'))) said.peak = Number(get('peak'));
    for (const name of SHARES) if (q.has(name) && +get(name) >= 0 && +get(name) <= 1) said[name] = +get(name);
    return said;
  }
  function read() {
    const q = new URLSearchParams(location.hash.slice(1));
    const settings = Object.fromEntries(
      Object.entries(config.settings).map(([name, usual]) => {
        if (!q.has(name)) return [name, usual];
        return [name, typeof usual === 'string' ? q.get(name) : Number(q.get(name))];
      }),
    );
    const classes = q.get('classes')?.split(',').filter(Boolean) ?? null;
    return {state: linkedState(q), settings, classes, id: q.get('id'), photo: q.get('photo'), edits: q.get('edits')};
  }
  function write() {
    if (!state.token) return;
    const q = new URLSearchParams();
    const example = data.photo?.example;
    if (example) q.set('photo', example);
    if (!data.pristine) q.set('id', state.token);
    q.set('peak', String(state.peak));
    q.set('view', state.view);
    q.set('t', String(state.step));
    q.set('w', state.weights.join(','));
    const {presets: published, settings} = config;
    const preset = published[state.preset]
      ? state.preset
      : Object.keys(published).find(name => published[name].reading === data.reading);
    if (preset !== 'paper') q.set('preset', String(preset));
    if (state.fill) q.set('fill', String(state.fill));
    q.set('enhancer', state.enhancer);
    if (data.model !== config.model.name) q.set('model', data.model);
    if (state.swipe) q.set('compare', state.compare);
    for (const name of SHARES) if (state[name] !== START[name]) q.set(name, String(Number(state[name].toFixed(3))));
    // The analysis itself knows how it was made; this is for when it is no longer kept.
    for (const [name, usual] of Object.entries(settings)) {
      const value = data.settings[name];
      if (value !== usual) q.set(name, String(typeof usual === 'string' ? value : Number(value)));
    }
    if (data.named && example) q.set('classes', data.named.join());
    const edits = example && data.edits.length ? `${data.partition}${JSON.stringify(data.edits)}` : '';
    if (edits && edits.length <= MOST) q.set('edits', edits);
    // Each analysis is an entry in the browser's history; what moves within it changes that entry.
    const address = `#${q.toString().replaceAll('%2C', ',')}`;
    if (at && at !== state.token) history.pushState(history.state, '', address);
    else history.replaceState(history.state, '', address);
    at = state.token;
  }
  /**
   * Look at what the address names: once the page stands, and when the visitor goes back or forward.
   * @param {boolean} again
   */
  function open(again = false) {
    const {state: said, settings, classes, id, photo, edits} = read();
    at = null;
    Object.assign(state, START, said, {linked: again || Object.keys(said).length > 0});
    const asked = {id, example: photo, linked: settings, classes, edits, peak: said.peak ?? -1};
    wire.look('open', asked, again ? 'Looking' : 'Looking at a first photo');
  }
  addEventListener('popstate', () => {
    if (/[#&](id|photo)=/.test(location.hash)) open(true);
  });
  return {read, write, open};
})();
