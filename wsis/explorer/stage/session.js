// What the page knows: where the visitor stands (state), what Python sent (data), and what follows from both (now).
// Every change goes through `change`; whoever draws, listens. Only here does the page talk to Python.
(() => {
const W = globalThis.wsis, M = W.match, C = W.config;
const paper = C.presets.paper;
// What a link says, and what holds where it says nothing.
const START = {peak: 0, step: C.step, preset: 'paper', weights: paper.weights, enhancer: C.enhancer, view: 'response', compare: 'naive', swipe: true, split: .5, opacity: .75};
const S = W.state = {token: null, other: null, ...START, weights: [...paper.weights], preview: null, tab: 'instances', axes: [0, 2]};
const EMPTY = {photo: null, peaks: [], classes: [], on: [], named: null, steps: 0, match: null, other: null, parts: new Map(), areas: null, empty: null, seconds: null, pristine: false};
const D = W.data = {...EMPTY, busy: 'Looking at a first photo', looking: false, place: null, asked: null, retry: null, drawn: ''};
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
// One look at a time, and the next with what the one before has made: of two at once Gradio would send the first again in
// the place of the second. Of equal ones the last is enough, and a new photo makes what waits pointless.
const ticket = () => crypto.getRandomValues(new Uint32Array(4)).join('-');
const isNew = act => ['open', 'example', 'upload'].includes(act);
let flying = null, waiting = [], chain = null;  // chain: the request that the new photo hangs on, until it is seen through
W.look = (act, data = {}, busy = '', undo = null) => {
  const asked = {act, data, busy, undo, ticket: ticket(), key: act === 'class' ? act + data.name : act};
  if (isNew(act)) { D.looking = true; waiting = []; }
  if (isNew(act) || act === 'finish') chain = asked.ticket;
  if (D.retry) D.notice = '';
  Object.assign(D, {busy: busy || 'Looking', place: null, retry: null});
  W.change({}, 'busy');
  waiting = [...waiting.filter(one => one.key !== asked.key), asked];
  next();
};
function next() {
  if (flying || !waiting.length) return;
  flying = D.asked = waiting.shift();
  const {act, data, busy, ticket} = flying;
  if (!D.busy) { D.busy = busy || 'Looking'; W.change({}, 'busy'); }
  wire('edit', {act, ...data, ticket, now: snapshot()});
  clearTimeout(standing);
  standing = setTimeout(stand, 500, ticket);
}
W.again = () => { const {act, data, busy, undo} = D.retry; D.empty = null; W.look(act, data, busy, undo); };
// A new photo is under way: at first what is on the screen fades, then the new picture has the stage to itself. Where it
// fails, the screen before comes back whole.
let held = null;
W.looking = busy => {
  chain = 'upload';
  Object.assign(D, {looking: true, busy, notice: '', retry: null});
  W.change({}, 'busy');
};
W.begin = (shown, more = {}, peak = 0) => {
  held ||= {data: Object.fromEntries(Object.keys(EMPTY).map(key => [key, D[key]])), state: {token: S.token, peak: S.peak}};
  Object.assign(D, EMPTY, {parts: new Map(), photo: shown, looking: true, notice: '', gone: null, replaced: S.token || D.replaced}, more);
  W.change({peak, preview: null, token: null}, 'photo');
  stageFirst();
};
W.back = () => {  // to the screen before
  Object.assign(D, {busy: '', looking: false});
  chain = null;
  if (!held) return;
  const {data, state} = held;
  held = null;
  Object.assign(D, data, {replaced: null});
  W.change({...state, preview: null}, 'back');
};
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
W.failed = () => { waiting = []; flying = null; revert(D.asked); W.back(); D.retry = D.asked; W.notice('The server could not do that. Try again, or reload the page.'); W.change({}, 'busy'); };
W.notice = text => { D.notice = text; if (!text) D.retry = null; W.change({}, 'notice'); };

const revert = asked => { if (asked?.undo) Object.assign(S, asked.undo); };

// --- from Python ----------------------------------------------------------------------------------------------------
let order = Promise.resolve();
W.receive = message => {
  if (message && typeof message === 'object') order = order.then(() => take(message)).catch(error => { console.error(error); W.failed(); }).then(next);
};
async function part(packed) {
  if (!packed) return null;
  return {...packed, runners: await field(packed.runners), other: packed.other || null};
}
async function take(message) {
  const {kind} = message, asked = message.ticket && message.ticket === flying?.ticket ? flying : null;
  if (asked) flying = null;
  if (chain && message.ticket && message.ticket !== chain) {  // of the screen before
    if (kind === 'analysis') D.replaced = message.token;
    return revert(kind === 'analysis' ? null : asked);
  }
  if (kind === 'stale') return;
  if (kind === 'notice' || kind === 'gone') {
    revert(asked);
    if (asked) W.back();
    D.retry = null;
    if (kind === 'gone' && !D.photo) D.empty = message.empty;
    D.gone = kind === 'gone' ? S.token || W.link.read().id : null;
    D.notice = message.text;
    return W.change({}, kind);
  }
  if (kind === 'busy') {  // not taken on: the screen stays as it is, and the same can be asked again
    if (asked) { W.back(); waiting = []; }
    D.retry = message.ticket && message.ticket === D.asked?.ticket ? D.asked : null;
    if (D.photo) D.notice = message.text;
    else D.empty = {title: 'Not yet', text: message.text, offer: 'Try again'};
    return W.change({}, 'notice');
  }
  if (kind === 'idle') {
    W.back();
    D.empty = message.empty;
    return W.change({}, 'empty');
  }
  if (kind === 'glance') {
    if (waiting.some(one => isNew(one.act))) return;  // another photo was chosen meanwhile
    const {finish, busy, picked, peaks} = message, parts = new Map();
    if (message.classmap) parts.set(picked, {...message, peak: picked, maps: [], binary: [], thresholds: []});
    W.begin(await photo(message), {peaks, parts}, picked ?? 0);
    waiting.unshift({act: 'finish', data: finish, busy, ticket: chain = ticket(), told: {text: message.text, expired: message.expired}});
    D.busy = busy;
    return W.change({}, 'busy');
  }
  if (kind === 'analysis') {
    const [match, first, second, shown] = await Promise.all([field(message.match), part(message.part), other(message.other), message.photo ? photo(message.photo) : null]);
    if (shown) { D.photo = shown; D.areas = shown.partition.areas; stageFirst(); }
    chain = held = D.replaced = null;
    const text = message.text || asked?.told?.text, expired = message.expired || asked?.told?.expired;
    const {classes, on, named, settings, enhancer, reading, steps, peaks, seconds, empty, pristine, least} = message;
    Object.assign(D, {classes, on, named, settings, enhancer, reading, steps, peaks, seconds, empty, pristine, least, match, other: second, busy: '', looking: false, notice: text || '', gone: null});
    if (expired && await W.photo.held(expired)) D.gone = expired;
    D.parts = new Map(first ? [[first.peak, first]] : []);
    const step = shown || enhancer !== S.enhancer ? (S.linked ? S.step : C.step) : S.step;
    W.change({token: message.token, other: message.otherToken || null, peak: first?.peak ?? 0, preview: null, enhancer, step, linked: false, compare: S.compare === enhancer ? 'naive' : S.compare}, shown ? 'photo' : 'analysis');
    W.link.write();
    if (W.presets.of(S.preset).reading !== reading && !waiting.length) W.setPreset(S.preset, S.weights);  // chosen while it was looked at
    return W.settle();
  }
  if (kind === 'peak') {
    if (message.token !== S.token) return;
    D.parts.set(message.peak, await part(message));
    return W.change({}, 'part');
  }
  if (kind === 'other') {
    D.busy = '';
    if (message.token !== S.token) return W.change({}, 'busy');
    D.other = await other(message.other);
    if (D.parts.get(message.peak)) D.parts.get(message.peak).other = message.part;
    for (const [k, kept] of D.parts) if (k !== message.peak) D.parts.delete(k);
    W.change({other: message.otherToken, compare: D.other ? D.other.enhancer : S.compare}, 'analysis');
    return W.link.write();
  }
  if (kind === 'settled') {  // Python ranked with the same weights: it has the last word
    D.drawn = message.token + message.tab;
    if (S.token && !D.parts.has(S.peak) && D.match) W.ask('pick', {peak: S.peak});
    const mine = JSON.stringify(W.now.right.found.map(one => [one.peak, one.id]));
    if (message.token === S.token && JSON.stringify(message.weights) === JSON.stringify(S.weights) && message.step === W.now.right.step && JSON.stringify(message.found) !== mine) console.error('Browser and Python picked differently', mine, message.found);
    return W.change({}, 'drawn');
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
W.setEnhancer = name => { if (name !== S.enhancer || flying) W.look('enhancer', {name}, 'Growing the maps'); };
W.setCompare = name => {
  if (name === 'off' || name === 'naive' || D.other?.enhancer === name) return W.change({compare: name === 'off' ? S.compare : name, swipe: name !== 'off'}, 'view'), W.link.write();
  W.change({swipe: true});
  W.look('compare', {name}, 'Growing the maps of the other side');
};
W.setPreset = (name, weights = null) => {
  const preset = W.presets.of(name), undo = {preset: S.preset, weights: S.weights};
  W.change({preset: name, weights: [...weights || preset.weights], preview: null}, 'weights');
  if (S.token && preset.reading !== D.reading) W.look('reading', {}, 'Measuring the proposals anew', undo); else W.settle();
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
let at = null;  // the analysis of the entry in the browser's history where the visitor stands
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
    for (const name of ['split', 'opacity']) if (q.has(name) && q.get(name) >= 0 && q.get(name) <= 1) found[name] = +q.get(name);
    const settings = Object.fromEntries(Object.entries(C.settings).map(([name, usual]) => [name, !q.has(name) ? usual : typeof usual === 'string' ? q.get(name) : +q.get(name)]));
    return {state: found, settings, classes: q.has('classes') ? q.get('classes').split(',').filter(Boolean) : null, id: q.get('id'), photo: q.get('photo')};
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
    for (const name of ['split', 'opacity']) if (S[name] !== START[name]) q.set(name, +S[name].toFixed(3));
    // The analysis itself knows how it was made; this is for when it is no longer kept.
    for (const [name, usual] of Object.entries(C.settings)) if (D.settings[name] !== usual) q.set(name, typeof usual === 'string' ? D.settings[name] : +D.settings[name]);
    if (D.named && example) q.set('classes', D.named.join());
    // Each analysis is an entry in the browser's history; what moves within it changes that entry.
    history[at && at !== S.token ? 'pushState' : 'replaceState'](history.state, '', '#' + q.toString().replaceAll('%2C', ','));
    at = S.token;
  },
};
W.open = (again = false) => {  // once the page stands, and when the visitor goes back or forward
  const {state, settings, classes, id, photo} = W.link.read(), linked = again || Object.keys(state).length > 0;
  at = null;
  Object.assign(S, START, state, {linked});
  W.look('open', {id, example: photo, linked: settings, classes, peak: state.peak ?? -1}, again ? 'Looking' : 'Looking at a first photo');
};
addEventListener('popstate', () => { if (/[#&](id|photo)=/.test(location.hash)) W.open(true); });
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
