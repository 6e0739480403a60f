// @ts-check
// What Python packed, as numbers and pictures again: see `pack` and `field` in wsis/explorer/payload.py.
const unpack = (() => {
  const TYPES = {u1: Uint8Array, u2: Uint16Array, i4: Int32Array, f4: Float32Array, f8: Float64Array};

  /** @param {Packed} packed */
  async function array({t, z}) {
    const bytes = Uint8Array.from(atob(z), c => c.charCodeAt(0));
    const plain = new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate')));
    return new TYPES[t](await plain.arrayBuffer());
  }
  /**
   * @param {PackedField | null} packed
   * @returns {Promise<Field | null>}
   */
  async function field(packed) {
    if (!packed) return null;
    const arrays = await Promise.all(Object.entries(packed).map(async ([name, one]) => [name, await array(one)]));
    const made = Object.fromEntries(arrays);
    return {...made, stride: made.bits.length / made.ids.length};
  }
  /**
   * What may fill up the list: see `offers` in wsis/explorer/payload.py.
   * @param {AnalysisMessage['offers']} packed @param {Uint8Array} bits of all proposals @param {number} stride
   * @returns {Promise<Offers | null>}
   */
  async function offers(packed, bits, stride) {
    if (!packed) return null;
    const [peaks, ids, scores] = await Promise.all([packed.peaks, packed.ids, packed.scores].map(array));
    return {peaks: Int32Array.from(peaks), ids: Int32Array.from(ids), scores: Float64Array.from(scores), bits, stride};
  }
  /**
   * All proposals of a peak, ranked at every step: see `runners` in wsis/explorer/payload.py.
   * @param {PackedRunners | null} packed @param {Uint8Array} bits of all proposals
   * @returns {Promise<Field | null>}
   */
  async function runners(packed, bits) {
    if (!packed) return null;
    const [terms, tints, rates] = await Promise.all([packed.terms, packed.tints, packed.rates].map(array));
    const {count, steps} = packed;
    return {
      ids: Int32Array.from({length: count}, (_, i) => i),
      bits,
      stride: bits.length / count,
      offsets: Int32Array.from({length: steps + 1}, (_, i) => i * count),
      slots: Uint16Array.from({length: steps * count}, (_, i) => i % count),
      terms: Float32Array.from(terms),
      tints: Uint8Array.from(tints),
      fits: new Float32Array(0),
      rates: Float32Array.from(rates),
    };
  }
  /** @param {string} url */
  async function picture(url) {
    const image = new Image();
    image.src = url;
    await image.decode();
    return image;
  }
  /** @param {HTMLImageElement} image */
  function pixels(image) {
    const {naturalWidth: w, naturalHeight: h} = image;
    const g = dom.known(new OffscreenCanvas(w, h).getContext('2d', {willReadFrequently: true}));
    g.drawImage(image, 0, 0);
    return {w, h, rgba: g.getImageData(0, 0, w, h).data};
  }
  /**
   * A grey PNG back to its numbers.
   * @param {string} url
   * @returns {Promise<Grey>}
   */
  async function grey(url) {
    const {w, h, rgba} = pixels(await picture(url));
    const v = new Uint8Array(w * h);
    for (let i = 0; i < v.length; i++) v[i] = rgba[4 * i];
    return {w, h, v};
  }
  /**
   * Region of each pixel; area, box and sums of coordinates of each region.
   * @param {string} url of the labels, region = red + 256 x green
   * @param {Packed} packed areas
   * @returns {Promise<Partition>}
   */
  async function partition(url, packed) {
    const [{w, h, rgba}, areas] = await Promise.all([picture(url).then(pixels), array(packed)]);
    const labels = new Uint16Array(w * h);
    const boxes = new Int32Array(4 * areas.length);
    const sums = new Float64Array(2 * areas.length);
    for (let r = 0; r < areas.length; r++) boxes.set([w, h, -1, -1], 4 * r);
    for (let i = 0, y = 0; y < h; y++)
      for (let x = 0; x < w; x++, i++) {
        labels[i] = rgba[4 * i] | (rgba[4 * i + 1] << 8);
        const b = 4 * labels[i];
        sums[2 * labels[i]] += x;
        sums[2 * labels[i] + 1] += y;
        if (x < boxes[b]) boxes[b] = x;
        if (y < boxes[b + 1]) boxes[b + 1] = y;
        if (x > boxes[b + 2]) boxes[b + 2] = x;
        if (y > boxes[b + 3]) boxes[b + 3] = y;
      }
    return {w, h, labels, areas: Int32Array.from(areas), boxes, sums};
  }
  /**
   * Whether the labels arrived as they were sent: some browsers falsify what a page reads from a picture, against
   * fingerprinting.
   * @param {Partition} partition
   */
  function intact({labels, areas}) {
    const counted = new Int32Array(areas.length);
    for (const label of labels) counted[label]++;
    return areas.every((area, r) => area === counted[r]);
  }
  return {array, field, offers, runners, picture, grey, partition, intact};
})();
