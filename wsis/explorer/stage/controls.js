// @ts-check
// The bars over the stage: views and opacity; steps, what is compared, grids, films to take away.
class Controls {
  /** @param {HTMLElement} element @param {Player} player @param {() => void} repaint */
  constructor(element, player, repaint) {
    this.player = player;
    this.views = dom.all(element, '.views button');
    this.steps = dom.one(element, '.steps', HTMLElement);
    this.compare = dom.one(element, '.compare', HTMLElement);
    this.list = dom.one(element, '.compare select', HTMLSelectElement);
    this.against = dom.one(element, '.against', HTMLButtonElement);
    this.published = dom.one(element, '.published', HTMLButtonElement);
    this.truth = dom.one(element, '.truth', HTMLButtonElement);
    this.take = dom.one(element, '.take', HTMLElement);
    this.grids = dom.all(element, '[data-grid]');
    this.opacity = dom.one(element, '.opacity input', HTMLInputElement);
    this.percent = dom.one(element, '.opacity b', HTMLElement);
    for (const b of this.views) b.addEventListener('click', () => player.show(/** @type {View} */ (b.dataset.view)));
    this.list.addEventListener('change', () => acts.setCompare(this.list.value));
    this.against.addEventListener('click', () => acts.setCompare(page.state.swipe ? 'off' : page.state.compare));
    this.published.addEventListener('click', () => {
      if (!Controls.#asPublished()) return acts.setCompare(acts.PUBLISHED);
      acts.setCompare('naive');
      acts.setCompare('off');
    });
    this.truth.addEventListener('click', () => page.change({truth: !page.state.truth}, 'view'));
    for (const b of this.grids)
      b.addEventListener('click', () => acts.openGrid(b.dataset.grid === 'peaks' ? 'peaks' : 'enhancers'));
    this.opacity.addEventListener('input', () => {
      page.state.opacity = Number(this.opacity.value) / 100;
      this.draw();
      repaint();
    });
    this.opacity.addEventListener('change', () => link.write());
  }

  draw() {
    const {state} = page;
    for (const b of this.views) b.setAttribute('aria-pressed', String(b.dataset.view === state.view));
    this.#drawSteps();
    this.#drawCompared();
    this.compare.hidden = !state.swipe;
    this.against.setAttribute('aria-pressed', String(state.swipe));
    this.published.setAttribute('aria-checked', String(Controls.#asPublished()));
    this.truth.hidden = !page.data.photo?.truth;
    this.truth.setAttribute('aria-pressed', String(state.truth));
    for (const b of this.grids) b.setAttribute('aria-pressed', String(page.data.grid?.what === b.dataset.grid));
    this.opacity.value = String(state.opacity * 100);
    dom.text(this.percent, `${Math.round(state.opacity * 100)}%`);
  }

  /** Whether the left of the swipe shows the maps as published. */
  static #asPublished() {
    return page.state.swipe && page.state.compare === acts.PUBLISHED;
  }

  #drawSteps() {
    const {data, now} = page;
    const count = data.match ? data.steps + 1 : 0;
    this.steps.hidden = this.take.hidden = count < 2;
    if (this.steps.children.length !== count + 1)
      this.steps.replaceChildren(
        ...Array.from({length: count}, (_, i) => this.#stepButton(i)),
        Controls.#button('▶', 'Play the steps', () => this.player.play()),
      );
    const step = this.player.step ?? now.right.step;
    for (const [i, b] of [...this.steps.children].entries())
      if (i < count) b.setAttribute('aria-pressed', String(i === step));
  }

  /** @param {number} i */
  #stepButton(i) {
    return Controls.#button(i ? String(i) : 't 0', `Step ${i}`, () => {
      const {view} = page.state;
      this.player.show(Player.STILL.includes(view) ? 'enhanced' : view, i);
    });
  }

  /** @param {string} text @param {string} label @param {() => void} act */
  static #button(text, label, act) {
    const b = document.createElement('button');
    b.type = 'button';
    b.textContent = text;
    b.setAttribute('aria-label', label);
    b.addEventListener('click', act);
    return b;
  }

  #drawCompared() {
    const {state, data} = page;
    const others = data.enhancers.filter(name => name !== 'none' && name !== data.enhancer);
    const options = [
      ['naive', 'without enhancing'],
      [acts.PUBLISHED, 'as published'],
      ...others.map(name => [name, wsis.config.enhancers[name].short]),
    ];
    const grown = options.map(([value, text]) => markup.html`<option value="${value}">${text}</option>`);
    const by = models.others().map(name => markup.html`<option value="${models.MODEL}${name}">${name}</option>`);
    dom.fill(
      this.list,
      markup.html`${grown}${by.length > 0 && markup.html`<optgroup label="Models">${by}</optgroup>`}`,
    );
    this.list.value = state.compare;
    if (!this.list.value) this.list.value = 'naive';
  }
}
