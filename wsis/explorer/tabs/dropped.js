// @ts-check
// What is dropped or chosen at once: the files in folders too, of these the photos and zips.
const dropped = (() => {
  /** All files of what was dropped, those in folders too. @param {DataTransfer} data */
  async function files(data) {
    const entries = [...data.items].map(one => one.webkitGetAsEntry?.()).filter(one => !!one);
    /** @type {File[]} */
    const found = [];
    /** @param {FileSystemEntry} entry @returns {Promise<void>} */
    const walk = async entry => {
      if (entry instanceof FileSystemFileEntry) return void found.push(await new Promise((f, no) => entry.file(f, no)));
      if (!(entry instanceof FileSystemDirectoryEntry)) return;
      const reader = entry.createReader();
      for (;;) {
        /** @type {FileSystemEntry[]} */
        const some = await new Promise((f, no) => reader.readEntries(f, no));
        if (!some.length) return;
        for (const one of some) await walk(one);
      }
    };
    if (!entries.length) return [...data.files];
    for (const entry of entries) await walk(entry);
    return found.sort((a, b) => a.name.localeCompare(b.name));
  }

  const ENDINGS = /\.(zip|jpe?g|png|webp|bmp|gif|tiff?|heic|heif|avif)$/i;
  /** Whether it may be a photo or a zip; Python says for sure. @param {File} file */
  const wanted = file => !file.name.startsWith('.') && (file.type.startsWith('image/') || ENDINGS.test(file.name));
  return {files, wanted};
})();
