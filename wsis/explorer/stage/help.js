// @ts-check
// Shortcuts and the key to the numbers, behind `?`; the same words under the pointer.
const help = (() => {
  const {glossary} = wsis.config;
  const box = () => document.querySelector('#help dialog');

  function open() {
    const dialog = box();
    if (dialog instanceof HTMLDialogElement && !dialog.open) dialog.showModal();
  }
  document.addEventListener('click', event => {
    const dialog = box();
    if (!(dialog instanceof HTMLDialogElement)) return;
    if (dom.hit(event, '[data-help]')) open();
    else if (dom.hit(event, '#help [data-close]') || event.target === dialog) dialog.close();
  });
  document.addEventListener('pointerover', event => {
    const said = glossary.find(({where}) => dom.hit(event, where));
    const hit = said && dom.hit(event, said.where);
    if (hit && !hit.title) hit.title = said.text;
  });
  keys.on('?', open);
  return {open};
})();
