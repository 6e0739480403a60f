// @ts-check
// The photo panel: upload, drop, paste, camera, examples. A file goes to the server, its path to Python.
const photos = (() => {
  const {state, data} = page;
  /** A photo of the visitor: the file, its name, and its picture once it is on the screen. */
  /** @typedef {{file: Blob, name: string, src?: string}} Own */
  /** The one under way. @type {Own | null} */
  let next = null;
  /** The one on the screen. @type {Own | null} */
  let last = null;
  /** @type {HTMLElement | null} */
  let panel = null;
  /** @type {Upload | null} */
  let upload = null;

  const home = () => dom.known(panel);
  const input = () => dom.one(home(), '.file', HTMLInputElement);
  const caption = () => (data.photo?.example ? '' : data.photo?.name || '');
  /** @param {string} text */
  function say(text) {
    dom.text(dom.one(home(), 'figcaption', HTMLElement), text);
  }
  /** @param {Blob | null | undefined} file @param {string} [given] its name, where it has none of its own */
  async function send(file, given) {
    if (!file) return;
    const name = given || (file instanceof File && file.name) || 'photo';
    const mine = {file, name};
    next = mine;
    home().classList.add('busy');
    say('Uploading …');
    arrival.announce('Uploading');
    preview(mine);
    try {
      const sent = await dom.known(upload)(
        file instanceof File ? file : new File([file], given || 'photo.png', {type: file.type}),
      );
      if (next === mine) wire.look('upload', {path: sent.path, name}, 'Finding what is where');
      say(caption());
    } catch (error) {
      next = null;
      arrival.undo();
      say(caption());
      const told = error instanceof Error && /^HTTP \d+: (.+\.)$/.exec(error.message)?.[1]; // the server's own sentence
      page.notice(
        told || 'The upload did not arrive. Is the file too large, or the server gone? Try again, or a smaller file.',
      );
    }
    home().classList.remove('busy');
  }
  /** What the browser can show is on the stage at once. @param {Own} mine */
  async function preview(mine) {
    const image = new Image();
    image.src = URL.createObjectURL(mine.file);
    const {src} = image;
    try {
      await image.decode();
    } catch {
      return URL.revokeObjectURL(src);
    }
    if (next !== mine || !data.looking || (!state.token && data.photo?.name === mine.name)) return;
    arrival.begin({
      name: mine.name,
      src,
      image,
      truth: null,
      size: [image.naturalWidth, image.naturalHeight],
      members: new Uint8Array(0),
      serial: src,
    });
  }
  /** The visitor's photo on the screen, if this page still holds it. */
  const shown = () => (last && last.src === data.photo?.src ? last : null);

  /** @param {string} token */
  const held = async token => !!shown() || !!(await shelf.get(token));
  const choose = () => input().click();
  /** Analyse once more what is no longer kept. @param {string | null} token */
  async function again(token) {
    const found = token === null ? null : await shelf.get(token);
    const photo = found || shown();
    if (photo) return send(photo.file, photo.name);
    if (data.photo?.example) return acts.openExample(data.photo.example);
    choose();
  }
  async function paste() {
    try {
      for (const item of await navigator.clipboard.read()) {
        const type = item.types.find(one => one.startsWith('image/'));
        if (type) return send(await item.getType(type), `pasted.${type.slice(6)}`);
      }
      say('There is no image on the clipboard. Copy one first.');
    } catch {
      say('Press Ctrl+V (⌘V) to paste an image here.');
    }
  }

  // --- from anywhere on the page ------------------------------------------------------------------------------------
  /** Files dropped on the proposals or the data set belong there. @param {DragEvent} event */
  const elsewhere = event => !!dom.hit(event, '#advanced, #tab-tune, [role=tabpanel]');
  function listen() {
    document.addEventListener('paste', event => {
      const file = [...(event.clipboardData?.files ?? [])].find(one => one.type.startsWith('image/'));
      if (!file) return;
      event.preventDefault();
      send(file, file.name || 'pasted.png');
    });
    document.addEventListener('dragover', event => {
      if (!event.dataTransfer?.types.includes('Files') || elsewhere(event)) return;
      event.preventDefault();
      document.body.classList.add('dropping');
    });
    document.addEventListener('dragleave', event => {
      if (!event.relatedTarget) document.body.classList.remove('dropping');
    });
    document.addEventListener('drop', event => {
      document.body.classList.remove('dropping');
      if (!event.dataTransfer?.files.length || elsewhere(event)) return;
      event.preventDefault();
      send(event.dataTransfer.files[0]);
    });
  }

  /** @param {HTMLElement} element @param {Upload} uploads */
  function mount(element, uploads) {
    panel = element;
    upload = uploads;
    /** @param {string} selector @param {() => void} act */
    const click = (selector, act) => dom.one(element, selector, HTMLElement).addEventListener('click', act);
    const webcam = new Webcam(element, photo => send(photo, 'camera.jpg'));
    click('.upload', choose);
    click('.paste', paste);
    click('.camera', () => webcam.open());
    input().addEventListener('change', () => {
      send(input().files?.[0]);
      input().value = '';
    });
    for (const b of dom.all(element, '.examples button'))
      b.addEventListener('click', () => {
        next = null;
        acts.openExample(b.dataset.example ?? '');
      });
    listen();
    page.listen(draw);
  }
  /** @param {Why} why */
  function draw(why) {
    const {photo} = data;
    if (why === 'photo' && state.token && data.asked?.act === 'finish' && next && next.name === photo?.name)
      last = {...next, src: photo.src};
    const mine = shown();
    if (['photo', 'analysis'].includes(why) && state.token && mine) shelf.put(state.token, mine.file, mine.name);
    if (why !== 'photo' && why !== 'back') return;
    const picture = dom.one(home(), 'figure img', HTMLImageElement);
    picture.hidden = !photo;
    say(caption());
    const fails = dom.one(home(), '.fails', HTMLElement);
    dom.text(fails, story());
    fails.hidden = !fails.textContent;
    if (!photo) return;
    picture.src = photo.src;
    for (const b of dom.all(home(), '.examples button'))
      b.setAttribute('aria-pressed', String(b.dataset.example === photo.example));
  }
  /** Why the example on the screen fails; empty where it does not, or another model may do better. */
  function story() {
    const name = data.model && data.model !== wsis.config.model.name ? '' : data.photo?.example;
    const b = dom.all(document, '#photo .examples button').find(one => name && one.dataset.example === name);
    return b?.dataset.why ?? '';
  }
  return {mount, choose, held, again, story};
})();
