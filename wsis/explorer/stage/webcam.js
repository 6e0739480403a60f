// @ts-check
// The dialog in which a photo is taken.
class Webcam {
  /** @type {MediaStream | null} */
  #stream = null;

  /** @param {HTMLElement} element the photo panel @param {(photo: Blob | null) => void} taken */
  constructor(element, taken) {
    this.dialog = dom.one(element, 'dialog', HTMLDialogElement);
    this.video = dom.one(element, 'video', HTMLVideoElement);
    this.why = dom.one(element, '.why', HTMLElement);
    this.take = dom.one(element, '.take', HTMLButtonElement);
    this.taken = taken;
    // Before, it has no picture and no size.
    this.video.addEventListener('loadeddata', () => {
      this.take.disabled = false;
    });
    dom.one(element, '.cancel', HTMLElement).addEventListener('click', () => this.#close());
    this.dialog.addEventListener('cancel', () => this.#close());
    this.take.addEventListener('click', () => this.#shoot());
  }

  async open() {
    this.why.hidden = true;
    this.video.hidden = false;
    this.take.disabled = true;
    this.dialog.showModal();
    try {
      const wanted = {facingMode: 'environment', width: {ideal: 1280}};
      this.#stream = await navigator.mediaDevices.getUserMedia({video: wanted});
      if (!this.dialog.open) return this.#close(); // cancelled before the visitor allowed it
      this.video.srcObject = this.#stream;
    } catch {
      this.video.hidden = true;
      this.why.hidden = false;
      this.why.textContent =
        'No camera can be reached. Allow it in the browser (it needs https or localhost), or upload a photo.';
    }
  }

  #shoot() {
    const canvas = document.createElement('canvas');
    canvas.width = this.video.videoWidth;
    canvas.height = this.video.videoHeight;
    paint.context(canvas).drawImage(this.video, 0, 0);
    const shot = (/** @type {Blob | null} */ photo) => {
      this.#close();
      this.taken(photo);
    };
    canvas.toBlob(shot, 'image/jpeg', 0.92);
  }

  #close() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.dialog.close();
  }
}
