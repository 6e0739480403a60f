// The stage: one canvas, buttons over it for the peaks, and the filmstrip of the picked one.
globalThis.wsis.stage = (element, props, trigger, watch) => {
const W = globalThis.wsis, M = W.match, P = W.paint, S = W.state, D = W.data, {short, unit} = W.words;
const $ = s => element.querySelector(s), $$ = s => [...element.querySelectorAll(s)];
const box = $('.box'), canvas = $('canvas.main'), ghost = $('canvas.ghost');
const calm = matchMedia('(prefers-reduced-motion: reduce)');
const view = {zoom: 1, x: 0, y: 0};  // how often larger than the whole photo, and which point of it stands in the middle
let playing = 0, shownStep = null, width = 0, height = 0;  // the box's size, so that nothing asks for it while drawing

// --- pictures, decoded when first looked at ---------------------------------------------------------------------------
const decoded = new Map();
function numbers(url) {
  if (!url) return null;
  if (!decoded.has(url)) {
    decoded.set(url, null);
    W.numbers(url).then(done => { decoded.set(url, done); paint(); });
  }
  return decoded.get(url);
}
function forget() {  // what no part holds any more
  const used = new Set();
  for (const part of D.parts.values()) for (const one of [part, part.other]) if (one) for (const url of [one.classmap, ...one.maps, ...one.binary]) used.add(url);
  for (const url of [...decoded.keys()]) if (!used.has(url)) decoded.delete(url);
}

// --- drawing ----------------------------------------------------------------------------------------------------------
function place() {  // where the photo lies in the box, CSS pixels
  const [w, h] = D.photo?.size || [4, 3], k = Math.min(width / w, height / h) * view.zoom;
  const at = (share, size, room) => size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, room / 2 - share * size));
  return {x: at(view.x, w * k, width), y: at(view.y, h * k, height), w: w * k, h: h * k};
}
const stepOf = side => side === W.now.right ? shownStep ?? side.step : side.step;
const colourOf = k => D.peaks[k]?.colour || '#5b9dff';
const ofClass = one => colourOf(D.peaks.findIndex(p => p.category === D.peaks[one.peak].category));
const sure = side => side.found.filter(one => one.score >= D.least);  // what is painted into the semantic map
function overlay(what, side, t) {  // [canvas, opacity, smooth], bottom first
  const part = side?.part, out = [], full = Math.min(1, S.opacity / .75);
  if (what === 'classmap') { const m = numbers(part?.classmap); return m ? [[P.heat(m), S.opacity, false]] : []; }
  if (what === 'binary') { const m = numbers(part?.binary[t]); return m ? [[P.white(m), 1, false]] : []; }
  if (what === 'response') { const m = numbers(part?.maps[t]); if (m) out.push([P.heat(m), S.opacity, true]); }
  if (!side?.data?.match || !D.photo.partition) return out;
  if (what === 'instances') return side.found.length ? [[P.instances(side.found, side.data, one => colourOf(one.peak)), full, true]] : [];
  if (what === 'semantic') return [[P.instances(sure(side), side.data, ofClass), full, true]];
  if (what === 'match') { const v = numbers(part?.binary[t]); if (v) out.push([P.white(v), .38 * S.opacity, true]); }
  const own = colourOf(S.peak), now = W.now, chosen = side === now.right && S.preview !== null ? now.top[S.preview] : undefined;
  const alpha = what === 'response' ? 0 : 100;  // over a map only the outline of the winner
  if (chosen !== undefined) out.push([P.proposal(now.part.runners, now.part.runners.slots[chosen], own, what === 'response' ? 60 : 110), 1, true]);
  else if (side.best[S.peak] !== undefined && (what !== 'response' || side === now.right)) out.push([P.proposal(side.data.match, side.best[S.peak], own, alpha), 1, true]);
  return out;
}
function draw(g, what, side, t, from, to) {  // a part of the photo, in pixels of the partition, with its overlay
  const {image} = D.photo, [w, h] = frame(), [x, y, sw, sh] = from;
  const piece = (source, smooth) => {
    const kx = (source.naturalWidth || source.width) / w, ky = (source.naturalHeight || source.height) / h;
    g.imageSmoothingEnabled = smooth;
    g.imageSmoothingQuality = g.canvas === canvas ? 'low' : 'high';  // masks are flat: high would cost 4 ms and show nothing
    g.drawImage(source, x * kx, y * ky, sw * kx, sh * ky, ...to);
  };
  if (what === 'binary') { g.fillStyle = '#101216'; g.fillRect(...to); } else if (g.canvas === canvas) g.drawImage(backdrop(to), 0, 0, width, height); else piece(image, true);
  for (const [layer, alpha, smooth] of overlay(what, side, t)) { g.globalAlpha = alpha; piece(layer, smooth); g.globalAlpha = 1; }
}
let behind = null;
function backdrop(to) {  // the photo alone at the box's size: scaled well once, then copied
  const dpr = devicePixelRatio || 1, key = [D.photo.serial, width, height, dpr, ...to].join();
  if (behind?.key === key) return behind.canvas;
  const made = new OffscreenCanvas(Math.round(width * dpr), Math.round(height * dpr)), g = made.getContext('2d');
  g.setTransform(dpr, 0, 0, dpr, 0, 0);
  g.imageSmoothingQuality = 'high';
  g.drawImage(D.photo.image, ...to);
  behind = {key, canvas: made};
  return made;
}
const frame = () => D.photo.work || D.photo.size;
let asked = 0;
function paint() { asked ||= requestAnimationFrame(() => { asked = 0; render(); }); }
function fade() {  // the picture before goes out in 120 ms
  if (calm.matches || !canvas.width) return;
  ghost.width = canvas.width; ghost.height = canvas.height;
  ghost.getContext('2d').drawImage(canvas, 0, 0);
  ghost.animate([{opacity: 1}, {opacity: 0}], {duration: 120, easing: 'linear'});
}
const swiping = () => S.swipe && S.view !== 'classmap' && !!W.now.left && D.peaks.length && !(S.compare === 'naive' && stepOf(W.now.right) === 0);
function render() {
  const g = canvas.getContext('2d'), dpr = devicePixelRatio || 1;
  if (!width || !height) return;
  if (canvas.width !== Math.round(width * dpr) || canvas.height !== Math.round(height * dpr)) {
    canvas.width = Math.round(width * dpr); canvas.height = Math.round(height * dpr);
  }
  g.setTransform(dpr, 0, 0, dpr, 0, 0);
  g.clearRect(0, 0, width, height);
  if (!D.photo) return;
  const p = place(), whole = [0, 0, ...frame()], to = [p.x, p.y, p.w, p.h], now = W.now, t = stepOf(now.right), both = swiping();
  const what = D.match ? S.view : 'classmap', hidden = S.preview !== null && what !== 'match' && what !== 'response' ? 'proposal' : what;
  draw(g, hidden, now.right, t, whole, to);
  const at = p.x + p.w * S.split;
  if (both) {
    g.save();
    g.beginPath(); g.rect(0, 0, at, height); g.clip();
    draw(g, what, now.left, now.left.step, whole, to);
    g.restore();
  }
  $('.divider').hidden = !both;
  $('.divider').style.left = at + 'px';
  $('.divider button').setAttribute('aria-valuenow', Math.round(S.split * 100));
  captions(p, what, t, both);
  marks(p);
  film(t);
}
const told = (data, t) => t === 0 ? 'naive, t = 0' : data.enhancer === 'spread' ? 'spread' : `${W.config.enhancers[data.enhancer]?.short || ''}, t = ${t}`;
let below = 0;  // where the captions end, from the top of the box
function captions(p, what, t, both) {
  const names = {classmap: 'class map', match: 'V and its best proposal', instances: 'instances', semantic: 'semantic map'};
  // Beside a narrow photo there is room for both, on it there is not; half of the width each, so that they never meet.
  const narrow = both && p.w < 440, edge = narrow ? 0 : Math.max(0, p.x), most = both ? (width - 2 * edge) / 2 - 15 : width - 20;
  const label = (selector, text, left, right) => {
    const tag = $(selector), key = [text, left, right, p.y, most].join();
    if (tag.dataset.key === key) return;
    tag.dataset.key = key;
    tag.hidden = !text;
    tag.textContent = text || '';
    tag.style.left = left === null ? 'auto' : left + 'px';
    tag.style.right = right === null ? 'auto' : Math.max(10, right) + 'px';
    tag.style.top = Math.max(10, p.y + 10) + 'px';
    tag.style.maxWidth = most + 'px';
    below = Math.max(...['.tag.left', '.tag.right'].map($).map(one => one.offsetTop + one.offsetHeight));  // 0 where hidden
  };
  const right = what === 'classmap' || !D.match ? names.classmap : what === 'response' ? told(D, t) : `${names[what]}: ${told(D, t)}`;
  const preview = S.preview === null ? '' : `proposal ${S.preview + 1}`;
  label('.tag.left', both ? told(W.now.left.data, W.now.left.step) : '', edge + 10, null);
  label('.tag.right', D.peaks.length ? preview || right : '', null, edge + 10);
  const hot = (what === 'classmap' || what === 'response') && D.peaks.length > 0, scale = $('.scale'), ends = scale.querySelectorAll('span');
  scale.hidden = !hot;
  if (!hot) return;
  [ends[0].textContent, ends[1].textContent] = what === 'classmap' ? (W.now.part?.range || [0, 1]).map(n => n.toFixed(1)) : ['0', '1'];
  scale.style.right = Math.max(10, width - p.x - p.w + 10) + 'px';
  scale.style.bottom = Math.max(10, height - p.y - p.h + 10) + 'px';
}
function marks(p) {  // one button a peak, over the canvas so that the keyboard reaches it
  const home = $('.marks'), many = D.peaks.length > 5;
  while (home.children.length > D.peaks.length) home.lastChild.remove();
  D.peaks.forEach((peak, k) => {
    let b = home.children[k];
    if (!b) {
      b = document.createElement('button');
      b.type = 'button';
      b.innerHTML = '<span></span>';
      b.addEventListener('click', event => { event.stopPropagation(); W.pick(k); });
      home.append(b);
    }
    const x = p.x + peak.x * p.w, y = p.y + peak.y * p.h, one = W.now.byPeak.get(k), text = `${peak.name} ${one ? unit(one.score) : ''}`.trim();
    const side = y < below + 14 ? 'under' : y > Math.min(height, p.y + p.h) - 52 ? 'above' : '';
    const key = [x, y, side, below, width, peak.colour, k === S.peak, text, many, D.peaks.length].join();
    if (b.dataset.key === key) return;
    b.dataset.key = key;
    b.style.cssText = `left:${x}px;top:${y}px;--own:${peak.colour};--below:${below - y}px`;
    b.setAttribute('aria-pressed', k === S.peak);
    b.setAttribute('aria-label', `Peak ${k + 1} of ${D.peaks.length}: ${text}`);
    b.classList.toggle('quiet', many && k !== S.peak);
    b.classList.toggle('flip', x > width - 130);
    b.classList.toggle('under', side === 'under');
    b.classList.toggle('above', side === 'above');
    b.firstChild.textContent = text;
  });
}
function film(t) {  // class map, naive, t = 1..T, V, proposal, mask of the picked peak
  const home = $('.film'), {part, right} = W.now;
  if (!D.peaks.length || !part?.maps.length || !D.match) { if (!D.busy || !D.photo) home.replaceChildren(); return; }
  const one = W.now.byPeak.get(S.peak), slot = right.best[S.peak], id = D.match.ids[slot];
  const items = [['classmap', 0, 'class map', part.grid.join('×') + ' cells']];
  part.maps.forEach((_, i) => items.push(['response', i, i ? (D.enhancer === 'spread' ? 'spread' : `t = ${i}`) : 'naive', i ? '' : 't = 0']));
  items.push(['binary', t, 'V', `Otsu ${unit(part.thresholds[t])}`], ['proposal', t, 'proposal', `#1 of ${D.photo.total.toLocaleString('en')}`], ['instances', t, 'mask', `${D.peaks[S.peak].name} ${one ? unit(one.score) : ''}`.trim()]);
  while (home.children.length > items.length) home.lastChild.remove();
  const crop = P.square(D.match, slot, .25);
  items.forEach(([what, step, title, note], i) => {
    let b = home.children[i];
    if (!b) {
      b = document.createElement('button');
      b.type = 'button';
      b.innerHTML = '<canvas width="192" height="192"></canvas><b></b><small></small>';
      b.addEventListener('click', () => show(b.dataset.view, +b.dataset.step));
      home.append(b);
    }
    b.dataset.view = {binary: 'match', proposal: 'match'}[what] || what;
    b.dataset.step = step;
    b.setAttribute('aria-pressed', what === S.view && (what !== 'response' || step === t) || (what === 'proposal' && S.view === 'match'));
    b.children[1].textContent = title;
    b.children[2].textContent = note;
    const url = {classmap: part.classmap, response: part.maps[step], binary: part.binary[step]}[what], ready = url ? !!decoded.get(url) : true;
    const found = what === 'instances' ? right.found.map(f => f.peak + ':' + f.id).join() : what === 'response' || what === 'proposal' ? id : '';
    const key = [D.photo.serial, crop.join(), what, step, found, S.peak, what === 'proposal' ? '' : S.opacity, ready, url?.length].join('|');
    if (b.dataset.key === key) return;
    b.dataset.key = key;
    const preview = S.preview;
    S.preview = null;
    draw(b.firstChild.getContext('2d'), what, right, step, [crop[0], crop[1], crop[2], crop[2]], [0, 0, 192, 192]);
    S.preview = preview;
  });
}

