// @ts-check
// The bar over the stage: views, steps, what is compared, opacity.
class Controls {
  /** @param {HTMLElement} element @param {Player} player @param {() => void} repaint */
  constructor(element, player, repaint) {
    this.player = player;
    this.views = dom.all(element, '.views button');
    this.steps = dom.one(element, '.steps', HTMLElement);
    this.compare = dom.one(element, '.compare', HTMLElement);
    this.list = dom.one(element, '.compare select', HTMLSelectElement);
    this.opacity = dom.one(element, '.opacity input', HTMLInputElement);
    this.percent = dom.one(element, '.opacity b', HTMLElement);
    for (const b of this.views) b.addEventListener('click', () => player.show(/** @type {View} */ (b.dataset.view)));
    this.list.addEventListener('change', () => acts.setCompare(this.list.value));
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
    this.compare.style.visibility = state.view === 'classmap' && !models.others().length ? 'hidden' : '';
    this.opacity.value = String(state.opacity * 100);
    this.percent.textContent = `${Math.round(state.opacity * 100)}%`;
  }

  #drawSteps() {
    const {data, now} = page;
    const count = data.match ? data.steps + 1 : 0;
    this.steps.hidden = count < 2;
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
      this.player.show(view === 'classmap' ? 'response' : view, i);
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
      ['off', 'off'],
      ['naive', 'naive'],
      ...others.map(name => [name, wsis.config.enhancers[name].short]),
    ];
    const grown = options.map(([value, text]) => markup.html`<option value="${value}">${text}</option>`);
    const by = models.others().map(name => markup.html`<option value="${models.MODEL}${name}">${name}</option>`);
    dom.fill(
      this.list,
      markup.html`${grown}${by.length > 0 && markup.html`<optgroup label="Models">${by}</optgroup>`}`,
    );
    this.list.value = state.swipe ? state.compare : 'off';
    if (!this.list.value) this.list.value = 'naive';
  }
}
