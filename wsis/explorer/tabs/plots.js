// @ts-check
// The plots below the stage under the pointer: a dot or a region shows its proposal on the stage; a click on a dot
// keeps it there, a click on a region sets the weights to where it was. Each dot carries its proposal's number last
// among its `customdata`, each region as the `meta` of its trace: see plots.py. Gradio hears no clicks in a plot, so
// this does.
const plots = (() => {
  const {state} = page;
  /** @type {WeakSet<Element>} */
  const known = new WeakSet();

  /** The proposal of a dot or region; null for what is none. @param {PlotEvent} event */
  function proposal({points}) {
    const [one] = points ?? [];
    const id = one?.data?.meta ?? (Array.isArray(one?.customdata) ? one.customdata.at(-1) : undefined);
    return typeof id === 'number' ? id : null;
  }
  /** Weights at the pointer in the plane of two. @param {PlotElement} plot @param {MouseEvent} event */
  function weightsAt(plot, {clientX, clientY}) {
    const {xaxis, yaxis} = plot._fullLayout;
    const box = plot.getBoundingClientRect();
    const at = [xaxis.p2d(clientX - box.left - xaxis._offset), yaxis.p2d(clientY - box.top - yaxis._offset)];
    const {ranges} = presets.current();
    const w = [...state.weights];
    for (const [i, axis] of state.axes.entries()) w[axis] = weights.tidy(Math.max(0, at[i]), ranges[axis][1]);
    return w;
  }
  /** @param {PlotElement} plot */
  function listen(plot) {
    if (known.has(plot) || !plot.on) return;
    known.add(plot);
    const plane = !!plot.closest('#sensitivity-plot');
    plot.on('plotly_hover', event => ranking.point(proposal(event)));
    plot.on('plotly_unhover', () => ranking.point(null));
    plot.on('plotly_click', event => {
      const id = proposal(event);
      if (id === null) return;
      if (plane) acts.setWeights(weightsAt(plot, event.event));
      else ranking.pin(id);
    });
  }
  /** Gradio draws a plot when it likes, and sometimes anew. */
  function look() {
    for (const plot of document.querySelectorAll('#below .js-plotly-plot'))
      listen(/** @type {PlotElement} */ (/** @type {unknown} */ (plot)));
  }
  document.addEventListener('pointerover', event => {
    if (dom.hit(event, '#landscape-plot, #sensitivity-plot')) look();
  });
  return {look};
})();