// --- controls ---------------------------------------------------------------------------------------------------------
function buttons() {
  for (const b of $$('.views button')) b.setAttribute('aria-pressed', b.dataset.view === S.view);
  const home = $('.steps'), count = D.match ? D.steps + 1 : 0;
  home.hidden = count < 2;
  if (home.children.length !== count + 1) {
    home.replaceChildren(...Array.from({length: count + 1}, (_, i) => {
      const b = document.createElement('button');
      b.type = 'button';
      b.textContent = i === count ? '▶' : i ? i : 't 0';
      b.setAttribute('aria-label', i === count ? 'Play the steps' : `Step ${i}`);
      b.addEventListener('click', () => i === count ? play() : show(S.view === 'classmap' ? 'response' : S.view, i));
      return b;
    }));
  }
  const t = shownStep ?? W.now.right.step;
  [...home.children].forEach((b, i) => { if (i < count) b.setAttribute('aria-pressed', i === t); });
  const list = $('.compare select'), options = [['off', 'off'], ['naive', 'naive'], ...Object.entries(W.config.enhancers).filter(([name]) => name !== 'none' && name !== D.enhancer).map(([name, {short: text}]) => [name, text])];
  const wanted = options.map(o => o.join()).join(';');
  if (list.dataset.has !== wanted) {
    list.dataset.has = wanted;
    list.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  }
  list.value = S.swipe ? S.compare : 'off';
  if (!list.value) list.value = 'naive';
  $('.compare').style.visibility = S.view === 'classmap' ? 'hidden' : '';
  $('.opacity input').value = S.opacity * 100;
  $('.opacity b').textContent = Math.round(S.opacity * 100) + '%';
}
function stop() { clearInterval(playing); playing = 0; shownStep = null; }
function show(what, step) {
  stop(); fade();
  S.view = what;
  if (step !== undefined && what !== 'classmap' && step !== W.now.right.step) return W.setStep(step);
  W.change({preview: null}, 'view');
  W.settle();
}
function play() {  // t = 0..T before the eyes; what is matched stays
  stop(); fade();
  S.view = S.view === 'classmap' ? 'response' : S.view;
  const last = W.now.right.step || D.steps;
  shownStep = 0;
  buttons(); paint();
  playing = setInterval(() => {
    if (shownStep >= last) { stop(); buttons(); return paint(); }
    fade(); shownStep++; buttons(); paint();
  }, 700);
}
for (const b of $$('.views button')) b.addEventListener('click', () => show(b.dataset.view));
$('.compare select').addEventListener('change', event => W.setCompare(event.target.value));
$('.opacity input').addEventListener('input', event => { S.opacity = event.target.value / 100; buttons(); paint(); });
$('.opacity input').addEventListener('change', () => W.link.write());

