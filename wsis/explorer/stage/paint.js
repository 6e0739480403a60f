// Numbers to pixels: maps, masks and thumbnails on small canvases at the partition's size.
(() => {
const W = globalThis.wsis, M = W.match, D = W.data;
const rgb = text => [1, 3, 5].map(i => parseInt(text.slice(i, i + 2), 16));
const packed = ([r, g, b], a) => (a << 24 | b << 16 | g << 8 | r) >>> 0;  // as Uint32 over RGBA bytes, little-endian
const INFERNO = Uint8Array.from(atob(W.config.inferno), c => c.charCodeAt(0));
// Clear where nothing responds, so that the photo shows through; the same ramp as render.over_map.
const HEAT = Uint32Array.from({length: 256}, (_, i) => packed(INFERNO.subarray(3 * i, 3 * i + 3), Math.round(255 * Math.min(1, i / 96))));
const WHITE = Uint32Array.of(0, packed([255, 255, 255], 255));

function canvas(w, h, fill) {
  const made = new OffscreenCanvas(w, h), g = made.getContext('2d'), image = g.createImageData(w, h);
  fill(new Uint32Array(image.data.buffer));
  g.putImageData(image, 0, 0);
  return made;
}
const kept = new WeakMap();  // by the numbers that it was made of
function once(source, kind, make) {
  if (!kept.has(source)) kept.set(source, {});
  return kept.get(source)[kind] ||= make();
}
const heat = map => once(map, 'heat', () => canvas(map.w, map.h, out => { for (let i = 0; i < out.length; i++) out[i] = HEAT[map.v[i]]; }));
const white = map => once(map, 'white', () => canvas(map.w, map.h, out => { for (let i = 0; i < out.length; i++) out[i] = WHITE[map.v[i] ? 1 : 0]; }));

// Regions in flat colours with a solid edge. top: for each region 0 or 1 + index of its colour.
function regions(top, colours, alpha, edges = true) {
  const {w, h, labels} = D.photo.partition;
  const fill = [0, ...colours.map(c => packed(rgb(c), alpha))], line = [0, ...colours.map(c => packed(rgb(c), 255))];
  return canvas(w, h, out => {
    const here = new Uint8Array(w * h);
    for (let i = 0; i < here.length; i++) here[i] = top[labels[i]];
    for (let y = 0, i = 0; y < h; y++) for (let x = 0; x < w; x++, i++) {
      const n = here[i];
      if (!n) continue;
      const edge = edges && (x === 0 || x === w - 1 || y === 0 || y === h - 1 || here[i - 1] !== n || here[i + 1] !== n || here[i - w] !== n || here[i + w] !== n);
      out[i] = edge ? line[n] : fill[n];
    }
  });
}
const recent = new Map();  // the last few pictures of masks, by what they show
function cached(key, make) {
  if (!recent.has(key)) {
    if (recent.size > 24) recent.delete(recent.keys().next().value);
    recent.set(key, make());
  }
  return recent.get(key);
}
const clear = () => recent.clear();

function instances(found, data, colour) {  // one colour an instance
  const key = 'i' + found.map(one => one.peak + ':' + one.id + colour(one)).join();
  return cached(key, () => regions(M.regions(data.match, found, D.areas), found.map(colour), 120));
}
function proposal(field, slot, colour, alpha = 100) {
  return cached(`p${field.ids[slot]}${colour}${alpha}`, () => regions(Uint8Array.from(D.areas, (_, r) => M.inside(field, slot, r)), [colour], alpha));
}
function box(field, slot) {  // [x0, y0, x1, y1] of a proposal, exclusive end
  const {boxes} = D.photo.partition, found = [1e9, 1e9, -1, -1];
  for (let r = 0; r < D.areas.length; r++) if (D.areas[r] && M.inside(field, slot, r)) {
    found[0] = Math.min(found[0], boxes[4 * r]); found[1] = Math.min(found[1], boxes[4 * r + 1]);
    found[2] = Math.max(found[2], boxes[4 * r + 2]); found[3] = Math.max(found[3], boxes[4 * r + 3]);
  }
  return [found[0], found[1], found[2] + 1, found[3] + 1];
}
function square(field, slot, margin = .15) {  // [x, y, side] around a proposal, within the photo
  const {w, h} = D.photo.partition, [x0, y0, x1, y1] = box(field, slot);
  const side = Math.min(Math.max(Math.max(x1 - x0, y1 - y0) * (1 + 2 * margin), .2 * Math.max(w, h)), w, h);
  const keep = (at, most) => Math.min(Math.max(at, 0), most);
  return [keep((x0 + x1 - side) / 2, w - side), keep((y0 + y1 - side) / 2, h - side), side];
}
const small = new Map();
// A proposal in a peak's colour, everything else dimmed. Sampled straight from the partition: small, so quick.
function thumbnail(target, field, slot, colour) {
  const key = [D.photo.serial, field.ids[slot], colour, target.width].join();
  if (target.shows === key) return;
  target.shows = key;
  if (!small.has(key)) {
    if (small.size > 400) small.clear();
    small.set(key, thumb(target.width, field, slot, rgb(colour)));
  }
  target.getContext('2d').putImageData(small.get(key), 0, 0);
}
function thumb(n, field, slot, own) {
  const [x, y, side] = square(field, slot), {w, h, labels} = D.photo.partition, {image} = D.photo, fx = image.naturalWidth / w, fy = image.naturalHeight / h;
  const g = new OffscreenCanvas(n, n).getContext('2d', {willReadFrequently: true}), within = Uint8Array.from(D.areas, (_, r) => M.inside(field, slot, r));
  g.drawImage(image, x * fx, y * fy, side * fx, side * fy, 0, 0, n, n);
  const data = g.getImageData(0, 0, n, n), p = data.data, columns = Int32Array.from({length: n}, (_, u) => Math.floor(x + (u + .5) / n * side));
  for (let i = 0, v = 0; v < n; v++) for (let u = 0, row = Math.floor(y + (v + .5) / n * side) * w; u < n; u++, i += 4) {
    const on = within[labels[row + columns[u]]];
    for (let c = 0; c < 3; c++) p[i + c] = on ? p[i + c] * .72 + own[c] * .28 : p[i + c] * .42;
  }
  return data;
}
W.paint = {heat, white, instances, proposal, square, thumbnail, clear, rgb, packed, canvas};
})();
