// Numbers and sentences as the screen writes them; the same as wsis/explorer/words.py.
(() => {
const W = globalThis.wsis = globalThis.wsis || {};
const unit = value => value === undefined || value === null || Number.isNaN(value) ? '' : value.toFixed(2).replace(/^0/, '');
function short(value, digits = 3) {  // without a leading zero; large ones in full, tiny ones in three digits
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en');
  if (size > 0 && size < 10 ** -digits / 2) return size < 1e-4 ? value.toExponential(2).replace(/\.?0+e/, 'e') : '0';
  return value.toFixed(digits).replace(/^(-?)0\./, '$1.');
}
const plain = text => String(text).replace(/[&<>"']/g, c => ({'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;'}[c]));
const plural = (n, what) => `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`;
function summary() {
  const {data: D, now} = W, spent = Object.values(D.seconds || {}).reduce((a, b) => a + b, 0);
  if (!D.match && !D.empty) return '';
  return `${plural(now.right.found.length, 'instance')} · ${spent.toFixed(2)} s · ${plural(D.photo?.total || 0, 'proposal')}`;
}
function place({place, seconds}) {
  return `place ${place}` + (seconds < 2 ? '' : seconds < 90 ? `, about ${seconds} s` : `, about ${Math.round(seconds / 60)} min`);
}
W.words = {place, unit, short, plain, plural, summary};
})();
