// What the page knows: where the visitor stands (state), what Python sent (data), and what follows from both (now).
// Every change goes through `change`; whoever draws, listens. Only here does the page talk to Python.
(() => {
const W = globalThis.wsis, M = W.match, C = W.config;
const paper = C.presets.paper;
const S = W.state = {
  token: null, other: null, peak: 0, step: C.step, preset: 'paper', weights: [...paper.weights], enhancer: C.enhancer,
  view: 'response', compare: 'naive', swipe: true, split: .5, opacity: .75, preview: null, tab: 'instances', axes: [0, 2],
};
const D = W.data = {photo: null, peaks: [], classes: [], on: [], steps: 0, match: null, other: null, parts: new Map(), empty: null, busy: 'Looking at a first photo', place: null, asked: null, retry: null};
const listeners = [];
W.listen = draw => listeners.push(draw);
W.listen.first = draw => listeners.unshift(draw);  // the stage, before the panels around it

// --- numbers from Python --------------------------------------------------------------------------------------------
const TYPES = {u1: Uint8Array, u2: Uint16Array, i4: Int32Array, f4: Float32Array};
async function unpack({t, z}) {
  const bytes = Uint8Array.from(atob(z), c => c.charCodeAt(0));
  const plain = new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate')));
  return new TYPES[t](await plain.arrayBuffer());
}
async function field(packed) {
  if (!packed) return null;
  const names = Object.keys(packed), arrays = await Promise.all(names.map(name => unpack(packed[name])));
  const made = Object.fromEntries(names.map((name, i) => [name, arrays[i]]));
  made.bytes = made.bits.length / made.ids.length;
  return made;
}
W.field = field;
async function picture(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}
function pixels(image) {
  const {naturalWidth: w, naturalHeight: h} = image, g = new OffscreenCanvas(w, h).getContext('2d', {willReadFrequently: true});
  g.drawImage(image, 0, 0);
  return {w, h, rgba: g.getImageData(0, 0, w, h).data};
}
W.numbers = async url => {  // a grey PNG back to its numbers
  const {w, h, rgba} = pixels(await picture(url)), v = new Uint8Array(w * h);
  for (let i = 0; i < v.length; i++) v[i] = rgba[4 * i];
  return {w, h, v};
};
async function partition(packed) {  // region of each pixel, its area and its box
  const [{w, h, rgba}, areas] = await Promise.all([picture(packed.labels).then(pixels), unpack(packed.areas)]);
  const labels = new Uint16Array(w * h), boxes = new Int32Array(4 * areas.length), counted = new Int32Array(areas.length);
  for (let r = 0; r < areas.length; r++) boxes.set([w, h, -1, -1], 4 * r);
  for (let i = 0, y = 0; y < h; y++) for (let x = 0; x < w; x++, i++) {
    const r = labels[i] = rgba[4 * i] | rgba[4 * i + 1] << 8, b = 4 * r;
    counted[r]++;
    if (x < boxes[b]) boxes[b] = x;
    if (y < boxes[b + 1]) boxes[b + 1] = y;
    if (x > boxes[b + 2]) boxes[b + 2] = x;
    if (y > boxes[b + 3]) boxes[b + 3] = y;
  }
  // Some browsers falsify what a page reads from a picture, against fingerprinting: better said than shown wrong.
  if (areas.some((area, r) => area !== counted[r])) W.notice('This browser changes what pages read from pictures. Allow it for this page, or masks will look wrong.');
  return {w, h, labels, areas, boxes};
}

// --- what follows ---------------------------------------------------------------------------------------------------
// A side of the stage: the main analysis at the chosen step, or what it is compared with.
function side(data, step, part) {
  if (!data?.match) return {data, step: 0, part, found: [], best: []};
  const t = Math.min(step, data.steps), peaks = D.peaks;
  const found = M.instances(data.match, peaks, t, S.weights, D.areas);
  return {data, step: t, part, found, get best() { return peaks.map((_, k) => data.match.slots[M.best(data.match, t * peaks.length + k, S.weights)]); }};
}
function follow() {
  const part = D.parts.get(S.peak) || null, now = W.now = {part};
  now.right = side(D, S.step, part);
  const naive = S.compare === 'naive';
  now.left = naive ? side(D, 0, part) : D.other?.enhancer === S.compare ? side(D.other, S.step, part?.other) : null;
  now.byPeak = new Map(now.right.found.map((one, i) => [one.peak, {...one, place: i}]));
  now.top = part?.runners ? M.rank(part.runners, now.right.step, S.weights, C.top) : [];
}
W.change = (changes = {}, why = 'state') => {
  Object.assign(S, changes);
  if (!D.busy) D.place = null;
  follow();
  for (const draw of listeners) draw(why);
};

// --- to Python ------------------------------------------------------------------------------------------------------
let wire = null;
const snapshot = () => ({
  token: S.token || D.replaced || null, other: S.other, peak: S.peak, step: S.step, preset: C.presets[S.preset] ? S.preset : 'paper', weights: S.weights,
  enhancer: S.enhancer, compare: S.compare, tab: S.tab, axes: S.axes, dark: document.body.classList.contains('dark'), reading: W.presets.of(S.preset).reading,
});
W.look = (act, data = {}, busy = '') => {
  const ticket = crypto.getRandomValues(new Uint32Array(4)).join('-');
  if (D.retry) D.notice = '';
  Object.assign(D, {busy: busy || 'Looking', place: null, retry: null, asked: {act, data, busy, ticket}});
  W.change({}, 'busy');
  wire('edit', {act, ...data, ticket, now: snapshot()});
  clearTimeout(standing);
  standing = setTimeout(stand, 500, ticket);
};
W.again = () => { const {act, data, busy} = D.retry; D.empty = null; W.look(act, data, busy); };
// Where in the queue what was asked last stands; asked about now and then for as long as it takes.
let standing = 0;
async function stand(ticket) {
  if (!D.busy || D.asked?.ticket !== ticket) return;
  try {
    const told = await (await fetch('place?ticket=' + ticket)).json();
    if (!D.busy || D.asked.ticket !== ticket) return;
    D.place = told.place ? told : null;
  } catch { D.place = null; }
  for (const draw of listeners) draw('place');
  standing = setTimeout(stand, 1000, ticket);
}
W.ask = (act, data = {}) => wire('select', {act, ...data, now: snapshot()});
W.download = (kind, data = {}) => wire('download', {kind, ...data, now: snapshot()});
let settling = 0;
W.settle = () => {  // the visitor let go: the address, the spoken summary, the tables that Python makes
  clearTimeout(settling);
  settling = setTimeout(() => {
    W.link.write();
    if (!S.token || D.busy) return;
    W.change({}, 'settled');
    wire('release', {now: snapshot()});
  }, 120);
};
W.failed = () => { D.busy = ''; D.retry = D.asked; W.notice('The server could not do that. Try again, or reload the page.'); W.change({}, 'busy'); };
W.notice = text => { D.notice = text; if (!text) D.retry = null; W.change({}, 'notice'); };

// --- from Python ----------------------------------------------------------------------------------------------------
let chain = Promise.resolve();
W.receive = message => {
  if (message && typeof message === 'object') chain = chain.then(() => take(message)).catch(error => { console.error(error); W.failed(); });
};
async function part(packed) {
  if (!packed) return null;
  return {...packed, runners: await field(packed.runners), other: packed.other || null};
}
async function take(message) {
  const {kind} = message;
  if (kind === 'notice' || kind === 'gone') {
    D.busy = '';
    D.retry = null;
    if (kind === 'gone' && !D.photo) D.empty = message.empty;
    D.gone = kind === 'gone' ? S.token || W.link.read().id : null;
    D.notice = message.text;
    return W.change({}, kind);
  }
  if (kind === 'busy') {  // not taken on: the screen stays as it is, and the same can be asked again
    D.busy = '';
    D.retry = message.ticket && message.ticket === D.asked?.ticket ? D.asked : null;
    if (D.photo) D.notice = message.text;
    else D.empty = {title: 'Not yet', text: message.text, offer: 'Try again'};
    return W.change({}, 'notice');
  }
  if (kind === 'idle') {
    Object.assign(D, {busy: '', empty: message.empty});
    return W.change({}, 'empty');
  }
  if (kind === 'glance') {
    Object.assign(D, {photo: await photo(message), peaks: message.peaks, match: null, other: null, steps: 0, parts: new Map(), empty: null, notice: '', busy: message.busy, gone: null});
    if (message.classmap) D.parts.set(message.picked, {...message, peak: message.picked, maps: [], binary: [], thresholds: []});
    D.replaced = S.token || D.replaced;
    W.change({peak: message.picked ?? 0, preview: null, token: null}, 'photo');
    stageFirst();
    return W.look('finish', message.finish, message.busy);
  }
  if (kind === 'analysis') {
    const [match, first, second, shown] = await Promise.all([field(message.match), part(message.part), other(message.other), message.photo ? photo(message.photo) : null]);
    if (shown) { D.photo = shown; stageFirst(); }
    D.replaced = null;
    if (shown) D.areas = D.photo.partition.areas;
    const {classes, on, enhancer, reading, steps, peaks, seconds, empty, pristine, least} = message;
    Object.assign(D, {classes, on, enhancer, reading, steps, peaks, seconds, empty, pristine, least, match, other: second, busy: '', notice: message.text || '', gone: null});
    if (message.expired && await W.photo.held(message.expired)) D.gone = message.expired;
    D.parts = new Map(first ? [[first.peak, first]] : []);
    const step = shown || enhancer !== S.enhancer ? (S.linked ? S.step : C.step) : S.step;
    W.change({token: message.token, other: message.otherToken || null, peak: first?.peak ?? 0, preview: null, enhancer, step, linked: false, compare: S.compare === enhancer ? 'naive' : S.compare}, shown ? 'photo' : 'analysis');
    return W.settle();
  }
  if (kind === 'peak') {
    D.parts.set(message.peak, await part(message));
    return W.change({}, 'part');
  }
  if (kind === 'other') {
    D.other = await other(message.other);
    D.busy = '';
    if (D.parts.get(message.peak)) D.parts.get(message.peak).other = message.part;
    for (const [k, kept] of D.parts) if (k !== message.peak) D.parts.delete(k);
    W.change({other: message.otherToken, compare: D.other ? D.other.enhancer : S.compare}, 'analysis');
    return W.link.write();
  }
  if (kind === 'settled') {  // Python ranked with the same weights: it has the last word
    const mine = JSON.stringify(W.now.right.found.map(one => [one.peak, one.id]));
    if (message.token === S.token && JSON.stringify(message.weights) === JSON.stringify(S.weights) && message.step === W.now.right.step && JSON.stringify(message.found) !== mine) console.error('Browser and Python picked differently', mine, message.found);
  }
}
let serial = 0;
const other = async packed => packed ? {...packed, match: await field(packed.match)} : null;
async function photo(packed) {
  const [image, regions] = await Promise.all([picture(packed.src), packed.labels ? partition(packed) : null]);
  return {...packed, image, partition: regions, serial: ++serial};
}

// --- what a visitor does --------------------------------------------------------------------------------------------
W.pick = k => {
  if (!D.peaks[k] || (k === S.peak && D.parts.has(k))) return;
  W.change({peak: k, preview: null}, 'peak');
  if (!D.parts.has(k) && S.token) W.ask('pick', {peak: k});
  W.settle();
};
W.setWeights = (weights, done = true) => { W.change({weights: weights.map(Number), preview: null}, 'weights'); if (done) W.settle(); };
W.setStep = step => { W.change({step, preview: null}, 'step'); W.settle(); };
W.setEnhancer = name => { if (name !== S.enhancer) W.look('enhancer', {name}, 'Growing the maps'); };
W.setCompare = name => {
  if (name === 'off' || name === 'naive' || D.other?.enhancer === name) return W.change({compare: name === 'off' ? S.compare : name, swipe: name !== 'off'}, 'view'), W.link.write();
  W.change({swipe: true});
  W.look('compare', {name}, 'Growing the maps of the other side');
};
W.setPreset = name => {
  const preset = W.presets.of(name);
  if (!preset) return;
  W.change({preset: name, weights: [...preset.weights], preview: null}, 'weights');
  if (S.token && preset.reading !== D.reading) W.look('reading', {}, 'Measuring the proposals anew'); else W.settle();
};

// --- presets: the published ones, and the visitor's own, which stay in this browser ----------------------------------
const KEY = 'wsis.presets';
const own = () => { try { return JSON.parse(localStorage.getItem(KEY)) || {}; } catch { return {}; } };
W.presets = {
  all: () => ({...C.presets, ...own()}),
  of: name => W.presets.all()[name] || C.presets.paper,
  own,
  save(name, {reading, weights}) {
    name = String(name).trim().slice(0, 40);
    if (!name || C.presets[name] || !weights.every(w => w >= 0)) return false;
    const {meaning, ranges, formula} = Object.values(C.presets).find(p => p.reading === reading);
    try { localStorage.setItem(KEY, JSON.stringify({...own(), [name]: {reading, weights, title: name, note: 'Saved in this browser.', formula, meaning, ranges}})); } catch { return false; }
    W.change({preset: name, weights: [...weights]}, 'weights');
    W.settle();
    return true;
  },
  remove(name) {
    const kept = own();
    delete kept[name];
    localStorage.setItem(KEY, JSON.stringify(kept));
    W.setPreset('paper');
  },
};

// --- the address: a reload and a colleague find the same screen -------------------------------------------------------
W.link = {
  read() {
    const q = new URLSearchParams(location.hash.slice(1)), found = {};
    const weights = (q.get('w') || '').split(',').map(Number);
    if (weights.length === 3 && weights.every(w => Number.isFinite(w) && w >= 0)) found.weights = weights;
    if (W.presets.all()[q.get('preset')]) found.preset = q.get('preset');
    if (['classmap', 'response', 'match', 'instances', 'semantic'].includes(q.get('view'))) found.view = q.get('view');
    if (C.enhancers[q.get('enhancer')]) found.enhancer = q.get('enhancer');
    if (q.get('compare') === 'naive' || C.enhancers[q.get('compare')]) found.compare = q.get('compare');
    if (/^[0-8]$/.test(q.get('t') || '')) found.step = +q.get('t');
    if (/^\d{1,2}$/.test(q.get('peak') || '')) found.peak = +q.get('peak');
    if (q.get('swipe') === '0') found.swipe = false;
    return {state: found, id: q.get('id'), photo: q.get('photo')};
  },
  write() {
    if (!S.token) return;
    const q = new URLSearchParams(), example = D.photo?.example;
    if (example) q.set('photo', example);
    if (!D.pristine) q.set('id', S.token);
    q.set('peak', S.peak); q.set('view', S.view); q.set('t', S.step); q.set('w', S.weights.join(','));
    const preset = C.presets[S.preset] ? S.preset : Object.keys(C.presets).find(name => C.presets[name].reading === D.reading);
    if (preset !== 'paper') q.set('preset', preset);
    q.set('enhancer', S.enhancer);
    if (S.compare !== 'naive') q.set('compare', S.compare);
    if (!S.swipe) q.set('swipe', '0');
    history.replaceState(history.state, '', '#' + q.toString().replaceAll('%2C', ','));
  },
};
W.open = () => {  // once the page stands
  const {state, id, photo: example} = W.link.read();
  const linked = Object.keys(state).length > 0;
  Object.assign(S, state, {linked});
  if (linked && state.compare && state.compare !== 'naive') S.compare = state.compare;
  W.look('open', {id, example, peak: state.peak ?? -1}, 'Looking at a first photo');
};
// A new photo is to be seen, also where a tab has taken the stage's place.
function stageFirst() { if (['tune', 'results', 'method'].includes(S.tab)) document.querySelector('#tab-instances-button')?.click(); }
W.openTab = name => {
  document.querySelector('#centre').dataset.tab = name;
  W.change({tab: name}, 'tab');
  W.settle();
};
W.mount = trigger => { wire = trigger; };
follow();
})();
