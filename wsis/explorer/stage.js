// The stage: draws what Python sends, sends back what was clicked. Runs once; the template never changes.
const LUT = Uint8Array.from(atob('__INFERNO__'), c => c.charCodeAt(0));
const $ = s => element.querySelector(s);
const $$ = s => [...element.querySelectorAll(s)];
const box = $('.box'), canvas = $('canvas.main'), ghost = $('canvas.ghost');
const S = {view: 'response', shown: 0, swipe: true, split: .5, opacity: .75, preview: null, data: {}, layers: new Map(), made: new Map()};
const calm = matchMedia('(prefers-reduced-motion: reduce)');
let playing = 0;

// --- pictures -------------------------------------------------------------------------------------------------------
async function load(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}
async function numbers(url) {  // a grey PNG back to its numbers
  const image = await load(url), {naturalWidth: w, naturalHeight: h} = image;
  const c = new OffscreenCanvas(w, h), g = c.getContext('2d', {willReadFrequently: true});
  g.drawImage(image, 0, 0);
  const rgba = g.getImageData(0, 0, w, h).data, v = new Uint8Array(w * h);
  for (let i = 0; i < v.length; i++) v[i] = rgba[4 * i];
  return {w, h, v};
}
function layer(url, read = numbers) {
  if (!url) return null;
  if (!S.layers.has(url)) {
    S.layers.set(url, null);
    read(url).then(done => { S.layers.set(url, done); paint(); });
  }
  return S.layers.get(url);
}
function paintable(key, source, colour) {  // numbers to an RGBA canvas, kept until the source changes
  const kept = S.made.get(key);
  if (kept && kept.source === source) return kept.canvas;
  const c = new OffscreenCanvas(source.w, source.h), g = c.getContext('2d'), image = g.createImageData(source.w, source.h);
  colour(source, image.data);
  g.putImageData(image, 0, 0);
  S.made.set(key, {source, canvas: c});
  return c;
}
const hex = text => [1, 3, 5].map(i => parseInt(text.slice(i, i + 2), 16));
function heat({v}, out) {  // inferno, clear where nothing responds
  for (let i = 0; i < v.length; i++) {
    out.set(LUT.subarray(3 * v[i], 3 * v[i] + 3), 4 * i);
    out[4 * i + 3] = 255 * Math.min(1, v[i] / 96);
  }
}
function regions(colours, fill) {  // flat colours with a solid edge
  return ({w, h, v}, out) => {
    const own = colours.map(hex);
    for (let i = 0; i < v.length; i++) {
      const here = v[i];
      if (!here) continue;
      const x = i % w, edge = x === 0 || x === w - 1 || v[i - 1] !== here || v[i + 1] !== here || v[i - w] !== here || v[i + w] !== here;
      out.set(own[(here - 1) % own.length], 4 * i);
      out[4 * i + 3] = edge ? 255 : fill;
    }
  };
}
const bit = (source, i) => ({w: source.w, h: source.h, v: source.v.map(n => n >> i & 1)});
function white({w, v}, out) {
  for (let i = 0; i < v.length; i++) out.set([255, 255, 255, v[i] ? 255 : 0], 4 * i);
}

