// @ts-check
// Numbers and sentences as the screen writes them; the same as wsis/explorer/words.py.
const words = (() => {
  const {terms: TERMS, symbols: SYMBOLS, unused: UNUSED} = wsis.config;

  /** Without the zero before the point. @param {string} text */
  const bare = text => text.replace(/^(-?)0\./, '$1.');
  /** @param {number} value @param {number} digits */
  const power = (value, digits) => value.toExponential(digits).replace(/\.?0*e\+?/, 'e');
  /** A number in [0, 1] the short way. @param {number | null | undefined} value */
  function unit(value) {
    return value === undefined || value === null || Number.isNaN(value) ? '' : value.toFixed(2).replace(/^0/, '');
  }
  /** Without a leading zero; large ones in full, tiny ones in three digits. @param {number} value */
  function short(value, digits = 3) {
    const size = Math.abs(value);
    if (size >= 1000) return value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ',');
    if (size > 0 && size < 10 ** -digits / 2) return size < 1e-4 ? power(value, 2) : '0';
    return bare(value.toFixed(digits));
  }
  /** One of at most `limit`, in as many digits as its range deserves. @param {number} value @param {number} limit */
  function weight(value, limit) {
    if (!value || (limit >= 0.01 && Math.abs(value) >= 0.005))
      return Number.isInteger(value) ? value.toFixed(0) : bare(value.toFixed(2));
    if (Math.abs(value) < 1e-4) return power(value, 1);
    return bare(
      Number(value.toExponential(1))
        .toFixed(6)
        .replace(/\.?0+$/, ''),
    );
  }
  /**
   * Why a proposal was chosen.
   * @param {string} name the term that decided
   * @param {number | null} lead before the runner-up, null where no other can win
   */
  function decidedBy(name, lead) {
    if (lead === null) return 'no other can win';
    if (lead <= 0) return 'a tie with the runner-up';
    return `${name}, ${lead >= 0.001 ? short(lead) : 'less than .001'} ahead of the runner-up`;
  }
  /** What one mask gains or loses against another. @param {string} verb @param {Change} change */
  function change(verb, {share, side}) {
    if (!share) return '';
    const whole = Math.floor(100 * share + 0.5);
    const much = share >= 2 ? `${Math.floor(share + 0.5)} times its area` : whole ? `${whole}%` : 'less than 1%';
    const where = side && ` at the ${side}`;
    return `${verb}${much}${where}`;
  }
  /** @param {number} n */
  const count = n => n.toLocaleString('en');
  /** @param {number} n @param {string} what */
  const plural = (n, what, many = `${what}s`) => `${count(n)} ${n === 1 ? what : many}`;
  /** How much was found, and how long it took. @param {Data} data @param {Now} now */
  function summary(data, now) {
    if (!data.match && !data.empty) return '';
    const spent = Object.values(data.seconds || {}).reduce((a, b) => a + b, 0);
    const found = plural(now.right.found.length, 'instance');
    const unsure = now.right.unsure.length ? ` and ${now.right.unsure.length} unsure` : '';
    const {length} = now.right.offered;
    const offered = length ? ` and ${length} offered` : '';
    return `${found}${unsure}${offered} · ${spent.toFixed(2)} s · ${plural(data.photo?.total || 0, 'proposal')}`;
  }
  /** @param {Place} queue */
  function place({place, seconds}) {
    const wait = seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
    return `place ${place}${seconds < 2 ? '' : `, about ${wait}`}`;
  }
  return {TERMS, SYMBOLS, UNUSED, place, unit, short, weight, decidedBy, change, count, plural, summary};
})();
