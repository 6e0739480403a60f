// The photo panel: upload, drop, paste, camera, examples. A file goes to the server, its path to Python.
const $ = s => element.querySelector(s);
const dialog = $('dialog'), video = $('video');
let stream = null, caption = '';
function say(text) { $('figcaption').textContent = text; }
async function send(file, name) {
  if (!file) return;
  element.classList.add('busy');
  say('Uploading …');
  try {
    const sent = await upload(file instanceof File ? file : new File([file], name || 'photo.png', {type: file.type}));
    trigger('upload', {path: sent.path, name: name || file.name || 'photo'});
    say(caption);
  } catch (error) {
    say('The upload did not arrive. Is the file too large? Try a smaller one.');
  }
  element.classList.remove('busy');
}
$('.upload').addEventListener('click', () => $('.file').click());
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
document.addEventListener('paste', event => {
  const file = [...event.clipboardData?.files || []].find(f => f.type.startsWith('image/'));
  if (file && element.isConnected) { event.preventDefault(); send(file, file.name || 'pasted.png'); }
});
document.addEventListener('dragover', event => { if (event.dataTransfer?.types.includes('Files')) { event.preventDefault(); document.body.classList.add('dropping'); } });
document.addEventListener('dragleave', event => { if (!event.relatedTarget) document.body.classList.remove('dropping'); });
document.addEventListener('drop', event => {
  document.body.classList.remove('dropping');
  if (event.dataTransfer?.files.length && element.isConnected) { event.preventDefault(); send(event.dataTransfer.files[0]); }
});
function close() { stream?.getTracks().forEach(t => t.stop()); stream = null; dialog.close(); }
$('.camera').addEventListener('click', async () => {
  const why = $('.why');
  why.hidden = true; video.hidden = false; $('.take').disabled = true;
  dialog.showModal();
  try {
    stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: 'environment', width: {ideal: 1280}}});
    video.srcObject = stream;
    $('.take').disabled = false;
  } catch (error) {
    video.hidden = true; why.hidden = false;
    why.textContent = 'No camera can be reached. Allow it in the browser (it needs https or localhost), or upload a photo.';
  }
});
$('.cancel').addEventListener('click', close);
dialog.addEventListener('cancel', close);
$('.take').addEventListener('click', () => {
  const c = document.createElement('canvas');
  c.width = video.videoWidth; c.height = video.videoHeight;
  c.getContext('2d').drawImage(video, 0, 0);
  c.toBlob(blob => { close(); send(blob, 'camera.jpg'); }, 'image/jpeg', .92);
});
for (const b of element.querySelectorAll('.examples button')) b.addEventListener('click', () => trigger('select', {example: b.dataset.example}));
function receive() {
  const value = props.value;
  if (!value || typeof value !== 'object') return;
  $('figure img').src = value.src;
  $('figure img').hidden = false;
  caption = value.example ? '' : value.name;
  say(caption);
  for (const b of element.querySelectorAll('.examples button')) b.setAttribute('aria-pressed', b.dataset.example === value.example);
}
watch('value', receive);
receive();