// --- zoom and pan -------------------------------------------------------------------------------------------------------
function zoom(factor, x = width / 2, y = height / 2) {  // what lies at (x, y) stays there
  const p = place(), u = (x - p.x) / p.w, v = (y - p.y) / p.h, next = Math.min(8, Math.max(1, view.zoom * factor));
  view.zoom = next;
  const q = place();
  view.x = u + (width / 2 - x) / q.w;
  view.y = v + (height / 2 - y) / q.h;
  clamp();
}
function clamp() {
  const p = place();
  view.x = (width / 2 - p.x) / p.w;
  view.y = (height / 2 - p.y) / p.h;
  box.classList.toggle('zoomed', view.zoom > 1);
  paint();
}
function fit() { Object.assign(view, {zoom: 1, x: .5, y: .5}); clamp(); }
for (const b of $$('.zoom button')) b.addEventListener('click', event => { event.stopPropagation(); b.dataset.zoom === 'fit' ? fit() : zoom(b.dataset.zoom === 'in' ? 1.5 : 1 / 1.5); });
box.addEventListener('wheel', event => {
  const page = document.documentElement.scrollHeight > innerHeight + 1;
  if (!D.photo || (page && !event.ctrlKey && view.zoom === 1)) return;  // a page that scrolls goes on scrolling
  event.preventDefault();
  const r = box.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * (event.ctrlKey ? .01 : .0015)), event.clientX - r.left, event.clientY - r.top);
}, {passive: false});
const fingers = new Map();
let moved = 0, apart = 0;
const control = event => event.target.closest('button, input, select');
box.addEventListener('pointerdown', event => {
  if (control(event) || !D.photo) return;
  fingers.set(event.pointerId, [event.clientX, event.clientY]);
  moved = 0;
  if (fingers.size === 2) apart = spread();
});
const spread = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
box.addEventListener('pointermove', event => {
  const last = fingers.get(event.pointerId);
  if (!last) return;
  const dx = event.clientX - last[0], dy = event.clientY - last[1];
  fingers.set(event.pointerId, [event.clientX, event.clientY]);
  moved += Math.abs(dx) + Math.abs(dy);
  if (fingers.size === 2) {
    const r = box.getBoundingClientRect(), [a, b] = [...fingers.values()], now = spread();
    if (apart) zoom(now / apart, (a[0] + b[0]) / 2 - r.left, (a[1] + b[1]) / 2 - r.top);
    apart = now;
  } else if (view.zoom > 1 && moved > 4) {
    if (!box.hasPointerCapture(event.pointerId)) box.setPointerCapture(event.pointerId);
    const p = place();
    view.x -= dx / p.w; view.y -= dy / p.h;
    clamp();
  }
});
for (const end of ['pointerup', 'pointercancel', 'pointerleave']) box.addEventListener(end, event => fingers.delete(event.pointerId));

