// The Results tab: bars of a chosen row, tables sorted by a heading. Python drew the first state.
const short = v => v === null ? '–' : v.toFixed(1).replace(/^0\./, '.');
const change = v => {
  const [kind, symbol] = v > 0 ? ['up', '▲'] : v < 0 ? ['down', '▼'] : ['even', '='];
  return `<span class="res-${kind}"><i aria-hidden="true">${symbol}</i>${v ? (v > 0 ? '+' : '−') + short(Math.abs(v)) : '±0'}</span>`;
};
element.addEventListener('change', event => {
  const section = event.target.closest('.res-bars');
  if (!section) return;
  const {rows, base} = JSON.parse(section.dataset.bars), values = rows[+event.target.value];
  const body = section.querySelector('tbody'), bars = [...body.rows];
  for (const bar of bars) {
    const i = +bar.dataset.class, value = values[i], known = value !== null && base[i] !== null;
    bar.querySelector('i').style.width = `${value ?? 0}%`;
    bar.cells[2].textContent = short(value);
    bar.cells[4].innerHTML = known ? change(Math.round(10 * (value - base[i])) / 10) : '–';
  }
  bars.sort((a, b) => (values[b.dataset.class] ?? 0) - (values[a.dataset.class] ?? 0) || a.dataset.class - b.dataset.class);
  body.append(...bars);
});
element.addEventListener('click', event => {
  const button = event.target.closest('[data-sort]');
  if (!button) return;
  const heading = button.closest('th'), table = button.closest('table'), body = table.tBodies[0], at = +button.dataset.sort;
  const rising = heading.getAttribute('aria-sort') === 'none' ? body.rows[0].cells[at].matches('.res-name') : heading.getAttribute('aria-sort') === 'descending';
  for (const other of heading.parentElement.cells) other.setAttribute('aria-sort', 'none');
  heading.setAttribute('aria-sort', rising ? 'ascending' : 'descending');
  const value = row => row.cells[at].dataset.value, number = !body.rows[0].cells[at].matches('.res-name');
  const order = (a, b) => number ? value(a) - value(b) : value(a).localeCompare(value(b));
  body.append(...[...body.rows].sort((a, b) => (rising ? 1 : -1) * order(a, b)));
});
