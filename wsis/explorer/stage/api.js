// @ts-check
// What the page offers to Gradio's components and events (`layout.py`, `tabs/`), and to whoever tests and measures it.
Object.assign(wsis, {
  match,
  words,
  alike,
  travel,
  unpack,
  presets,
  receive,
  state: page.state,
  data: page.data,
  change: page.change,
  listen: page.listen,
  notice: page.notice,
  look: wire.look,
  failed: wire.failed,
  open: link.open,
  pick: acts.pick,
  setWeights: acts.setWeights,
  touch,
  openTab: acts.openTab,
  saveFile: acts.saveFile,
  /** @param {HTMLElement} element @param {{value: Message}} props @param {Trigger} trigger @param {Watch} watch */
  stage(element, props, trigger, watch) {
    wire.mount(trigger);
    new Stage(element);
    watch('value', () => wsis.receive(props.value));
  },
  photos: photos.mount,
  whole: whole.mount,
  results: results.mount,
  tune: tune.mount,
  teach: teach.mount,
  teachFailed: teach.failed,
  why: why.mount,
  whyFailed: why.failed,
  saveTuned: tune.save,
});
Object.defineProperty(wsis, 'now', {get: () => page.now});