// --- peaks and values -----------------------------------------------------------------------------------------------
const spot = event => { const r = box.getBoundingClientRect(); return [event.clientX - r.left, event.clientY - r.top]; };
box.addEventListener('click', event => {  // a click beside the buttons picks the nearest peak
  if (control(event) || !D.peaks.length || moved > 4) return;
  const p = place(), [x, y] = spot(event), far = D.peaks.map(k => Math.hypot(p.x + k.x * p.w - x, p.y + k.y * p.h - y));
  W.pick(far.indexOf(Math.min(...far)));
});
box.addEventListener('keydown', event => {
  if (event.target.closest('.divider')) return;
  const n = D.peaks.length, by = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
  const scale = {'+': 1.5, '=': 1.5, '-': 1 / 1.5}[event.key];
  if (event.ctrlKey || event.metaKey || !(by && n || scale || event.key === '0')) return;
  event.preventDefault();
  if (by) W.pick((S.peak + by + n) % n); else if (scale) zoom(scale); else fit();
});
box.addEventListener('pointermove', event => {
  const tag = $('.tag.read');
  if (!D.photo || !D.peaks.length || !D.match) { tag.hidden = true; return; }
  const p = place(), [x, y] = spot(event), u = (x - p.x) / p.w, v = (y - p.y) / p.h, now = W.now;
  const onLeft = swiping() && u < S.split, side = onLeft ? now.left : now.right, t = onLeft ? now.left.step : stepOf(now.right);
  const raw = S.view === 'classmap', m = numbers(raw ? now.part?.classmap : side.part?.maps[t]);
  tag.hidden = !(u >= 0 && u < 1 && v >= 0 && v < 1 && m);
  if (tag.hidden) return;
  const value = m.v[Math.floor(v * m.h) * m.w + Math.floor(u * m.w)] / 255, [low, high] = now.part.range;
  const parts = [`x ${Math.floor(u * D.photo.size[0])} · y ${Math.floor(v * D.photo.size[1])}`, raw ? `logit ${(low + value * (high - low)).toFixed(1)}` : `response ${unit(value)}`];
  if (S.view === 'instances' || S.view === 'semantic') {
    const {w, h, labels} = D.photo.partition, region = labels[Math.floor(v * h) * w + Math.floor(u * w)], on = (S.view === 'semantic' ? sure(side) : side.found).find(one => M.inside(side.data.match, one.slot, region));
    parts[1] = on ? `${D.peaks[on.peak].name} ${unit(on.score)}` : 'background';
  }
  tag.textContent = parts.join(' · ');
  tag.style.left = Math.max(10, p.x + 10) + 'px';
  tag.style.bottom = Math.max(10, height - p.y - p.h + 10) + 'px';
});
box.addEventListener('pointerleave', () => { $('.tag.read').hidden = true; });

