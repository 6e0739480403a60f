// @ts-check
// Python and the command line that give exactly this screen, as Python says them, ready to be copied.
const code = (() => {
  const home = () => dom.one(document, '#code', HTMLElement);
  /** @param {string} name */
  const said = name => dom.one(home(), `[data-said=${name}]`, HTMLElement);

  /** @param {CodeMessage} message */
  function show({python, command, leftOut}) {
    said('python').textContent = python;
    said('command').textContent = command;
    const left = dom.one(home(), '.left-out', HTMLElement);
    left.hidden = !leftOut.length;
    left.textContent = `The command line cannot set ${leftOut.join(', ')}; take the Python lines.`;
    const dialog = dom.one(home(), 'dialog', HTMLDialogElement);
    if (!dialog.open) dialog.showModal();
  }
  /** @param {HTMLElement} button */
  async function copy(button) {
    const text = said(button.dataset.copy ?? '');
    try {
      await navigator.clipboard.writeText(text.textContent ?? '');
      button.textContent = 'Copied';
    } catch {
      dom.known(getSelection()).selectAllChildren(text);
      button.textContent = 'Press Ctrl+C';
    }
    setTimeout(() => {
      button.textContent = 'Copy';
    }, 1800);
  }
  document.addEventListener('click', event => {
    if (dom.hit(event, '[data-code]')) return wire.ask('code');
    const button = dom.hit(event, '#code [data-copy]');
    if (button) return copy(button);
    if (
      dom.hit(event, '#code [data-close]') ||
      (event.target instanceof Element && event.target.matches('#code dialog'))
    )
      dom.one(home(), 'dialog', HTMLDialogElement).close();
  });
  return {show};
})();
