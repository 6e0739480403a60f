// Any panel: Python renders it, a click on something with data-act goes back to Python.
element.addEventListener('click', event => {
  const preview = event.target.closest('[data-preview]');
  if (preview) {
    const i = +preview.dataset.preview, again = preview.getAttribute('aria-pressed') === 'true';
    document.dispatchEvent(new CustomEvent('wsis:preview', {detail: again ? null : i}));
    return;
  }
  const found = event.target.closest('[data-act]');
  if (found) trigger('select', JSON.parse(found.dataset.act));
});
element.addEventListener('change', event => {
  const list = event.target.closest('select[data-key]');
  if (!list || !list.value) return;
  trigger('select', list.dataset.key === 'class' ? {name: list.value, on: true} : {[list.dataset.key]: list.value});
});
element.addEventListener('keydown', event => {  // arrow keys walk through a list of peaks
  const list = event.target.closest('.peaks'), by = {ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1}[event.key];
  if (!list || !by) return;
  const all = [...list.children], next = all[(all.indexOf(event.target) + by + all.length) % all.length];
  event.preventDefault();
  next.focus();
  next.click();
});
document.addEventListener('wsis:previewed', event => {
  for (const b of element.querySelectorAll('[data-preview]')) b.setAttribute('aria-pressed', +b.dataset.preview === event.detail && event.detail !== null);
});
