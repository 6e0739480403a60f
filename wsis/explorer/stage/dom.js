// @ts-check
// Elements of the page: found, filled where something changed, scrolled into sight.
const dom = (() => {
  /**
   * What must be there.
   * @template T
   * @param {T} value
   * @returns {NonNullable<T>}
   */
  function known(value) {
    if (value === null || value === undefined) throw new Error('Something that the page needs is not there.');
    return value;
  }
  /**
   * The first of a kind below another element.
   * @template {HTMLElement} T
   * @param {ParentNode} home @param {string} selector @param {{new (): T}} kind
   */
  function one(home, selector, kind) {
    const element = home.querySelector(selector);
    if (element instanceof kind) return element;
    throw new Error(`There is no ${selector}.`);
  }
  /**
   * @param {ParentNode} home @param {string} selector
   * @returns {HTMLElement[]}
   */
  const all = (home, selector) => [...home.querySelectorAll(selector)].filter(one => one instanceof HTMLElement);
  /**
   * The place in the page that a script fills; null before Gradio has put it there.
   * @param {string} id
   * @returns {HTMLElement | null}
   */
  const host = id => document.querySelector(`#${id} [data-host]`);
  /**
   * The element of a kind that an event happened in.
   * @param {Event} event @param {string} selector
   * @returns {HTMLElement | null}
   */
  const hit = (event, selector) => (event.target instanceof Element ? event.target.closest(selector) : null);
  /**
   * The input that an event is about.
   * @param {Event} event
   */
  function input(event) {
    const {target} = event;
    if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) return target;
    throw new Error('An input was expected.');
  }

  /** @type {WeakMap<object, string>} */
  const shown = new WeakMap();
  /**
   * Whether an element shows something else than this; from now on it shows this.
   * @param {object} element @param {string} key
   */
  function changed(element, key) {
    if (shown.get(element) === key) return false;
    shown.set(element, key);
    return true;
  }
  /**
   * Other content, where it is another; the keyboard's place is kept.
   * @param {HTMLElement | null} home @param {Markup} content
   */
  function fill(home, content) {
    if (home && changed(home, content.text)) replace(home, content);
  }
  /**
   * Other content that is going to be changed in place, so that `fill` begins anew.
   * @param {HTMLElement} home @param {Markup} content
   */
  function build(home, content) {
    replace(home, content);
    shown.delete(home);
  }
  /** Another text, where it is another: the same text anew would be laid out anew. */
  function text(/** @type {HTMLElement} */ home, /** @type {string} */ content) {
    const only = home.childNodes.length === 1 && home.firstChild;
    if (only instanceof Text) {
      if (only.data !== content) only.data = content;
    } else if (home.textContent !== content) home.textContent = content;
  }
  /** @param {HTMLElement} home @param {Markup} content */
  function replace(home, content) {
    const controls = 'button, select, input';
    const active = document.activeElement;
    const at = active instanceof HTMLElement ? all(home, controls).indexOf(active) : -1;
    home.innerHTML = content.text;
    if (at >= 0) all(home, controls)[at]?.focus({preventScroll: true});
  }
  /**
   * As `fill`, for what changes with every move of a slider: what stays the same is kept, and only the rest laid out
   * anew. Not for content that another script fills or listens to, nor for inputs, whose values are not attributes.
   * @param {HTMLElement} home @param {Markup} content
   */
  function update(home, content) {
    if (!changed(home, content.text)) return;
    const made = document.createElement('template');
    made.innerHTML = content.text;
    adopt(home, made.content);
  }
  /** @param {Element} old @param {ParentNode & Node} made */
  function adopt(old, made) {
    const before = [...old.childNodes];
    const after = [...made.childNodes];
    for (const [i, now] of after.entries()) {
      const was = before[i];
      if (was === undefined) old.append(now);
      else if (was.nodeName !== now.nodeName) was.replaceWith(now);
      else if (!(was instanceof Element && now instanceof Element)) {
        if (was.nodeValue !== now.nodeValue) was.nodeValue = now.nodeValue;
      } else if (!was.isEqualNode(now)) {
        for (const {name} of [...was.attributes]) if (!now.hasAttribute(name)) was.removeAttribute(name);
        for (const {name, value} of now.attributes) if (was.getAttribute(name) !== value) was.setAttribute(name, value);
        adopt(was, now);
      }
    }
    for (const was of before.slice(after.length)) was.remove();
  }
  /**
   * One of a list scrolls into sight below the list's head; the page stays where it is.
   * @param {Element} box @param {Element | null} one @param {number} head its height
   */
  function reveal(box, one, head) {
    if (!one || box.scrollHeight <= box.clientHeight) return;
    const outer = box.getBoundingClientRect();
    const inner = one.getBoundingClientRect();
    box.scrollTop += Math.min(0, inner.top - outer.top - head) || Math.max(0, inner.bottom - outer.bottom + 8);
  }
  return {known, one, all, host, hit, input, changed, fill, update, text, build, reveal};
})();
