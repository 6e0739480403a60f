// @ts-check
// Numbers to pixels: maps, masks and thumbnails on small canvases at the partition's size.
const paint = (() => {
  const {data} = page;
  /**
   * The one colour of a proposal, wherever it is shown: the peak's for the winner, grey for what can win nowhere.
   * @param {Field} field @param {number} entry @param {number} winner the entry that wins
   */
  const tint = (field, entry, winner) =>
    entry === winner ? data.peaks[page.state.peak].colour : wsis.config.tints[field.tints[entry]];
  /** #rrggbb as three numbers. @param {string} text */
  const rgb = text => [1, 3, 5].map(i => parseInt(text.slice(i, i + 2), 16));
  /** As Uint32 over RGBA bytes, little-endian. @param {ArrayLike<number>} colour @param {number} alpha */
  const packed = ({0: r, 1: g, 2: b}, alpha) => ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
  const INFERNO = Uint8Array.from(atob(wsis.config.inferno), c => c.charCodeAt(0));
  /** Clear where nothing responds, so that the photo shows through; the same ramp as render.over_map. */
  const HEAT = Uint32Array.from({length: 256}, (_, i) =>
    packed(INFERNO.subarray(3 * i, 3 * i + 3), Math.round(255 * Math.min(1, i / 96))),
  );
  /** Opacities where a map has one colour. */
  const ROOT = Uint8Array.from({length: 256}, (_, i) => Math.round(0.8 * 255 * Math.sqrt(i / 255)));
  const WHITE = Uint32Array.of(0, packed([255, 255, 255], 255));
  /** How much of a peak's colour its thumbnail takes on, and how bright everything else stays. */
  const TINT = 0.28;
  const DIM = 0.42;
  /** How much of their colours gained and lost pixels take on. */
  const TOLD = 0.72;

  /** @param {OffscreenCanvas | HTMLCanvasElement} canvas */
  function context(canvas) {
    const g = canvas.getContext('2d');
    if (g instanceof OffscreenCanvasRenderingContext2D || g instanceof CanvasRenderingContext2D) return g;
    throw new Error('This browser cannot draw.');
  }
  /** @param {number} w @param {number} h @param {(pixels: Uint32Array) => void} fill */
  function canvas(w, h, fill) {
    const made = new OffscreenCanvas(w, h);
    const g = context(made);
    const image = g.createImageData(w, h);
    fill(new Uint32Array(image.data.buffer));
    g.putImageData(image, 0, 0);
    return made;
  }
  /** A picture of a map, drawn once for as long as there is the map. @param {(value: number) => number} ink */
  function ofMaps(ink) {
    /** @type {WeakMap<Grey, OffscreenCanvas>} */
    const drawn = new WeakMap();
    return (/** @type {Grey} */ map) => {
      const known = drawn.get(map);
      if (known) return known;
      const made = canvas(map.w, map.h, out => {
        for (let i = 0; i < out.length; i++) out[i] = ink(map.v[i]);
      });
      drawn.set(map, made);
      return made;
    };
  }
  const heat = ofMaps(value => HEAT[value]);
  const white = ofMaps(value => WHITE[value ? 1 : 0]);

  const GAINED = '#34c795';
  const LOST = '#ff5d5d';
  /** @type {WeakMap<Grey, OffscreenCanvas>} */
  const changed = new WeakMap();
  /**
   * What a binary map gained (green) and lost (red) to the one before it: outlines, faintly filled.
   * @param {Grey} before @param {Grey} after the same size
   */
  function change(before, after) {
    const known = changed.get(after);
    if (known) return known;
    const {w, h} = after;
    const of = Uint8Array.from(after.v, (now, i) => (now && !before.v[i] ? 1 : !now && before.v[i] ? 2 : 0));
    const inks = [GAINED, LOST].map(ink => [packed(rgb(ink), 46), packed(rgb(ink), 255)]);
    const made = canvas(w, h, out => {
      for (let i = 0; i < of.length; i++) {
        if (!of[i]) continue;
        const x = i % w;
        const inner = x > 0 && x < w - 1 && of[i - 1] === of[i] && of[i + 1] === of[i];
        const edge = !inner || of[i - w] !== of[i] || of[i + w] !== of[i];
        out[i] = inks[of[i] - 1][Number(edge)];
      }
    });
    changed.set(after, made);
    return made;
  }
  /**
   * A map in one colour, as opaque as the root of its values: responses are low but for a few cells.
   * @param {Grey} map @param {string} colour
   */
  function tinted(map, colour) {
    const ink = rgb(colour);
    return canvas(map.w, map.h, out => {
      for (let i = 0; i < out.length; i++) out[i] = packed(ink, ROOT[map.v[i]]);
    });
  }

  const partition = () => dom.known(data.photo?.partition);
  const areas = () => dom.known(data.areas);
  /** Which regions a proposal has. @param {Field} field @param {number} slot */
  const within = (field, slot) => Uint8Array.from(areas(), (_, r) => match.inside(field, slot, r));

  /**
   * Regions in flat colours with a solid edge.
   * @param {Uint8Array} top for each region 0 or 1 + index of its colour
   * @param {string[]} colours @param {number} alpha @param {boolean[]} hatched which of them hands have changed
   */
  function regions(top, colours, alpha, hatched = []) {
    const {w, h, labels} = partition();
    const here = new Uint8Array(w * h);
    for (let i = 0; i < here.length; i++) here[i] = top[labels[i]];
    return flat(here, w, h, colours, alpha, hatched);
  }
  /**
   * Pixels in flat colours with a solid edge.
   * @param {Uint8Array} here for each pixel 0 or 1 + index of its colour @param {number} w @param {number} h
   * @param {string[]} colours @param {number} alpha @param {boolean[]} hatched
   */
  function flat(here, w, h, colours, alpha, hatched) {
    const fill = [0, ...colours.map(c => packed(rgb(c), alpha))];
    const line = [0, ...colours.map(c => packed(rgb(c), 255))];
    const stripe = [0, ...colours.map((c, i) => packed(rgb(c), hatched[i] ? Math.min(255, 1.7 * alpha) : alpha))];
    const wide = Math.max(8, Math.round(Math.max(w, h) / 56));
    return canvas(w, h, out => {
      for (let y = 0, i = 0; y < h; y++)
        for (let x = 0; x < w; x++, i++) {
          const n = here[i];
          if (!n) continue;
          const rim = x === 0 || x === w - 1 || y === 0 || y === h - 1;
          const edge = rim || here[i - 1] !== n || here[i + 1] !== n || here[i - w] !== n || here[i + w] !== n;
          out[i] = edge ? line[n] : ((x + y) % wide < wide / 4 ? stripe : fill)[n];
        }
    });
  }
  /** The last few pictures of masks, by what they show. @type {Map<string, OffscreenCanvas>} */
  const recent = new Map();
  /** @param {string} key @param {() => OffscreenCanvas} make */
  function cached(key, make) {
    const known = recent.get(key);
    if (known) return known;
    if (recent.size > 24) recent.delete(dom.known(recent.keys().next().value));
    const made = make();
    recent.set(key, made);
    return made;
  }
  const clear = () => recent.clear();

  /** @param {Instance[]} found @param {Field} field @param {(instance: Instance) => string} colour */
  function instances(found, field, colour) {
    const key = `i${page.state.token}${found.map(one => `${one.peak}:${one.slot}${colour(one)}`).join()}`;
    const hatched = found.map(one => one.byHand);
    return cached(key, () => regions(match.regions(field, found, areas()), found.map(colour), 120, hatched));
  }
  /**
   * Instances that are unsure: dashed outlines, dark between the dashes, with nothing inside.
   * @param {Instance[]} found @param {Field} field @param {(instance: Instance) => string} colour
   */
  function unsure(found, field, colour) {
    const {w, h, labels} = partition();
    const long = Math.max(16, Math.round(Math.max(w, h) / 20));
    return cached(`u${page.state.token}${found.map(one => `${one.slot}${colour(one)}`).join()}`, () =>
      canvas(w, h, out => {
        for (const one of [...found].reverse()) {
          const members = within(field, one.slot);
          const inks = [packed([12, 14, 18], 150), packed(rgb(colour(one)), 255)];
          const inside = (/** @type {number} */ x, /** @type {number} */ y) =>
            x >= 0 && y >= 0 && x < w && y < h && members[labels[y * w + x]];
          for (let y = 0, i = 0; y < h; y++)
            for (let x = 0; x < w; x++, i++) {
              if (!members[labels[i]]) continue;
              const inner = inside(x - 2, y) && inside(x + 2, y) && inside(x, y - 2) && inside(x, y + 2);
              if (!inner) out[i] = inks[Number((x + 2 * y) % long < long / 2)];
            }
        }
      }),
    );
  }
  /** A mask that was drawn at the photo's own pixels. @param {Grey} mask @param {string} colour @param {string} key */
  function drawn(mask, colour, key) {
    return cached(`m${key}${colour}`, () => flat(mask.v, mask.w, mask.h, [colour], 120, [true]));
  }
  /** A mask that is being painted. @param {Uint8Array} members @param {string} colour */
  const members = (members, colour) => regions(members, [colour], 130, [true]);
  /** @param {Field} field @param {number} slot @param {string} colour @param {number} alpha */
  function proposal(field, slot, colour, alpha) {
    return cached(`p${page.state.token}${slot}:${field.ids[slot]}${colour}${alpha}`, () =>
      regions(within(field, slot), [colour], alpha),
    );
  }
  /** What two have in common, what the first gains and what it loses. */
  const COMMON = '#c9ccd3';
  /**
   * For each region 1 where two proposals have it, 2 where only the first does, 3 where only the second does.
   * @param {Field} field @param {number} slot @param {number} against
   */
  const parts = (field, slot, against) =>
    Uint8Array.from(areas(), (_, r) => {
      const mine = match.inside(field, slot, r);
      return match.inside(field, against, r) ? (mine ? 1 : 3) : 2 * mine;
    });
  /** A proposal beside another. @param {Field} field @param {number} slot @param {number} against */
  function difference(field, slot, against, alpha = 120) {
    const key = `d${page.state.token}${page.state.peak}:${field.ids[slot]}:${field.ids[against]}:${alpha}`;
    return cached(key, () => regions(parts(field, slot, against), [COMMON, GAINED, LOST], alpha));
  }
  /** [x0, y0, x1, y1] of a proposal, exclusive end. @param {Field} field @param {number} slot */
  function box(field, slot, /** @type {number | null} */ also = null) {
    const {boxes, areas} = partition();
    const found = [1e9, 1e9, -1, -1];
    for (let r = 0; r < areas.length; r++)
      if (areas[r] && (match.inside(field, slot, r) || (also !== null && match.inside(field, also, r)))) {
        found[0] = Math.min(found[0], boxes[4 * r]);
        found[1] = Math.min(found[1], boxes[4 * r + 1]);
        found[2] = Math.max(found[2], boxes[4 * r + 2]);
        found[3] = Math.max(found[3], boxes[4 * r + 3]);
      }
    return [found[0], found[1], found[2] + 1, found[3] + 1];
  }
  /**
   * [x, y, side] around a proposal, within the photo.
   * @param {Field} field @param {number} slot @param {number} margin @param {number | null} also another one
   */
  function square(field, slot, margin = 0.15, also = null) {
    const {w, h} = partition();
    const [x0, y0, x1, y1] = box(field, slot, also);
    const wanted = Math.max(Math.max(x1 - x0, y1 - y0) * (1 + 2 * margin), 0.2 * Math.max(w, h));
    const side = Math.min(wanted, w, h);
    /** @param {number} at @param {number} most */
    const keep = (at, most) => Math.min(Math.max(at, 0), most);
    return [keep((x0 + x1 - side) / 2, w - side), keep((y0 + y1 - side) / 2, h - side), side];
  }

  /** @type {Map<string, ImageData>} */
  const thumbnails = new Map();
  /**
   * A proposal in a peak's colour, or beside another one, everything else dimmed. Sampled straight from the partition:
   * small, so quick.
   * @param {HTMLCanvasElement} target @param {Field} field @param {number} slot @param {string} colour
   * @param {number | null} against slot of the other one
   */
  function thumbnail(target, field, slot, colour, against = null) {
    const other = against === null ? '' : field.ids[against];
    const edited = data.hands && page.state.token;
    const key = [data.photo?.serial, edited, slot, field.ids[slot], colour, target.width, other].join();
    if (!dom.changed(target, key)) return;
    const known = thumbnails.get(key);
    const drawn = known ?? sampled(target.width, field, slot, rgb(colour), against);
    if (!known) {
      if (thumbnails.size > 400) thumbnails.clear();
      thumbnails.set(key, drawn);
    }
    context(target).putImageData(drawn, 0, 0);
  }
  /**
   * @param {number} n pixels @param {Field} field @param {number} slot @param {number[]} ink
   * @param {number | null} against
   */
  function sampled(n, field, slot, ink, against) {
    const [x, y, side] = square(field, slot, 0.15, against);
    const {w, h, labels} = partition();
    const {image} = dom.known(data.photo);
    const fx = image.naturalWidth / w;
    const fy = image.naturalHeight / h;
    const g = dom.known(new OffscreenCanvas(n, n).getContext('2d', {willReadFrequently: true}));
    g.drawImage(image, x * fx, y * fy, side * fx, side * fy, 0, 0, n, n);
    const drawn = g.getImageData(0, 0, n, n);
    const p = drawn.data;
    const chosen = against === null ? within(field, slot) : parts(field, slot, against);
    const tints = against === null ? [TINT] : [0, TOLD, TOLD];
    const inks = against === null ? [ink] : [ink, rgb(GAINED), rgb(LOST)];
    const columns = Int32Array.from({length: n}, (_, u) => Math.floor(x + ((u + 0.5) / n) * side));
    for (let i = 0, v = 0; v < n; v++) {
      const row = Math.floor(y + ((v + 0.5) / n) * side) * w;
      for (let u = 0; u < n; u++, i += 4) {
        const on = chosen[labels[row + columns[u]]];
        // Beside another one all but what differs is grey.
        if (against !== null) p.fill(0.3 * p[i] + 0.59 * p[i + 1] + 0.11 * p[i + 2], i, i + 3);
        for (let c = 0; c < 3; c++)
          p[i + c] = on ? p[i + c] * (1 - tints[on - 1]) + inks[on - 1][c] * tints[on - 1] : p[i + c] * DIM;
      }
    }
    return drawn;
  }
  return {
    ...{tint, heat, white, change, tinted, instances, unsure, drawn, members, proposal, difference, square},
    ...{thumbnail, clear, rgb, packed, canvas, context},
  };
})();
