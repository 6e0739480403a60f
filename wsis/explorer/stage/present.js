// @ts-check
// In front of people: five pages in large type over the whole screen, by keys, clicks and swipes. It draws what the
// stage holds, so both always agree.
class Present {
  /** How long a step of the growing map stays, and how often the last one, in milliseconds and steps. */
  static EVERY = 900;
  static REST = 3;
  /** Pixels from which a finger's way is a swipe. */
  static SWIPE = 48;
  /** Most peaks whose maps are asked for. */
  static MOST = 8;
  #page = 0;
  /** The step of the growing map, counted on over the rest. */
  #tick = 0;
  #timer = 0;
  #asked = '';
  #frame = 0;
  /** @type {[number, number] | null} */
  #from = null;

  /** @param {Layers} layers the stage's */
  constructor(layers) {
    this.layers = layers;
    const home = Present.#build();
    this.home = home;
    /** @param {string} selector */
    const one = selector => dom.one(home, selector, HTMLElement);
    this.canvas = dom.one(home, 'canvas', HTMLCanvasElement);
    this.picture = one('.picture');
    this.parts = {
      count: one('.count'),
      title: one('h2'),
      sentence: one('.sentence'),
      why: one('.why'),
      legend: one('ol'),
    };
    this.note = one('.note');
    this.dots = dom.all(home, '.dots button');
    this.which = one('.which');
    for (const [i, dot] of this.dots.entries()) dot.addEventListener('click', () => this.turn(i));
    for (const b of dom.all(home, '[data-go]')) b.addEventListener('click', () => this.#go(b.dataset.go ?? ''));
    home.addEventListener('keydown', event => this.#key(event));
    home.addEventListener('close', () => this.#closed());
    this.#listenToFingers();
    document.addEventListener('fullscreenchange', () => {
      if (!document.fullscreenElement && home.open) home.close();
    });
    new ResizeObserver(() => this.repaint()).observe(this.picture);
    document.addEventListener('click', event => dom.hit(event, '[data-present]') && this.open());
    keys.on('f', () => this.open());
    page.listen(() => this.repaint());
  }

  static #build() {
    const home = document.createElement('dialog');
    home.className = 'present';
    home.setAttribute('aria-label', 'Presentation');
    const dots = chapters.PAGES.map(({name}) => markup.html`<button type="button"><i></i>${name}</button>`);
    home.innerHTML = markup.html`
      <div class="picture"><canvas role="img"></canvas></div>
      <div class="told" aria-live="polite">
        <p class="count"></p>
        <h2></h2>
        <p class="sentence"></p>
        <p class="why" hidden></p>
        <ol></ol>
        <p class="note"></p>
      </div>
      <nav class="dots" aria-label="Pages">${dots}</nav>
      <div class="ways">
        <button type="button" data-go="left" aria-label="Page before" title="Page before (←)">←</button>
        <button type="button" data-go="right" aria-label="Next page" title="Next page (→)">→</button>
        <span class="which"></span>
        <button type="button" data-go="up" aria-label="Picture before" title="Picture before (↑)">↑</button>
        <button type="button" data-go="down" aria-label="Next picture" title="Next picture (↓)">↓</button>
        <button type="button" data-go="out" aria-label="Leave" title="Leave (Esc)">Esc</button>
      </div>`.text;
    document.body.append(home);
    return home;
  }

  /** Full screen where the browser allows it, the whole window else. */
  async open() {
    const {state, data, now} = page;
    if (this.home.open || !data.photo) return;
    if (!now.byPeak.has(state.peak) && now.right.found.length) acts.pick(now.right.found[0].peak);
    this.#page = 0;
    try {
      await document.documentElement.requestFullscreen();
    } catch {
      // The window has to do.
    }
    if (!this.home.open) this.home.showModal();
    this.#timer = setInterval(() => this.#grow(), Present.EVERY);
    this.turn(0);
  }

  #closed() {
    clearInterval(this.#timer);
    if (document.fullscreenElement) document.exitFullscreen();
  }

  /** @param {number} to a page; the ends stop */
  turn(to) {
    this.#page = Math.max(0, Math.min(chapters.PAGES.length - 1, to));
    this.#tick = 0;
    if (this.dots.some(dot => dot === document.activeElement)) this.dots[this.#page].focus();
    this.repaint();
  }

  /** The pictures that can be shown: the visitor's own, if there is one, then the examples. */
  static #pictures() {
    const names = dom.all(document, '#photo .examples button').map(b => b.dataset.example ?? '');
    return page.data.photo?.example ? names : ['', ...names];
  }

  /** @param {number} by */
  #picture(by) {
    const names = Present.#pictures();
    const at = names.indexOf(page.data.photo?.example ?? '');
    const name = names[(at + by + names.length) % names.length];
    if (name && !page.data.looking) acts.openExample(name);
  }

  /** @param {string} way */
  #go(way) {
    if (way === 'left' || way === 'right') this.turn(this.#page + (way === 'right' ? 1 : -1));
    else if (way === 'out') this.home.close();
    else this.#picture(way === 'down' ? 1 : -1);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    /** @type {Record<string, string>} */
    const ways = {ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down', f: 'out', F: 'out'};
    ways.PageUp = 'left';
    ways.PageDown = 'right';
    if (!ways[event.key]) return;
    event.preventDefault();
    this.#go(ways[event.key]);
  }

  /** A swipe turns; a tap or click goes on, at the left third of the picture back. */
  #listenToFingers() {
    this.picture.addEventListener('pointerdown', event => {
      this.#from = [event.clientX, event.clientY];
      this.picture.setPointerCapture(event.pointerId);
    });
    this.picture.addEventListener('pointerup', event => {
      if (!this.#from) return;
      const [dx, dy] = [event.clientX - this.#from[0], event.clientY - this.#from[1]];
      this.#from = null;
      const {left, width} = this.picture.getBoundingClientRect();
      if (Math.max(Math.abs(dx), Math.abs(dy)) < Present.SWIPE)
        this.#go(event.clientX < left + width / 3 ? 'left' : 'right');
      else if (Math.abs(dx) > Math.abs(dy)) this.#go(dx < 0 ? 'right' : 'left');
      else this.#go(dy < 0 ? 'down' : 'up');
    });
  }

  /** The map before the eyes, step by step; whoever wants no movement sees the last. */
  #grow() {
    if (chapters.PAGES[this.#page].name !== 'grows' || Present.#still()) return;
    this.#tick++;
    this.repaint();
  }
  static #still() {
    return matchMedia('(prefers-reduced-motion: reduce)').matches;
  }
  get #step() {
    const steps = page.now.right.step;
    return Present.#still() ? steps : Math.min(steps, this.#tick % (steps + Present.REST));
  }

  /** With the next frame, if it is open. */
  repaint() {
    if (!this.home.open || this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  /** Maps of other peaks that are drawn too, asked for one after the other. */
  #ask() {
    const {data, state, now} = page;
    if (data.busy || !state.token) return;
    const wanted = [state.peak, ...now.right.found.slice(0, Present.MOST).map(one => one.peak)];
    const missing = wanted.find(k => data.peaks[k] && !data.parts.has(k));
    if (missing === undefined || this.#asked === `${state.token}:${missing}`) return;
    this.#asked = `${state.token}:${missing}`;
    wire.ask('pick', {peak: missing});
  }

  #draw() {
    const {data, now} = page;
    if (!data.photo) return;
    const chapter = chapters.PAGES[this.#page];
    const ready = !!data.match && !data.looking;
    if (ready && !now.byPeak.has(page.state.peak) && now.right.found.length) acts.pick(now.right.found[0].peak);
    this.#ask();
    this.#tell(chapter, ready && !!now.right.found.length);
    this.#paint(ready && now.right.found.length ? chapter : chapters.PAGES[0]);
  }

  /** @param {Chapter} chapter @param {boolean} found whether there is an instance to speak of */
  #tell(chapter, found) {
    const {data} = page;
    const {count, title, sentence, why, legend} = this.parts;
    const waits = data.looking || (!data.match && !data.empty);
    const told = found || this.#page === 0;
    count.textContent = `${this.#page + 1} of ${chapters.PAGES.length}`;
    title.textContent = chapter.title;
    const none = data.empty ? `${data.empty.title}.` : 'Nothing is found surely enough to be drawn.';
    const text = waits ? `${data.busy || 'Looking'} …` : told ? chapter.sentence(this.layers) : none;
    sentence.textContent = text;
    const story = photos.story();
    why.hidden = !story || waits || (chapter.name !== 'photo' && chapter.name !== 'masks');
    why.textContent = story;
    const rows = waits || !told ? [] : chapter.legend(this.layers, this.#step);
    dom.fill(legend, markup.html`${rows.map(Present.#row)}`);
    this.note.textContent = rows.length ? chapter.note() : '';
    this.canvas.setAttribute('aria-label', `${chapter.title}: ${text}`);
    for (const [i, dot] of this.dots.entries()) {
      if (i === this.#page) dot.setAttribute('aria-current', 'step');
      else dot.removeAttribute('aria-current');
    }
    const names = Present.#pictures();
    const at = names.indexOf(data.photo?.example ?? '');
    this.which.textContent = names.length > 1 ? `picture ${at + 1} of ${names.length}` : '';
  }

  /** @param {LegendRow} row */
  static #row({colour, name, share, value}) {
    return markup.html`
      <li style="--own:${colour}"><i></i><span>${name}</span><u><s style="width:${(100 * share).toFixed(1)}%"></s></u>
        <b>${value}</b></li>`;
  }

  /** @param {Chapter} chapter */
  #paint(chapter) {
    const {canvas, picture} = this;
    const [width, height] = dom.known(page.data.photo).size;
    const k = Math.min(picture.clientWidth / width, picture.clientHeight / height);
    const [w, h] = [Math.floor(width * k), Math.floor(height * k)];
    if (!w || !h) return;
    const dpr = devicePixelRatio || 1;
    canvas.style.cssText = `width:${w}px;height:${h}px`;
    canvas.width = Math.round(w * dpr);
    canvas.height = Math.round(h * dpr);
    const g = dom.known(canvas.getContext('2d'));
    g.setTransform(dpr, 0, 0, dpr, 0, 0);
    const size = Math.max(18, Math.min(30, w / 45));
    chapter.draw({g, w, h, size}, this.layers, this.#step);
    picture.classList.toggle('waits', page.data.looking);
  }
}