// --- drawing --------------------------------------------------------------------------------------------------------
function place() {  // where the photo lies in the box, CSS pixels
  const {clientWidth: W, clientHeight: H} = box, [w, h] = S.data.size || [4, 3], k = Math.min(W / w, H / h);
  return {x: (W - w * k) / 2, y: (H - h * k) / 2, w: w * k, h: h * k};
}
const map = t => layer(S.data.steps && S.data.steps[t]);
function overlay(view, t) {  // [canvas, opacity, smooth] of a view, bottom first
  const d = S.data, colour = d.colours && d.colours[d.picked] || '#5b9dff';
  if (view === 'classmap') { const m = layer(d.classmap); return m ? [[paintable('classmap', m, heat), S.opacity, false]] : []; }
  if (view === 'response') { const m = map(t); return m ? [[paintable('map' + t, m, heat), S.opacity, true]] : []; }
  if (view === 'instances' || view === 'semantic') {
    const m = layer(d.instances), own = view === 'semantic' ? d.classes : d.colours;
    return m ? [[paintable(view, m, regions(own, view === 'semantic' ? 190 : 130)), S.opacity / .75 > 1 ? 1 : S.opacity / .75, true]] : [];
  }
  const b = layer(d.bits), out = [], v = layer(d.binary && d.binary[t]);
  if (view === 'match' && v) out.push([paintable('binary' + t, v, white), .38 * S.opacity, true]);
  if (b) {
    const i = S.preview ?? 0, key = 'bit' + i, kept = S.made.get(key + 'src');
    const one = kept && kept.source === b ? kept.canvas : bit(b, i);
    S.made.set(key + 'src', {source: b, canvas: one});
    out.push([paintable(key, one, regions([colour], 110)), 1, true]);
  }
  return out;
}
function draw(g, photo, view, t, area, to) {  // a part of the photo with its overlay
  const [w, h] = S.data.work, [ax, ay, aw, ah] = area, fx = photo.naturalWidth / w, fy = photo.naturalHeight / h;
  g.imageSmoothingEnabled = true;
  g.imageSmoothingQuality = 'high';
  g.drawImage(photo, ax * fx, ay * fy, aw * fx, ah * fy, ...to);
  for (const [c, alpha, smooth] of overlay(view, t)) {
    const kx = c.width / w, ky = c.height / h;
    g.globalAlpha = alpha;
    g.imageSmoothingEnabled = smooth;
    g.drawImage(c, ax * kx, ay * ky, aw * kx, ah * ky, ...to);
    g.globalAlpha = 1;
  }
}
let asked = 0;
function paint() { asked ||= requestAnimationFrame(() => { asked = 0; render(); }); }
function fade() {  // the picture before goes out in 120 ms
  if (calm.matches || !canvas.width) return;
  ghost.width = canvas.width; ghost.height = canvas.height;
  ghost.getContext('2d').drawImage(canvas, 0, 0);
  ghost.animate([{opacity: 1}, {opacity: 0}], {duration: 120, easing: 'linear'});
}
function render() {
  const d = S.data, photo = layer(d.photo, load), g = canvas.getContext('2d'), dpr = devicePixelRatio || 1;
  const W = box.clientWidth, H = box.clientHeight;
  if (canvas.width !== Math.round(W * dpr) || canvas.height !== Math.round(H * dpr)) {
    canvas.width = Math.round(W * dpr); canvas.height = Math.round(H * dpr);
  }
  g.setTransform(dpr, 0, 0, dpr, 0, 0);
  g.clearRect(0, 0, W, H);
  if (!photo || !d.work) return;
  const p = place(), whole = [0, 0, ...d.work], to = [p.x, p.y, p.w, p.h];
  const previewing = S.preview !== null && S.preview !== undefined && S.view !== 'match';
  const view = previewing ? 'preview' : S.view;
  const swiping = S.swipe && view === 'response' && S.shown > 0;
  draw(g, photo, view, S.shown, whole, to);
  const at = p.x + p.w * S.split;
  if (swiping) {
    g.save();
    g.beginPath(); g.rect(0, 0, at, H); g.clip();
    draw(g, photo, 'response', 0, whole, to);
    g.restore();
  }
  $('.divider').hidden = !swiping;
  $('.divider').style.left = at + 'px';
  $('.divider button').setAttribute('aria-valuenow', Math.round(S.split * 100));
  const names = {classmap: 'class map', match: `V and its best proposal, t = ${S.shown}`, instances: 'instances', semantic: 'semantic map', preview: `proposal ${(S.preview ?? 0) + 1}`};
  const grown = S.shown ? `${d.enhancer === 'spread' ? 'spread' : 'enhanced'}, t = ${S.shown}` : 'naive, t = 0';
  label('.tag.left', swiping ? 'naive' : '', p.x + 10, null, p.y + 10);
  label('.tag.right', view === 'response' ? grown : names[view], null, box.clientWidth - p.x - p.w + 10, p.y + 10);
  const hot = (view === 'classmap' || view === 'response') && !!d.peaks?.length;
  const scale = $('.scale');
  scale.hidden = !hot;
  if (hot) {
    const ends = scale.querySelectorAll('span');
    [ends[0].textContent, ends[1].textContent] = view === 'classmap' ? d.range : ['0', '1'];
    scale.style.right = Math.max(10, box.clientWidth - p.x - p.w + 10) + 'px';
    scale.style.bottom = Math.max(10, box.clientHeight - p.y - p.h + 10) + 'px';
  }
  marks(p);
  film(photo);
}
function label(selector, text, left, right, top) {
  const tag = $(selector);
  tag.hidden = !text;
  tag.textContent = text || '';
  tag.style.left = left === null ? 'auto' : left + 'px';
  tag.style.right = right === null ? 'auto' : Math.max(10, right) + 'px';
  tag.style.top = Math.max(10, top) + 'px';
}
function marks(p) {  // one button a peak, over the canvas so that the keyboard reaches it
  const home = $('.marks'), d = S.data, many = d.peaks.length > 5;
  while (home.children.length > d.peaks.length) home.lastChild.remove();
  d.peaks.forEach((peak, k) => {
    let b = home.children[k];
    if (!b) {
      b = document.createElement('button');
      b.type = 'button';
      b.innerHTML = '<span></span>';
      b.addEventListener('click', event => { event.stopPropagation(); pick(+b.dataset.k); });
      home.append(b);
    }
    const x = p.x + peak.x * p.w, y = p.y + peak.y * p.h;
    b.dataset.k = k;
    b.style.cssText = `left:${x}px;top:${y}px;--own:${peak.colour}`;
    b.setAttribute('aria-pressed', k === d.picked);
    b.setAttribute('aria-label', `Peak ${k + 1} of ${d.peaks.length}: ${peak.name} ${peak.score}`);
    b.classList.toggle('quiet', many && k !== d.picked);
    b.classList.toggle('flip', x > box.clientWidth - 130);
    b.firstChild.textContent = `${peak.name} ${peak.score}`.trim();
  });
}
function film(photo) {  // class map, naive, t = 1..T, V, proposal, mask of the picked peak
  const d = S.data, home = $('.film');
  if (!d.peaks.length) { home.replaceChildren(); return; }
  const last = d.steps.length - 1, t = Math.min(d.step, last), peak = d.peaks[d.picked];
  const items = [['classmap', 0, 'class map', d.grid.join('×') + ' cells']];
  d.steps.forEach((_, i) => items.push(['response', i, i ? (d.enhancer === 'spread' ? 'spread' : `t = ${i}`) : 'naive', i ? '' : 't = 0']));
  items.push(['binary', t, 'V', `Otsu ${short(d.thresholds[t])}`], ['match', t, 'proposal', `#1 of ${d.total.toLocaleString('en')}`], ['mask', t, 'mask', `${peak.name} ${peak.score}`.trim()]);
  while (home.children.length > items.length) home.lastChild.remove();
  items.forEach(([view, step, title, note], i) => {
    let b = home.children[i];
    if (!b) {
      b = document.createElement('button');
      b.type = 'button';
      b.innerHTML = '<canvas width="192" height="192"></canvas><b></b><small></small>';
      b.addEventListener('click', () => show(b.dataset.view, +b.dataset.step));
      home.append(b);
    }
    b.dataset.view = {binary: 'match', mask: 'instances'}[view] || view;
    b.dataset.step = step;
    const now = view === S.view && (view === 'classmap' || view === 'match' || step === S.shown) || view === 'mask' && S.view === 'instances';
    b.setAttribute('aria-pressed', !!now);
    b.children[1].textContent = title;
    b.children[2].textContent = note;
    const [x, y, side] = d.crop, g = b.firstChild.getContext('2d'), to = [0, 0, 192, 192];
    g.clearRect(...to);
    if (view === 'binary') {
      const v = layer(d.binary[t]);
      g.fillStyle = '#101216';
      g.fillRect(...to);
      if (v) g.drawImage(paintable('binary' + t, v, white), x, y, side, side, ...to);
    } else {
      const preview = S.preview;
      S.preview = null;
      draw(g, photo, view === 'mask' ? 'instances' : view === 'match' ? 'proposal' : view, step, [x, y, side, side], to);
      S.preview = preview;
    }
  });
}
const short = n => n === undefined ? '' : n.toFixed(2).replace(/^0/, '');

