// @ts-check
// The Results tab: bars of a chosen row, tables sorted by a heading. Python drew the first state.
const results = (() => {
  /** @param {number | null} value */
  const short = value => (value === null ? '–' : value.toFixed(1).replace(/^0\./, '.'));
  /** @param {number} by */
  function change(by) {
    const [kind, symbol] = by > 0 ? ['up', '▲'] : by < 0 ? ['down', '▼'] : ['even', '='];
    const text = by ? `${by > 0 ? '+' : '−'}${short(Math.abs(by))}` : '±0';
    return markup.html`<span class="res-${kind}"><i aria-hidden="true">${symbol}</i>${text}</span>`;
  }
  /**
   * The bars of another row, the longest first.
   * @param {HTMLElement} section @param {number} row
   */
  function drawBars(section, row) {
    /** @type {{rows: (number | null)[][], base: (number | null)[]}} */
    const {rows, base} = JSON.parse(section.dataset.bars ?? '');
    const values = rows[row];
    const body = dom.one(section, 'tbody', HTMLTableSectionElement);
    const bars = [...body.rows];
    /** @param {HTMLTableRowElement} bar */
    const place = bar => Number(bar.dataset.class);
    for (const bar of bars) {
      const value = values[place(bar)];
      const before = base[place(bar)];
      dom.one(bar, 'i', HTMLElement).style.width = `${value ?? 0}%`;
      bar.cells[2].textContent = short(value);
      const known = value !== null && before !== null;
      bar.cells[4].innerHTML = known ? change(Math.round(10 * (value - before)) / 10).text : '–';
    }
    bars.sort((a, b) => (values[place(b)] ?? 0) - (values[place(a)] ?? 0) || place(a) - place(b));
    body.append(...bars);
  }
  /** Names rise first, numbers fall first; the next click turns it round. @param {HTMLElement} button in the heading */
  function sort(button) {
    const heading = dom.known(button.closest('th'));
    const body = dom.known(button.closest('table')).tBodies[0];
    const at = Number(button.dataset.sort);
    const number = !body.rows[0].cells[at].matches('.res-name');
    const now = heading.getAttribute('aria-sort');
    const rising = now === 'none' ? !number : now === 'descending';
    for (const other of dom.known(heading.parentElement).children) other.setAttribute('aria-sort', 'none');
    heading.setAttribute('aria-sort', rising ? 'ascending' : 'descending');
    /** @param {HTMLTableRowElement} row */
    const value = row => row.cells[at].dataset.value ?? '';
    /** @param {HTMLTableRowElement} a @param {HTMLTableRowElement} b */
    const order = (a, b) => (number ? Number(value(a)) - Number(value(b)) : value(a).localeCompare(value(b)));
    body.append(...[...body.rows].sort((a, b) => (rising ? 1 : -1) * order(a, b)));
  }
  /** @param {HTMLElement} element */
  function mount(element) {
    element.addEventListener('change', event => {
      const section = dom.hit(event, '.res-bars');
      if (section) drawBars(section, Number(dom.input(event).value));
    });
    element.addEventListener('click', event => {
      const button = dom.hit(event, '[data-sort]');
      if (button) sort(button);
    });
  }
  return {mount};
})();
