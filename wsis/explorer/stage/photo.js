// The photo panel: upload, drop, paste, camera, examples. A file goes to the server, its path to Python.
globalThis.wsis.photos = (element, upload) => {
const W = globalThis.wsis, $ = s => element.querySelector(s);
const dialog = $('dialog'), video = $('video');
let stream = null, next = null, last = null;  // the photo under way, and the one on the screen: [file, name, its picture]
const caption = () => W.data.photo?.example ? '' : W.data.photo?.name || '';
function say(text) { $('figcaption').textContent = text; }
async function send(file, name) {
  if (!file) return;
  const mine = next = [file, name || file.name || 'photo'];
  element.classList.add('busy');
  say('Uploading …');
  W.looking('Uploading');
  preview(mine);
  try {
    const sent = await upload(file instanceof File ? file : new File([file], name || 'photo.png', {type: file.type}));
    if (next === mine) W.look('upload', {path: sent.path, name: mine[1]}, 'Finding what is where');
    say(caption());
  } catch (error) {
    next = null;
    W.back();
    say(caption());
    const told = /^HTTP \d+: (.+\.)$/.exec(error.message)?.[1];  // the server's own sentence
    W.notice(told || 'The upload did not arrive. Is the file too large, or the server gone? Try again, or a smaller file.');
  }
  element.classList.remove('busy');
}
async function preview(mine) {  // what the browser can show is on the stage at once
  const image = new Image();
  image.src = URL.createObjectURL(mine[0]);
  try { await image.decode(); } catch { return URL.revokeObjectURL(image.src); }
  if (next === mine && W.data.looking && (W.state.token || W.data.photo?.name !== mine[1])) W.begin({name: mine[1], src: image.src, image, size: [image.naturalWidth, image.naturalHeight], serial: image.src});
}
// The last few uploads also stay in this browser, by the analysis they became: when the server has let go of one, or was
// started anew and the page with it, they can be analysed again.
const KEPT = 8;
const shelf = new Promise((done, fail) => {
  const asked = indexedDB.open('wsis', 1);
  asked.onupgradeneeded = () => asked.result.createObjectStore('photos');
  asked.onsuccess = () => done(asked.result);
  asked.onerror = () => fail(asked.error);
});
shelf.catch(() => {});  // a private window may have none: then there is only what this page holds
async function shelved(mode, work) {
  try {
    const store = (await shelf).transaction('photos', mode).objectStore('photos'), asked = work(store);
    return await new Promise(done => { asked.onsuccess = () => done(asked.result); asked.onerror = () => done(null); });
  } catch { return null; }
}
async function keep(token) {
  await shelved('readwrite', store => store.put({file: last[0], name: last[1], at: Date.now()}, token));
  const tokens = await shelved('readonly', store => store.getAllKeys()) || [], all = await shelved('readonly', store => store.getAll()) || [];
  const old = tokens.map((t, i) => [all[i].at, t]).sort((a, b) => b[0] - a[0]).slice(KEPT);
  for (const [, t] of old) await shelved('readwrite', store => store.delete(t));
}
const mine = () => last?.[2] === W.data.photo?.src ? last : null;
W.photo = {
  choose: () => $('.file').click(),
  held: async token => !!mine() || !!await shelved('readonly', store => store.get(token)),
  async again(token) {
    const found = await shelved('readonly', store => store.get(token));
    if (found) return send(found.file, found.name);
    if (mine()) return send(...mine());
    if (W.data.photo?.example) return W.look('example', {name: W.data.photo.example}, 'Finding what is where');
    $('.file').click();
  },
};
$('.upload').addEventListener('click', W.photo.choose);
$('.file').addEventListener('change', event => { send(event.target.files[0]); event.target.value = ''; });
$('.paste').addEventListener('click', async () => {
  try {
    for (const item of await navigator.clipboard.read()) {
      const type = item.types.find(t => t.startsWith('image/'));
      if (type) return send(await item.getType(type), 'pasted.' + type.slice(6));
    }
    say('There is no image on the clipboard. Copy one first.');
  } catch (error) {
    say('Press Ctrl+V (⌘V) to paste an image here.');
  }
});
// Files dropped on the proposals or the data set belong there; anywhere else they are photos.
const elsewhere = event => event.target.closest?.('#advanced, #tab-tune, [role=tabpanel]');
document.addEventListener('paste', event => {
  const file = [...event.clipboardData?.files || []].find(f => f.type.startsWith('image/'));
  if (file) { event.preventDefault(); send(file, file.name || 'pasted.png'); }
});
document.addEventListener('dragover', event => { if (event.dataTransfer?.types.includes('Files') && !elsewhere(event)) { event.preventDefault(); document.body.classList.add('dropping'); } });
document.addEventListener('dragleave', event => { if (!event.relatedTarget) document.body.classList.remove('dropping'); });
document.addEventListener('drop', event => {
  document.body.classList.remove('dropping');
  if (event.dataTransfer?.files.length && !elsewhere(event)) { event.preventDefault(); send(event.dataTransfer.files[0]); }
});
function close() { stream?.getTracks().forEach(t => t.stop()); stream = null; dialog.close(); }
$('.camera').addEventListener('click', async () => {
  const why = $('.why');
  why.hidden = true; video.hidden = false; $('.take').disabled = true;
  dialog.showModal();
  try {
    stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: 'environment', width: {ideal: 1280}}});
    if (!dialog.open) return close();  // cancelled before the visitor allowed it
    video.srcObject = stream;
  } catch (error) {
    video.hidden = true; why.hidden = false;
    why.textContent = 'No camera can be reached. Allow it in the browser (it needs https or localhost), or upload a photo.';
  }
});
video.addEventListener('loadeddata', () => { $('.take').disabled = false; });  // before, it has no picture and no size
$('.cancel').addEventListener('click', close);
dialog.addEventListener('cancel', close);
$('.take').addEventListener('click', () => {
  const c = document.createElement('canvas');
  c.width = video.videoWidth; c.height = video.videoHeight;
  c.getContext('2d').drawImage(video, 0, 0);
  c.toBlob(blob => { close(); send(blob, 'camera.jpg'); }, 'image/jpeg', .92);
});
for (const b of element.querySelectorAll('.examples button')) b.addEventListener('click', () => { next = null; W.look('example', {name: b.dataset.example}, 'Finding what is where'); });
W.listen(why => {
  if (why === 'photo' && W.state.token && W.data.asked?.act === 'finish' && next?.[1] === W.data.photo.name) last = [...next, W.data.photo.src];
  if (['photo', 'analysis'].includes(why) && W.state.token && mine()) keep(W.state.token);
  if (why !== 'photo' && why !== 'back') return;
  $('figure img').hidden = !W.data.photo;
  say(caption());
  if (!W.data.photo) return;
  $('figure img').src = W.data.photo.src;
  for (const b of element.querySelectorAll('.examples button')) b.setAttribute('aria-pressed', b.dataset.example === W.data.photo.example);
});
};
