// The tab Tune: a click on weights sets the sliders, one on a photo goes to Python.
element.addEventListener('click', event => {
  const weights = event.target.closest('[data-weights]'), photo = event.target.closest('[data-act]');
  if (weights) window.wsis?.setWeights?.(JSON.parse(weights.dataset.weights));
  if (photo) trigger('select', JSON.parse(photo.dataset.act));
});
