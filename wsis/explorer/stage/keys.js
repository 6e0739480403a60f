// @ts-check
// Letters that act anywhere on the page, except where somebody types or a dialog is open.
const keys = (() => {
  const TYPED = 'input:not([type=range], [type=checkbox], [type=radio], [type=button]), textarea, select';
  /** @type {Map<string, () => void>} */
  const letters = new Map();

  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.defaultPrevented) return;
    if (dom.hit(event, TYPED) || dom.hit(event, '[contenteditable=true]')) return;
    if (document.querySelector('dialog[open]')) return;
    const act = letters.get(event.key.toLowerCase());
    if (!act) return;
    event.preventDefault();
    act();
  });
  return {
    /** From now on a letter does this. @param {string} letter @param {() => void} act */
    on(letter, act) {
      letters.set(letter, act);
    },
  };
})();
