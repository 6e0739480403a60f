// Numbers and sentences as the screen writes them; the same as wsis/explorer/words.py.
(() => {
const W = globalThis.wsis = globalThis.wsis || {};
const bare = text => text.replace(/^(-?)0\./, '$1.');  // without the zero before the point
const power = (value, digits) => value.toExponential(digits).replace(/\.?0*e\+?/, 'e');
const unit = value => value === undefined || value === null || Number.isNaN(value) ? '' : value.toFixed(2).replace(/^0/, '');
function short(value, digits = 3) {  // without a leading zero; large ones in full, tiny ones in three digits
  const size = Math.abs(value);
  if (size >= 1000) return value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ',');
  if (size > 0 && size < 10 ** -digits / 2) return size < 1e-4 ? power(value, 2) : '0';
  return bare(value.toFixed(digits));
}
function weight(value, limit) {  // one of at most `limit`, in as many digits as its range deserves
  if (value && (limit < .01 || Math.abs(value) < .005)) return Math.abs(value) < 1e-4 ? power(value, 1) : bare((+value.toExponential(1)).toFixed(6).replace(/\.?0+$/, ''));
  return Number.isInteger(value) ? value.toFixed(0) : bare(value.toFixed(2));
}
function decidedBy(name, lead) {  // why a proposal was chosen; lead: before the runner-up, null where no other can win
  if (lead === null) return 'no other can win';
  return lead <= 0 ? 'a tie with the runner-up' : `${name}, ${lead >= .001 ? short(lead) : 'less than .001'} ahead of the runner-up`;
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
W.words = {place, unit, short, weight, decidedBy, plain, plural, summary};
})();
