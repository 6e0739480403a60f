// @ts-check
// A search box for the class to look for, where there are too many for a list: names and synonyms, by typing alone.
class Search {
  static MOST = 8;
  /** With more classes than this there is a search box. */
  static MANY = 30;
  /** Other names of a model's classes. @type {Map<string, Record<string, string[]>>} */
  static synonyms = new Map();
  /** The analysis whose model was asked for them last; without an answer, the next one's is asked again. */
  static #asked = '';
  /** @type {ClassScore[]} */
  #found = [];
  #active = 0;

  /** @param {HTMLElement} home */
  constructor(home) {
    home.innerHTML = markup.html`
      <input type="search" role="combobox" aria-expanded="false" aria-controls="found-classes" aria-autocomplete="list"
        autocomplete="off" spellcheck="false">
      <div id="found-classes" role="listbox" aria-label="Classes" hidden></div>`.text;
    this.input = dom.one(home, 'input', HTMLInputElement);
    this.list = dom.one(home, '[role=listbox]', HTMLElement);
    this.input.addEventListener('input', () => this.#look());
    this.input.addEventListener('focus', () => this.#look());
    this.input.addEventListener('blur', () => this.#close());
    this.input.addEventListener('keydown', event => this.#key(event));
    // Before the input loses the focus to it.
    this.list.addEventListener('pointerdown', event => {
      event.preventDefault();
      const hit = dom.hit(event, '[role=option]');
      if (hit) this.#choose(Number(hit.dataset.at));
    });
  }

  draw() {
    const label = `Search ${words.plural(page.data.classes.length, 'class', 'classes')}`;
    this.input.placeholder = label;
    this.input.setAttribute('aria-label', label);
    // What is open shows what came meanwhile: synonyms, scores of another photo.
    if (!this.list.hidden) this.#look(this.#found[this.#active]?.name);
    const {token} = page.state;
    if (!token || token === Search.#asked || Search.synonyms.has(page.data.model)) return;
    Search.#asked = token;
    wire.ask('synonyms');
  }

  /** @param {SynonymsMessage} message */
  static take({model, synonyms}) {
    Search.synonyms.set(model, synonyms);
  }

  /** As one writes it or another. @param {string} text */
  static #plain = text =>
    text
      .toLowerCase()
      .replace(/[\s_-]+/g, ' ')
      .trim();

  /** How well a name answers what was typed, 0 best; 9 not at all. @param {string} name @param {string} typed */
  static #fit(name, typed) {
    const plain = Search.#plain(name);
    if (plain === typed) return 0;
    if (plain.startsWith(typed)) return 1;
    if (plain.includes(` ${typed}`)) return 2;
    return plain.includes(typed) ? 3 : 9;
  }

  /** The synonym that answers best, where the name does not. @param {ClassScore} one @param {string} typed */
  static #other({name}, typed) {
    const others = Search.synonyms.get(page.data.model)?.[name] ?? [];
    const [best] = others.map(text => ({text, fit: Search.#fit(text, typed)})).sort((a, b) => a.fit - b.fit);
    return best && best.fit < Search.#fit(name, typed) ? best : null;
  }

  /** @param {string} [marked] the class to stand on, if it is still found */
  #look(marked) {
    const {data} = page;
    const typed = Search.#plain(this.input.value);
    const free = data.classes.filter(one => !data.on.includes(one.name));
    const fits = free
      .map(one => {
        const other = typed ? Search.#other(one, typed) : null;
        return {one, other, fit: other ? other.fit + 0.5 : Search.#fit(one.name, typed)};
      })
      .filter(({fit}) => fit < 9)
      .sort((a, b) => (typed ? a.fit - b.fit : 0) || b.one.score - a.one.score)
      .slice(0, Search.MOST);
    this.#found = fits.map(({one}) => one);
    this.#active = Math.max(
      0,
      this.#found.findIndex(one => one.name === marked),
    );
    const rows = fits.map(
      ({one, other}, i) => markup.html`
        <div role="option" id="found-${i}" data-at="${i}" aria-selected="${String(i === 0)}">
          <span>${one.name}${other && markup.html` <small>${other.text}</small>`}</span>
          <b>${words.unit(one.score)}</b>
        </div>`,
    );
    const none = markup.html`<p class="hint">The model has no such class. Another model may.</p>`;
    this.list.innerHTML = markup.html`${rows.length ? rows : none}`.text;
    this.list.hidden = false;
    this.#mark();
  }

  #mark() {
    const options = dom.all(this.list, '[role=option]');
    for (const [i, option] of options.entries()) option.setAttribute('aria-selected', String(i === this.#active));
    options[this.#active]?.scrollIntoView({block: 'nearest'});
    this.input.setAttribute('aria-expanded', 'true');
    this.input.setAttribute('aria-activedescendant', options.length ? `found-${this.#active}` : '');
  }

  #close() {
    this.list.hidden = true;
    this.input.setAttribute('aria-expanded', 'false');
    this.input.removeAttribute('aria-activedescendant');
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const by = {ArrowDown: 1, ArrowUp: -1}[event.key];
    if (by) {
      event.preventDefault();
      const count = this.#found.length;
      if (this.list.hidden) return this.#look();
      if (count) this.#active = (this.#active + by + count) % count;
      this.#mark();
    } else if (event.key === 'Enter') this.#choose(this.#active);
    else if (event.key === 'Escape') {
      if (!this.list.hidden) event.preventDefault(); // the text stays; a second time it goes
      this.#close();
    }
  }

  /** @param {number} at */
  #choose(at) {
    const one = this.#found[at];
    if (!one || this.list.hidden) return;
    this.input.value = '';
    this.#close();
    acts.setClass(one.name, true);
  }
}