// --- the swipe ----------------------------------------------------------------------------------------------------------
const handle = $('.divider button');
handle.addEventListener('pointerdown', event => { handle.setPointerCapture(event.pointerId); event.preventDefault(); handle.focus(); });
handle.addEventListener('pointermove', event => {
  if (!handle.hasPointerCapture(event.pointerId)) return;
  const p = place();
  S.split = Math.min(1, Math.max(0, (spot(event)[0] - p.x) / p.w));
  paint();
});
handle.addEventListener('lostpointercapture', () => W.link.write());
handle.addEventListener('keydown', event => {
  const by = {ArrowRight: .02, ArrowLeft: -.02, Home: -1, End: 1}[event.key];
  if (!by) return;
  event.preventDefault();
  S.split = Math.min(1, Math.max(0, S.split + by));
  paint();
  W.link.write();
});

// --- words over the photo -------------------------------------------------------------------------------------------------
$('.message button').addEventListener('click', () => D.retry ? W.again() : D.empty.name ? W.look('class', {name: D.empty.name, on: true}, 'Looking for ' + D.empty.name) : W.photo?.choose());
$('.notice .close').addEventListener('click', () => W.notice(''));
$('.notice .again').addEventListener('click', () => D.retry ? W.again() : W.photo.again(D.gone));
function words() {
  const message = $('.message'), {empty} = D;
  message.hidden = !empty || (!!D.busy && !D.photo);
  if (empty) {
    message.querySelector('h3').textContent = empty.title;
    message.querySelector('p').textContent = empty.text;
    message.querySelector('button').textContent = empty.offer || '';
    message.querySelector('button').hidden = !empty.offer;
  }
  $('.waiting').hidden = !D.busy;
  $('.waiting').classList.toggle('over', !!D.photo);
  $('.waiting p').textContent = D.place ? `The server is busy: ${W.words.place(D.place)}` : (D.busy || '') + ' …';
  $('.notice').hidden = !D.notice;
  $('.notice span').textContent = D.notice || '';
  $('.notice .again').hidden = !D.gone && !D.retry;
  $('.notice .again').textContent = D.retry ? 'Try again' : 'Analyse again';
  element.classList.toggle('none', !D.peaks.length);
  element.setAttribute('aria-busy', !!D.busy);
}

W.mount((event, data) => trigger(event, data));
W.listen.first(why => {
  if (why === 'place') return words();
  if (why === 'back') why = 'photo';
  if (['photo', 'analysis', 'empty', 'gone', 'notice', 'busy'].includes(why)) words();
  if (['photo', 'analysis', 'part'].includes(why)) { P.clear(); forget(); }
  if (why === 'photo' && D.photo) { box.style.setProperty('--ratio', D.photo.size[0] / D.photo.size[1]); if (D.photo.src !== render.src) { render.src = D.photo.src; fit(); } }
  if (['step', 'analysis', 'photo'].includes(why)) stop();
  if (why === 'analysis' || why === 'photo') fade();
  if (why === 'settled') $('.aloud').textContent = W.words.summary();
  buttons();
  if (why === 'weights' || why === 'photo') { asked && cancelAnimationFrame(asked); asked = 0; render(); } else paint();  // a drag repaints at once
});
watch('value', () => W.receive(props.value));
new ResizeObserver(() => { width = box.clientWidth; height = box.clientHeight; paint(); }).observe(box);
words(); buttons();
};
