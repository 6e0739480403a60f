// The panels around the stage: classes, peaks, weights, proposals, how firm the choice is, the table. Built once, updated
// in place, so that a drag moves numbers and pictures without a question to Python.
(() => {
const W = globalThis.wsis, M = W.match, P = W.paint, S = W.state, D = W.data, C = W.config, {unit, short, weight, decidedBy, plain, plural, summary} = W.words;
const TERMS = ['precision', 'contour', 'recall'], SYMBOLS = ['α', 'β', 'γ'];
const host = id => document.querySelector(`#${id} [data-host]`);
const preset = () => W.presets.of(S.preset);
function html(home, text) {  // only where it changed, and the keyboard's place is kept
  if (!home || home.dataset.text === text) return false;
  const at = home.contains(document.activeElement) ? [...home.querySelectorAll('button, select, input')].indexOf(document.activeElement) : -1;
  home.dataset.text = text;
  home.innerHTML = text;
  if (at >= 0) home.querySelectorAll('button, select, input')[at]?.focus({preventScroll: true});
  return true;
}
function reveal(box, one, head) {  // one of a list scrolls into sight below the list's head; the page stays where it is
  if (!one || box.scrollHeight <= box.clientHeight) return;
  const outer = box.getBoundingClientRect(), inner = one.getBoundingClientRect();
  box.scrollTop += Math.min(0, inner.top - outer.top - head) || Math.max(0, inner.bottom - outer.bottom + 8);
}
const PICKED = ['photo', 'analysis', 'peak'];
const dot = colour => colour ? `<i style="background:${colour}"></i>` : '';

// --- classes ----------------------------------------------------------------------------------------------------------
function classes() {
  const order = [...D.classes].sort((a, b) => b.score - a.score), on = D.on, off = order.filter(c => !on.includes(c.name));
  if (!order.length) return void (D.looking && html(host('classes'), '<div class="skeleton"><i></i><i></i></div>'));
  const near = off.slice(0, on.length ? 2 : 5).filter(c => c.score >= .005), rest = off.filter(c => !near.includes(c)).sort((a, b) => a.name < b.name ? -1 : 1);
  const chip = (name, is) => {
    const own = D.peaks.find(p => p.name === name)?.colour, score = order.find(c => c.name === name).score;
    return `<button type="button" class="chip ${is ? 'on' : 'off'}" aria-pressed="${is}" data-class="${plain(name)}" title="${is ? 'Click to leave it out' : 'Click to look for it'}">${is ? dot(own) : ''}${plain(name)} <b>${unit(score)}</b></button>`;
  };
  const more = rest.length ? `<select class="chip off more" aria-label="Look for another class"><option value="">+ class</option>${rest.map(c => `<option value="${plain(c.name)}">${plain(c.name)} ${unit(c.score)}</option>`).join('')}</select>` : '';
  html(host('classes'), `<div class="chips" role="group" aria-label="Classes to look for">${on.map(n => chip(n, true)).join('')}${near.map(c => chip(c.name, false)).join('')}${more}</div>`);
}
const look = (name, on) => W.look('class', {name, on}, on ? `Looking for ${name}` : `Leaving out ${name}`);

// --- peaks ------------------------------------------------------------------------------------------------------------
function peaks(why) {
  const home = host('peaks');
  if (!D.match) return void html(home, D.busy ? '<div class="skeleton"><i></i><i></i></div>' : '<p class="hint">No peaks. Switch a class on above.</p>');
  const list = D.peaks.map((peak, k) => {
    const one = W.now.byPeak.get(k), note = one ? `mask score ${unit(one.score)}` : 'overlaps a better one';
    return `<button type="button" class="peak${one ? '' : ' gone'}" aria-pressed="${k === S.peak}" data-peak="${k}"><canvas width="76" height="76"></canvas><span><b>${dot(peak.colour)}${plain(peak.name)}</b> peak ${peak.value.toFixed(1)}<br>${note}</span></button>`;
  });
  html(home, `<div class="peaks" role="group" aria-label="Peaks">${list.join('')}</div>`);
  const slots = W.now.right.best;
  home.querySelectorAll('canvas').forEach((c, k) => P.thumbnail(c, D.match, slots[k], D.peaks[k].colour));
  if (PICKED.includes(why)) reveal(document.querySelector('#peaks'), home.querySelector('[aria-pressed=true]'), 44);
}

// --- weights ----------------------------------------------------------------------------------------------------------
function weights() {
  const home = host('weights');
  if (!home) return;
  if (!home.querySelector('.weight')) build(home);
  const {meaning, ranges, weights: published, note, formula} = preset(), exact = published.every((w, i) => w === S.weights[i]);
  for (const b of home.querySelectorAll('[data-preset]')) b.setAttribute('aria-pressed', b.dataset.preset === S.preset && exact);
  more(home, exact);
  home.querySelector('.formula').innerHTML = 'S(P) = ' + meaning.map(([name], i) => name === 'unused' ? '' : `<b class="${TERMS[i]}">${SYMBOLS[i]}</b>·${plain(name)}`).filter(Boolean).join(' + ');
  home.querySelector('.formula').title = `${formula || ''} — ${note || ''}`;
  home.querySelectorAll('.weight[data-term]').forEach((row, i) => {
    const [name, text] = meaning[i], [max, step] = ranges[i], range = row.querySelector('[type=range]'), number = row.querySelector('[type=number]');
    row.classList.toggle('unused', name === 'unused');
    range.disabled = number.disabled = name === 'unused';
    row.querySelector('.name').textContent = name;
    range.setAttribute('aria-label', name);
    number.setAttribute('aria-label', `${name}, number`);
    row.querySelector('small').textContent = row.title = text;
    set(range, {max: Math.max(max, S.weights[i]), step}, S.weights[i]);
    set(number, {step}, S.weights[i], step < .01 ? String(S.weights[i]) : S.weights[i].toFixed(2));
    row.style.setProperty('--share', `${100 * S.weights[i] / Math.max(max, S.weights[i])}%`);
  });
  const steps = home.querySelector('.weight[data-steps]'), t = W.now.right.step;
  set(steps.querySelector('[type=range]'), {max: Math.max(1, D.steps || C.steps)}, D.match ? t : S.step);
  set(steps.querySelector('[type=number]'), {max: Math.max(1, D.steps || C.steps)}, D.match ? t : S.step);
  steps.style.setProperty('--share', `${100 * (D.match ? t : S.step) / Math.max(1, D.steps || C.steps)}%`);
  home.querySelector('.grown').value = D.enhancer || S.enhancer;
}
function set(input, attributes, value, text = String(value)) {
  for (const [name, wanted] of Object.entries(attributes)) if (input[name] !== String(wanted)) input[name] = wanted;
  if (document.activeElement === input && input.type === 'number' && input.value !== '' && Number(input.value) === value) return;
  if (input.value !== text && Number(input.value) !== value || document.activeElement !== input) input.value = text;
}
function build(home) {
  const row = (attribute, term, symbol, label) => `<div class="weight ${term}" ${attribute}><label><em>${symbol}</em> <span class="name">${label}</span></label><input type="number" min="0" inputmode="decimal" aria-label="${label}, number"><input type="range" min="0" aria-label="${label}"><small></small></div>`;
  const main = C.main.map(name => `<button type="button" data-preset="${name}">${plain(C.presets[name].short)}</button>`).join('');
  home.innerHTML = `<header><h2>Weights</h2><div class="segments" role="group" aria-label="Presets">${main}<select aria-label="More presets"></select></div></header><p class="formula"></p>`
    + TERMS.map((term, i) => row(`data-term="${i}"`, term, SYMBOLS[i], term)).join('')
    + row('data-steps', 'steps', 'T', 'steps');
  home.querySelector('[data-steps] label').insertAdjacentHTML('afterend', `<select class="grown" aria-label="Enhancer: what grows the naive map">${Object.entries(C.enhancers).map(([name, one]) => `<option value="${name}">${plain(one.title)}</option>`).join('')}</select>`);
  home.querySelectorAll('[data-preset]').forEach(b => b.addEventListener('click', () => W.setPreset(b.dataset.preset)));
  home.querySelector('header select').addEventListener('change', event => {
    const name = event.target.value;
    if (name === '-save') return save();
    if (name === '-remove') return W.presets.remove(S.preset);
    if (name) W.setPreset(name);
  });
  home.querySelector('.grown').addEventListener('change', event => W.setEnhancer(event.target.value));
  home.querySelectorAll('.weight').forEach(one => {
    const i = one.dataset.term, steps = one.hasAttribute('data-steps');
    const take = (event, done) => {
      const value = Number(event.target.value);
      if (event.target.value === '' || !(value >= 0)) return done && W.change({}, 'weights');
      if (steps) return value !== W.now.right.step && W.change({step: Math.min(Math.round(value), D.steps || C.steps), preview: null}, 'step');
      W.setWeights(S.weights.map((w, j) => j === +i ? value : w), false);
    };
    for (const input of one.querySelectorAll('input')) {
      input.addEventListener('input', event => take(event, false));
      input.addEventListener('change', event => { take(event, true); W.settle(); });
    }
  });
}
function more(home, exact) {
  const list = home.querySelector('header select'), own = W.presets.own(), others = Object.keys(C.presets).filter(n => !C.main.includes(n));
  const option = (name, title) => `<option value="${plain(name)}">${plain(title)}</option>`;
  const text = `<option value="">More</option>${others.map(n => option(n, C.presets[n].title)).join('')}`
    + (Object.keys(own).length ? `<optgroup label="Yours">${Object.keys(own).map(n => option(n, n)).join('')}</optgroup>` : '')
    + `<option value="-save">Save these weights …</option>${own[S.preset] ? option('-remove', `Remove “${S.preset}”`) : ''}`;
  html(list, text);
  const chosen = C.main.includes(S.preset) ? '' : S.preset;
  list.value = chosen;
  list.classList.toggle('now', !!chosen && exact);
}
function save() {
  const name = prompt('A name for these weights. They stay in this browser.', '');
  if (name === null || !W.presets.save(name, {reading: preset().reading, weights: S.weights})) weights();
}

// --- proposals ----------------------------------------------------------------------------------------------------------
function proposals() {
  const home = host('ranking'), {top, part} = W.now;
  if (!D.match) return void html(home, D.busy ? '<div class="skeleton"><i></i><i></i><i></i></div>' : '<p class="hint">Proposals are ranked as soon as there is a peak.</p>');
  if (!part?.runners) return void home.classList.add('stale');
  home.classList.remove('stale');
  if (home.querySelectorAll('.proposal').length !== top.length) {
    html(home, `<header><h2>Best proposals for this peak</h2><small>${D.photo.total.toLocaleString('en')} scored</small></header><div class="proposals">${top.map((_, i) => `<button type="button" class="proposal" data-preview="${i}"><em>${i + 1}</em><canvas width="76" height="76"></canvas><span><b></b><small></small><s>${TERMS.map(t => `<u class="${t}"></u>`).join('')}</s></span></button>`).join('')}</div>`);
    home.dataset.text = '';
  }
  const names = preset().meaning.map(m => m[0]), field = part.runners;
  const parts = top.map(i => [0, 1, 2].map(t => field.terms[3 * i + t] * S.weights[t])), totals = parts.map(p => p[0] + p[1] + p[2]);
  const scale = Math.max(...parts.map(p => p.reduce((a, b) => a + Math.max(0, b), 0)), 1e-9), pixels = D.photo.work[0] * D.photo.work[1];
  home.querySelector('header small').textContent = `${D.photo.total.toLocaleString('en')} scored`;
  home.querySelectorAll('.proposal').forEach((b, i) => {
    const slot = field.slots[top[i]], told = names.map((n, t) => n === 'unused' ? '' : `${n} ${short(parts[i][t])}`).filter(Boolean).join(', ');
    let count = 0, area = 0;
    for (let r = 0; r < D.areas.length; r++) if (M.inside(field, slot, r)) { count++; area += D.areas[r]; }
    b.title = told;
    b.setAttribute('aria-label', `Proposal ${i + 1}, score ${short(totals[i])}: ${told}`);
    b.setAttribute('aria-pressed', S.preview === i);
    b.querySelector('b').textContent = short(totals[i]);
    b.querySelector('small').textContent = `${plural(count, 'region')} · ${Math.round(100 * area / pixels)}%${i ? '' : ' of photo'}`;
    b.querySelectorAll('u').forEach((u, t) => { u.style.width = `${Math.max(0, parts[i][t]) / scale * 100}%`; });
    P.thumbnail(b.querySelector('canvas'), field, slot, D.peaks[S.peak].colour);
  });
}

// --- how firm is this choice? --------------------------------------------------------------------------------------------
let planned = null;
function plane(cell, span) {  // who wins where depends on beta alone: kept while alpha and gamma move
  const key = [D.photo.serial, D.reading, D.enhancer, cell, S.weights[1], ...span].join();
  if (planned?.key !== key || planned.match !== D.match) planned = {key, match: D.match, ...M.plane(D.match, cell, S.weights, [0, 2], span)};
  return planned;
}
function placed(id) {  // a proposal by its place in the list, where it is listed
  const field = W.now.part?.runners, at = field ? W.now.top.findIndex(i => field.ids[field.slots[i]] === id) : -1;
  return at < 0 ? 'another' : `#${at + 1}`;
}
function firm(why) {
  const home = host('firmness'), card = document.querySelector('#firmness');
  card.hidden = !D.match || preset().reading === 'iou';
  if (card.hidden) return;
  const ranges = preset().ranges, span = [0, 2].map(i => Math.max(ranges[i][0], S.weights[i])), cell = W.now.right.step * D.peaks.length + S.peak;
  if (!home.querySelector('.firm')) html(home, '<header><h2>How firm is this choice?</h2><small>α × γ</small></header><div class="firm"><div class="plane" role="img"><canvas></canvas><i></i></div><p></p></div>');
  const mark = home.querySelector('.plane i'), box = home.querySelector('.plane');
  mark.style.left = `${100 * S.weights[0] / span[0]}%`;
  mark.style.top = `${100 - 100 * S.weights[2] / span[1]}%`;
  clearTimeout(firm.later);
  if (why === 'weights' && planned && D.match === planned.match && D.match.offsets[cell + 1] - D.match.offsets[cell] > 150) { firm.later = setTimeout(firm, 80); return; }
  const seen = plane(cell, span), {winners, cells} = seen, present = M.best(D.match, cell, S.weights), own = D.peaks[S.peak].colour, canvas = home.querySelector('canvas');
  if (canvas.shows !== seen || seen.shown !== present) {
    canvas.shows = seen; seen.shown = present;
    seen.share = winners.reduce((n, w) => n + (w === present), 0) / winners.length;
    const inks = new Map([[present, P.packed(P.rgb(own), 255)]]), zoom = 2;
    for (const w of winners) if (!inks.has(w)) inks.set(w, P.packed(P.rgb(C.tints[D.match.tints[w]]), Math.round(255 * C.faded)));
    canvas.width = canvas.height = cells * zoom;
    canvas.getContext('2d').drawImage(P.canvas(cells, cells, out => { for (let y = 0; y < cells; y++) for (let x = 0; x < cells; x++) out[(cells - 1 - y) * cells + x] = inks.get(winners[y * cells + x]); }), 0, 0, cells * zoom, cells * zoom);
  }
  const lines = [[0, 'α', span[0]], [2, 'γ', span[1]]].map(([axis, symbol, limit]) => {
    const found = M.handover(D.match, cell, S.weights, axis, limit);
    return found && `${symbol} ${found.below ? 'below' : 'above'} ${weight(found.value, limit)}: ${placed(D.match.ids[D.match.slots[found.entry]])} wins`;
  }).filter(Boolean);
  const text = `#1 wins ${Math.round(100 * seen.share)}% of this plane`, can = `${(D.match.offsets[cell + 1] - D.match.offsets[cell]).toLocaleString('en')} of ${D.photo.total.toLocaleString('en')} can win`;
  box.setAttribute('aria-label', `${text}; ${lines.join('; ')}`);
  html(home.querySelector('p'), `<b>${text}</b>${(lines.length ? lines : ['No other proposal can take over.']).map(l => `<span>${l}</span>`).join('')}<span>at most ${can}</span>`);
}

// --- the table ------------------------------------------------------------------------------------------------------------
function table(why) {
  const home = host('table');
  if (!D.match) return void html(home, D.busy ? '<div class="skeleton"><i></i><i></i></div>' : '<p class="hint">No instances yet: switch a class on, lower its threshold, or choose another photo.</p>');
  const {right} = W.now, field = D.match, names = preset().meaning.map(m => m[0]), pixels = D.photo.work[0] * D.photo.work[1];
  const rows = right.found.map((one, i) => {
    const cells = [0, 1, 2].map(t => names[t] === 'unused' ? '' : `<td>${short(field.terms[3 * one.entry + t], 2)}</td>`).join('');
    const by = M.decided(field, right.step * D.peaks.length + one.peak, S.weights);
    let area = 0;
    for (let r = 0; r < D.areas.length; r++) if (M.inside(field, one.slot, r)) area += D.areas[r];
    return `<tr data-peak="${one.peak}" ${one.peak === S.peak ? 'class="now"' : ''}><td><button type="button" data-peak="${one.peak}">${dot(D.peaks[one.peak].colour)}${plain(D.peaks[one.peak].name)}</button></td><td>${short(one.score)}</td>${cells}<td>${(100 * area / pixels).toFixed(1)}%</td><td class="why">${decidedBy(names[by?.term], by ? by.lead : null)}</td><td class="get"><button type="button" data-get="instance-png" data-index="${i}" aria-label="${plain(D.peaks[one.peak].name)}: mask as PNG">PNG</button> · <button type="button" data-get="instance-json" data-index="${i}" aria-label="${plain(D.peaks[one.peak].name)}: COCO JSON">JSON</button></td></tr>`;
  });
  const head = names.map((n, t) => n === 'unused' ? '' : `<th scope="col"><span class="${TERMS[t]}">${plain(n)}</span></th>`).join('');
  if (!home.querySelector('.scroll')) html(home, '<div class="scroll" tabindex="0" role="region" aria-label="Instances"></div>');
  const box = home.querySelector('.scroll');
  html(box, `<table><thead><tr><th scope="col">class</th><th scope="col">score</th>${head}<th scope="col">area</th><th scope="col" title="The term with the largest lead before the runner-up: the best other proposal that can win at some weights">decided by</th><th scope="col"><span class="aloud">files</span></th></tr></thead><tbody>${rows.join('')}</tbody></table>`);
  if (PICKED.includes(why)) reveal(box, box.querySelector('tr.now'), 32);
}
function status() {
  const home = host('status');
  if (!home) return;
  const slow = Object.entries(D.seconds || {}).map(([stage, s]) => `${stage} ${s.toFixed(2)} s`).join(' · ');
  let can = '';
  if (D.match) { const cell = W.now.right.step * D.peaks.length + S.peak; can = `, ${D.match.offsets[cell + 1] - D.match.offsets[cell]} can win`; }
  html(home, `<p class="status" title="${plain(slow)}">${summary()}${can}</p>`);
}

// --- clicks ---------------------------------------------------------------------------------------------------------------
document.addEventListener('click', event => {
  const on = name => event.target.closest?.(`#screen [data-${name}], #top [data-${name}]`);
  let b;
  if ((b = on('get'))) return W.download(b.dataset.get, b.dataset.index ? {index: +b.dataset.index} : {});
  if ((b = on('class'))) return look(b.dataset.class, b.getAttribute('aria-pressed') !== 'true');
  if ((b = on('peak'))) return W.pick(+b.dataset.peak);
  if ((b = on('walk'))) return D.peaks.length && W.pick((S.peak + +b.dataset.walk + D.peaks.length) % D.peaks.length);
  if ((b = on('preview'))) return W.change({preview: S.preview === +b.dataset.preview ? null : +b.dataset.preview}, 'preview');
  if ((b = on('share'))) return share(b);
});
document.addEventListener('change', event => {
  if (event.target.matches('#classes select.more') && event.target.value) look(event.target.value, true);
});
document.addEventListener('keydown', event => {  // arrow keys walk through a list
  const list = event.target.closest?.('.peaks, .proposals'), by = {ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1}[event.key];
  if (!list || !by) return;
  const all = [...list.children], next = (all.indexOf(event.target.closest('button')) + by + all.length) % all.length;
  event.preventDefault();
  all[next].focus();
  all[next].click();
});
document.addEventListener('keyup', event => {  // Gradio's sliders tell when the mouse lets go, not when a key does
  if (event.target.matches?.('#advanced input[type=range]') && /^(Arrow|Page|Home|End)/.test(event.key)) W.look('adjust');
});
async function share(button) {
  if (!S.token) return;
  W.link.write();
  W.ask('share');
  const said = button.textContent;
  try { await navigator.clipboard.writeText(location.href); button.textContent = 'Link copied'; } catch { prompt('Copy this link:', location.href); }
  setTimeout(() => { button.textContent = said; }, 1800);
}

function axes() {  // of the sensitivity plot
  document.querySelectorAll('#axes select').forEach((list, i) => {
    const names = preset().meaning.map(m => m[0]);
    html(list, names.map((n, t) => n === 'unused' ? '' : `<option value="${t}">${SYMBOLS[t]} ${plain(n)}</option>`).join(''));
    list.value = S.axes[i];
    list.onchange = () => {
      const chosen = +list.value, both = [...S.axes], before = both[i];
      both[i] = chosen;
      if (both[1 - i] === chosen) both[1 - i] = before;
      W.change({axes: both}, 'tab');
      W.settle();
    };
  });
}
async function queue() {  // how many wait for the networks, asked now and then while nothing else goes on
  if (!document.hidden && !dragging && !D.place) try {
    const {waiting} = await (await fetch('place')).json();
    pill(waiting ? `${waiting} waiting` : '');
  } catch { pill('The server does not answer'); }
}
function pill(text) {
  const place = document.querySelector('#top .queue');
  if (place) Object.assign(place, {hidden: !text, textContent: text});
}
let dragging = false, queued = false;
document.addEventListener('pointerdown', () => { dragging = true; }, true);
document.addEventListener('pointerup', () => { dragging = false; }, true);
setInterval(queue, 15000);

// What belongs to a photo fades while another is looked at, and what Python drew until it has drawn it anew.
function belongs() {
  const screen = document.querySelector('#screen'), looking = !D.looking || (!D.photo && !S.token) ? '' : S.token ? 'old' : 'new';
  screen.dataset.looking = looking;
  document.querySelector('#below').dataset.drawn = D.drawn === S.token + S.tab;
  for (const b of document.querySelectorAll('#downloads button, #top button')) b.disabled = D.looking || !S.token;
}
W.listen(why => {
  belongs();
  if (D.place || queued) pill(D.place ? W.words.place(D.place) : '');
  queued = !!D.place;
  if (why === 'place') return;
  if (['tab', 'analysis', 'photo', 'back'].includes(why)) axes();
  if (['tab', 'settled', 'drawn', 'notice'].includes(why)) return;
  if (['photo', 'back', 'analysis', 'empty', 'busy'].includes(why)) classes();
  if (why === 'view' || why === 'preview') return proposals();
  weights(); peaks(why); proposals(); firm(why); table(why); status();
});
})();
