// @ts-check
// The last few uploads also stay in this browser, by the analysis they became: when the server has let go of one, or
// was started anew and the page with it, they can be analysed again.
const shelf = (() => {
  const KEPT = 8;
  /** @typedef {{file: Blob, name: string, at: number}} Kept */
  /** @type {Promise<IDBDatabase>} */
  const opened = new Promise((done, fail) => {
    const asked = indexedDB.open('wsis', 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore('photos');
    asked.onsuccess = () => done(asked.result);
    asked.onerror = () => fail(asked.error);
  });
  opened.catch(() => {}); // a private window may have none: then there is only what this page holds

  /**
   * What a request brings; null where there is no shelf, or it could not be asked.
   * @template T
   * @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest<T>} work
   * @returns {Promise<T | null>}
   */
  async function request(mode, work) {
    try {
      const asked = work((await opened).transaction('photos', mode).objectStore('photos'));
      return await new Promise(done => {
        asked.onsuccess = () => done(asked.result);
        asked.onerror = () => done(null);
      });
    } catch {
      return null;
    }
  }
  /** @param {string} token @returns {Promise<Kept | null | undefined>} */
  const get = token => request('readonly', store => store.get(token));
  /** @param {string} token @param {Blob} file @param {string} name */
  async function put(token, file, name) {
    await request('readwrite', store => store.put({file, name, at: Date.now()}, token));
    const tokens = (await request('readonly', store => store.getAllKeys())) || [];
    /** @type {Kept[]} */
    const all = (await request('readonly', store => store.getAll())) || [];
    const old = tokens
      .map((token, i) => ({token, at: all[i].at}))
      .sort((a, b) => b.at - a.at)
      .slice(KEPT);
    for (const {token} of old) await request('readwrite', store => store.delete(token));
  }
  return {get, put};
})();