// --- controls -------------------------------------------------------------------------------------------------------
function buttons() {
  for (const b of $$('.views button')) b.setAttribute('aria-pressed', b.dataset.view === S.view);
  const d = S.data, home = $('.steps'), count = d.steps?.length || 0;
  home.hidden = count < 2;
  if (home.children.length !== count + 1) {
    home.replaceChildren(...Array.from({length: count + 1}, (_, i) => {
      const b = document.createElement('button');
      b.type = 'button';
      b.textContent = i === count ? '▶' : i ? i : 't 0';
      b.setAttribute('aria-label', i === count ? 'Play the steps' : `Step ${i}`);
      b.addEventListener('click', () => i === count ? play() : show(S.view === 'match' ? 'match' : 'response', i));
      return b;
    }));
  }
  [...home.children].forEach((b, i) => b.setAttribute('aria-pressed', i === S.shown));
  $('.swipe').style.visibility = S.view === 'response' && S.shown ? '' : 'hidden';
  $('.swipe').setAttribute('aria-pressed', S.swipe);
  $('.swipe b').textContent = S.swipe ? 'on' : 'off';
}
function show(view, step) {
  clearInterval(playing);
  fade();
  S.view = view;
  preview(null);
  if (view === 'response' || view === 'match') {
    S.shown = step;
    if (step !== S.data.step) { S.data.step = step; trigger('select', {step}); }
  }
  buttons();
  paint();
}
function play() {
  clearInterval(playing);
  S.view = 'response'; S.shown = 0;
  fade(); buttons(); paint();
  playing = setInterval(() => {
    if (S.shown >= S.data.step) return clearInterval(playing);
    fade();
    S.shown++;
    buttons(); paint();
  }, 700);
}
function pick(peak) {
  if (peak === S.data.picked || !S.data.peaks?.[peak]) return;
  S.data.picked = peak;  // the ring moves at once, the maps follow
  trigger('select', {peak});
  const p = place();
  marks(p);
}
function preview(i) {
  S.preview = i;
  document.dispatchEvent(new CustomEvent('wsis:previewed', {detail: i}));
  paint();
}
for (const b of $$('.views button')) b.addEventListener('click', () => show(b.dataset.view, S.shown));
$('.swipe').addEventListener('click', () => { S.swipe = !S.swipe; buttons(); paint(); });
$('.opacity input').addEventListener('input', event => {
  S.opacity = event.target.value / 100;
  $('.opacity b').textContent = event.target.value + '%';
  paint();
});
box.addEventListener('click', event => {  // anywhere on the photo: the nearest peak
  if (event.target.closest('button') || !S.data.peaks?.length) return;
  const p = place(), r = box.getBoundingClientRect(), x = event.clientX - r.left, y = event.clientY - r.top;
  const far = S.data.peaks.map(k => Math.hypot(p.x + k.x * p.w - x, p.y + k.y * p.h - y));
  pick(far.indexOf(Math.min(...far)));
});
box.addEventListener('keydown', event => {
  const n = S.data.peaks?.length, by = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
  if (!n || !by || event.target.closest('.divider')) return;
  event.preventDefault();
  pick((S.data.picked + by + n) % n);
});
box.addEventListener('pointermove', event => {
  const d = S.data, tag = $('.tag.read');
  if (!d.work || !d.peaks?.length) return;
  const p = place(), r = box.getBoundingClientRect(), u = (event.clientX - r.left - p.x) / p.w, v = (event.clientY - r.top - p.y) / p.h;
  const m = S.view === 'classmap' ? layer(d.classmap) : map(S.swipe && S.view === 'response' && u < S.split ? 0 : S.shown);
  tag.hidden = !(u >= 0 && u < 1 && v >= 0 && v < 1 && m);
  if (tag.hidden) return;
  const value = m.v[Math.floor(v * m.h) * m.w + Math.floor(u * m.w)] / 255;
  const told = S.view === 'classmap' ? `logit ${(d.range[0] + value * (d.range[1] - d.range[0])).toFixed(1)}` : `response ${short(value)}`;
  tag.textContent = `x ${Math.floor(u * d.size[0])} · y ${Math.floor(v * d.size[1])} · ${told}`;
  tag.style.left = Math.max(10, p.x + 10) + 'px';
  tag.style.bottom = Math.max(10, box.clientHeight - p.y - p.h + 10) + 'px';
});
box.addEventListener('pointerleave', () => { $('.tag.read').hidden = true; });
const handle = $('.divider button');
handle.addEventListener('pointerdown', event => { handle.setPointerCapture(event.pointerId); event.preventDefault(); handle.focus(); });
handle.addEventListener('pointermove', event => {
  if (!handle.hasPointerCapture(event.pointerId)) return;
  const p = place();
  S.split = Math.min(1, Math.max(0, (event.clientX - box.getBoundingClientRect().left - p.x) / p.w));
  paint();
});
handle.addEventListener('keydown', event => {
  const by = {ArrowRight: .02, ArrowLeft: -.02, Home: -1, End: 1}[event.key];
  if (!by) return;
  event.preventDefault();
  S.split = Math.min(1, Math.max(0, S.split + by));
  paint();
});
$('.message button').addEventListener('click', () => trigger('edit', {name: S.data.empty.name, on: true}));
$('.notice button').addEventListener('click', () => { $('.notice').hidden = true; });
document.addEventListener('wsis:preview', event => { if (element.isConnected) preview(event.detail); });
document.addEventListener('wsis:pick', event => { if (element.isConnected && S.data.peaks?.length) pick((S.data.picked + event.detail + S.data.peaks.length) % S.data.peaks.length); });
new ResizeObserver(paint).observe(box);

