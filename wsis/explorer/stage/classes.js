// @ts-check
// The panel of the classes to look for.
const classes = (() => {
  const {data} = page;
  /** Below this probability a class is only offered in the list. */
  const LIKELY = 0.005;

  /** Groups of kin classes whose members are shown. @type {Set<string>} */
  const opened = new Set();

  /** @param {ClassScore} one @param {boolean} on */
  function chip({name, score, members}, on) {
    const colour = data.peaks.find(peak => peak.name === name)?.colour;
    const title = on ? 'Click to leave it out' : 'Click to look for it';
    const button = markup.html`
      <button type="button" class="chip ${on ? 'on' : 'off'}" aria-pressed="${String(on)}" data-class="${name}"
        title="${title}">${on ? panels.dot(colour) : ''}${name} <b>${words.unit(score)}</b></button>`;
    if (!on || !members?.length) return button;
    const open = opened.has(name);
    const more = markup.html`
      <button type="button" class="opens" data-kin="${name}" aria-expanded="${String(open)}"
        aria-label="What kind of ${name}" title="What kind of ${name}">${open ? '▴' : '▾'}</button>`;
    return markup.html`<span class="kin">${button}${more}</span>${open && kin(name, members)}`;
  }
  /** What kind of a group it may be, the likeliest first. @param {string} group @param {Member[]} members */
  function kin(group, members) {
    const rows = members.map(
      ({name, share}) => markup.html`
        <li><span>${name}</span><i style="width:${(100 * share).toFixed(0)}%"></i><b>${words.unit(share)}</b></li>`,
    );
    return markup.html`<ul class="members" aria-label="Kinds of ${group}">${rows}</ul>`;
  }
  /** @param {string} group */
  function toggle(group) {
    if (!opened.delete(group)) opened.add(group);
    draw();
  }
  /** @param {ClassScore[]} rest */
  function list(rest) {
    const options = rest.map(
      ({name, score}) => markup.html`<option value="${name}">${name} ${words.unit(score)}</option>`,
    );
    return markup.html`
      <select class="chip off more" aria-label="Look for another class"><option value="">+ class</option>
        ${options}
      </select>`;
  }
  /** The search box, where there are too many classes for a list. @type {Search | null} */
  let search = null;
  function draw() {
    const home = dom.host('classes');
    const order = [...data.classes].sort((a, b) => b.score - a.score);
    if (!order.length) {
      if (data.looking) dom.fill(home, panels.skeleton(2));
      return;
    }
    if (!home) return;
    const many = order.length > Search.MANY;
    dom.fill(home, markup.html`<div data-chips></div>${many && markup.html`<div data-find class="find"></div>`}`);
    const find = home.querySelector('[data-find]');
    if (find instanceof HTMLElement && !find.children.length) search = new Search(find);
    if (find) search?.draw();
    const on = data.on.map(name => dom.known(order.find(one => one.name === name)));
    const off = order.filter(one => !on.includes(one));
    const near = off.slice(0, on.length ? 2 : 5).filter(one => one.score >= LIKELY);
    const rest = off.filter(one => !near.includes(one)).sort((a, b) => (a.name < b.name ? -1 : 1));
    dom.fill(
      dom.one(home, '[data-chips]', HTMLElement),
      markup.html`
        <div class="chips" role="group" aria-label="Classes to look for">
          ${on.map(one => chip(one, true))}
          ${near.map(one => chip(one, false))}
          ${rest.length > 0 && !many && list(rest)}
        </div>`,
    );
  }
  return {draw, toggle};
})();