// --- what Python sends ----------------------------------------------------------------------------------------------
function receive() {
  const value = props.value;
  if (!value || typeof value !== 'object') return;
  $('.notice').hidden = value.kind !== 'notice';
  if (value.kind === 'notice') {
    $('.notice span').textContent = value.notice;
    if (!S.data.photo) receiveEmpty({title: 'That did not work', text: value.notice});
    return;
  }
  if (value.kind === 'photo' || value.kind === 'idle') {
    clearInterval(playing);
    S.layers.clear(); S.made.clear();
    S.data = {}; S.preview = null;
  }
  const before = S.data.step;
  if (value.size) box.style.setProperty('--ratio', value.size[0] / value.size[1]);
  Object.assign(S.data, value);
  if (value.step !== undefined && (value.kind === 'photo' || value.step !== before || S.shown > value.step)) S.shown = value.step;
  if (S.preview !== null) preview(null);
  const used = new Set([S.data.photo, S.data.classmap, S.data.instances, S.data.bits, ...S.data.steps || [], ...S.data.binary || []]);
  for (const url of [...S.layers.keys()]) if (!used.has(url)) S.layers.delete(url);
  if ('empty' in value) receiveEmpty(value.empty);
  $('.waiting').hidden = true;
  $('.aloud').textContent = S.data.summary || '';
  element.classList.toggle('none', !S.data.peaks?.length);
  if (value.colours) for (const key of ['instances', 'semantic']) S.made.delete(key);
  if (value.steps) S.made.clear();
  buttons();
  paint();
}
function receiveEmpty(empty) {
  const message = $('.message');
  message.hidden = !empty;
  $('.waiting').hidden = true;
  if (!empty) return;
  message.querySelector('h3').textContent = empty.title;
  message.querySelector('p').textContent = empty.text;
  message.querySelector('button').textContent = empty.offer || '';
  message.querySelector('button').hidden = !empty.offer;
}
watch('value', receive);
receive();
buttons();
