// @ts-check
// The five pages of a presentation: a picture, one sentence made from the analysis on the screen, a legend.
const chapters = (() => {
  const {state, data} = page;
  const {numbers: NUMBERS} = wsis.config;
  /** Opacity of maps, and how dark the photo is below them. */
  const HEAT = 0.8;
  const DIM = 0.42;
  /** A response at or above this, of 255, hides what the colour may hide. */
  const FULL = 150;

  /** @param {number} n */
  const inWords = n => NUMBERS[n] ?? words.count(n);
  /** @param {string} text */
  const capital = text => text[0].toUpperCase() + text.slice(1);
  /** @param {number} share */
  const percent = share => (share >= 0.005 || !share ? `${Math.round(100 * share)}%` : 'less than 1%');
  /** @param {string[]} parts */
  const joined = parts => (parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`);
  /** @param {string} name */
  const quoted = name => `“${name}”`;

  /** The instances that pictures show, each with its peak. */
  const found = () => page.now.right.found.map(one => ({...one, of: data.peaks[one.peak]}));
  /** How often each class is found, in the order of the best. */
  function counted() {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const {of} of found()) counts.set(of.name, (counts.get(of.name) ?? 0) + 1);
    return [...counts];
  }
  /** The winner of the picked peak, as Eq. 5 has it. */
  function winner() {
    const {right, byPeak} = page.now;
    const field = data.match;
    if (!field) return null;
    const entry =
      byPeak.get(state.peak)?.entry ?? match.best(field, right.step * data.peaks.length + state.peak, state.weights);
    const rate = field.rates[field.slots[entry]];
    return {terms: match.terms(field, entry), rate, score: match.score(field, entry, state.weights)};
  }
  /** The maps that a peak begins with: its response (Eq. 2) where there is one. @param {Part | undefined} part */
  function first(part) {
    const response = /** @type {{response?: string | null} | undefined} */ (part)?.response;
    if (response) return {url: response, own: true};
    return {url: part?.maps[0], own: data.settings.naive === 'response'};
  }
  /** Share of the photo that is set in V at each step; null while it is not known. @param {Layers} layers */
  function grown(layers) {
    const {part} = page.now;
    const maps = (part?.binary ?? []).slice(0, page.now.right.step + 1).map(url => layers.numbers(url));
    return maps.map(map => map && map.v.reduce((sum, value) => sum + (value ? 1 : 0), 0) / map.v.length);
  }

  /** @type {WeakMap<Grey, Map<string, OffscreenCanvas>>} */
  const tinted = new WeakMap();
  /** A map in the colour of its peak. @param {Grey} map @param {string} colour */
  function tint(map, colour) {
    const known = tinted.get(map) ?? new Map();
    tinted.set(map, known);
    const made =
      known.get(colour) ??
      paint.canvas(map.w, map.h, out => {
        const ramp = Uint32Array.from({length: 256}, (_, v) =>
          paint.packed(paint.rgb(colour), 225 * Math.min(1, v / FULL)),
        );
        for (let i = 0; i < out.length; i++) out[i] = ramp[map.v[i]];
      });
    known.set(colour, made);
    return made;
  }
  /** @param {Board} board @param {number} shade how much of the photo is dark */
  function photo({g, w, h}, shade = 0) {
    g.imageSmoothingQuality = 'high';
    g.drawImage(dom.known(data.photo).image, 0, 0, w, h);
    g.fillStyle = `rgba(10, 12, 16, ${shade})`;
    g.fillRect(0, 0, w, h);
  }
  /** @param {Board} board @param {OffscreenCanvas} layer @param {number} alpha */
  function over({g, w, h}, layer, alpha) {
    g.globalAlpha = alpha;
    g.drawImage(layer, 0, 0, w, h);
    g.globalAlpha = 1;
  }
  /**
   * A ring with a number beside it, of every shown instance or of one.
   * @param {Board} board @param {number | null} only
   */
  function rings({g, w, h, size}, only = null) {
    for (const [i, {peak, of}] of found().entries()) {
      if (only !== null && peak !== only) continue;
      const [x, y, r] = [of.x * w, of.y * h, size * 0.62];
      for (const [width, ink] of /** @type {[number, string][]} */ ([
        [size * 0.36, '#fff'],
        [size * 0.2, of.colour],
      ])) {
        g.lineWidth = width;
        g.strokeStyle = ink;
        g.beginPath();
        g.arc(x, y, r, 0, 2 * Math.PI);
        g.stroke();
      }
      if (only !== null) continue;
      const left = x + 2 * size > w ? x - 2.2 * size : x + size;
      g.fillStyle = of.colour;
      g.beginPath();
      g.roundRect(left, y - 0.72 * size, 1.25 * size, 1.44 * size, 0.3 * size);
      g.fill();
      g.fillStyle = '#101216';
      g.font = `700 ${size}px system-ui, sans-serif`;
      g.textAlign = 'center';
      g.textBaseline = 'middle';
      g.fillText(String(i + 1), left + 0.63 * size, y + 0.04 * size);
    }
  }
  /** @param {(one: {of: Peak, score: number}) => number} value @param {(value: number) => string} told */
  function each(value, told) {
    const rows = found();
    const most = Math.max(...rows.map(value), 1e-9);
    return rows.map((one, i) => ({
      colour: one.of.colour,
      name: `${one.of.name} ${i + 1}`,
      share: value(one) / most,
      value: told(value(one)),
    }));
  }

  /** @type {Chapter[]} */
  const PAGES = [
    {
      name: 'photo',
      title: 'The photo',
      sentence: () => {
        const seen = data.classes
          .filter(({name}) => data.on.includes(name))
          .map(one => `${quoted(one.name)} (${words.unit(one.score)})`);
        const such = quoted(data.on[0] ?? data.classes[0]?.name ?? '');
        const all = words.plural(data.classes.length, 'class', 'classes');
        const here = joined(seen) || 'none of them surely';
        return `Taught ${all} by labels such as ${such}, never by outlines of them, it sees ${here} here.`;
      },
      note: () => 'class score: how likely the class is somewhere in the photo',
      legend: () =>
        data.classes
          .filter(({name}) => data.on.includes(name))
          .slice(0, 6)
          .map(({name, score}) => ({
            colour: data.peaks.find(peak => peak.name === name)?.colour ?? '#9aa0ab',
            name,
            share: score,
            value: words.unit(score),
          })),
      draw: board => photo(board),
    },
    {
      name: 'where it looks',
      title: 'Where it looks',
      sentence: () => {
        const counts = counted();
        const places = counts.map(
          ([name, n], i) =>
            `${inWords(n)}${i ? '' : n === 1 ? ' place that speaks' : ' places that speak'} for ${quoted(name)}`,
        );
        return `It finds ${joined(places)}: peaks of the class maps, each the start of one object.`;
      },
      note: () =>
        first(page.data.parts.get(state.peak)).own
          ? 'peak value; in colour the response (Eq. 2), brightest where a pixel raises its peak most'
          : 'peak value; in colour the class map: brightest where the class answers most',
      legend: () =>
        each(
          ({of}) => of.value,
          value => value.toFixed(1),
        ),
      draw: (board, layers) => {
        photo(board, DIM);
        const own = first(page.data.parts.get(state.peak)).own;
        for (const {peak, of} of own ? found() : []) {
          const map = layers.numbers(first(data.parts.get(peak)).url);
          if (map) over(board, tint(map, of.colour), 1);
        }
        const map = own ? null : layers.numbers(page.now.part?.classmap);
        if (map) over(board, paint.heat(map), HEAT);
        rings(board);
      },
    },
    {
      name: 'grows',
      title: 'Grows',
      sentence: layers => {
        const shares = grown(layers);
        const [from, to] = [shares[0], shares.at(-1)];
        const of = `The map of ${quoted(data.peaks[state.peak].name)}`;
        if (page.now.right.step < 1) return `${of} is matched as it is: nothing grows it.`;
        if (from === null || from === undefined || to === null || to === undefined)
          return `${of} grows over its object.`;
        const moved = Math.abs(to - from) < 0.005 ? 'stays at' : to > from ? 'grows from' : 'shrinks from';
        const ends =
          moved === 'stays at' ? `${percent(to)} of the photo` : `${percent(from)} of the photo to ${percent(to)}`;
        const steps = words.plural(page.now.right.step, 'step');
        return `${of} is spread to what belongs together: its bright part ${moved} ${ends} in ${steps}.`;
      },
      note: () => 'V: the pixels above Otsu’s threshold, as a share of the photo, at each step t',
      legend: (layers, t) =>
        grown(layers).map((share, i) => ({
          colour: i === t ? data.peaks[state.peak].colour : '#5b616d',
          name: `t = ${i}`,
          share: share ?? 0,
          value: share === null ? '' : percent(share),
        })),
      draw: (board, layers, t) => {
        photo(board, DIM);
        const map = layers.numbers(page.now.part?.maps[t]);
        if (map) over(board, paint.heat(map), HEAT);
        rings(board, state.peak);
      },
    },
    {
      name: 'chooses',
      title: 'Chooses',
      sentence: () => {
        const {total = 0} = dom.known(data.photo);
        const {score} = dom.known(winner());
        const of = quoted(data.peaks[state.peak].name);
        const best = `best: a score of ${words.short(score)} (Eq. 5)`;
        return `Of ${words.count(total)} proposed outlines, this one fits the map of ${of} ${best}.`;
      },
      note: () => {
        const {rate} = dom.known(winner());
        const counts =
          rate === 1 ? '' : `, and counts ${words.short(rate, 2)}-fold, for how likely it is one whole object`;
        return `terms of the chosen outline, 0 to 1; the score is their sum, each times its weight α, β or γ${counts}`;
      },
      legend: () =>
        presets.current().meaning.flatMap(([name], i) => {
          if (name === words.UNUSED) return [];
          const value = dom.known(winner()).terms[i];
          const symbol = `${words.SYMBOLS[i]} ${words.weight(state.weights[i], presets.current().ranges[i][0])}`;
          return [
            {
              colour: `var(--${words.TERMS[i]})`,
              name: `${name} × ${symbol}`,
              share: Math.max(0, Math.min(1, value)),
              value: words.short(value, 2),
            },
          ];
        }),
      draw: (board, layers) => {
        photo(board, DIM);
        const whole = [0, 0, ...Layers.frame()];
        layers.draw(board.g, 'proposal', page.now.right, page.now.right.step, whole, [0, 0, board.w, board.h], null);
        rings(board, state.peak);
      },
    },
    {
      name: 'masks',
      title: 'The masks',
      sentence: () => {
        const {unsure} = page.now.right;
        const listed = counted().map(([name, n]) =>
          n === 1 ? quoted(name) : `${quoted(name)} ${n === 2 ? 'twice' : `${inWords(n)} times`}`,
        );
        const many = found().length;
        const doubt = unsure.length
          ? ` ${capital(inWords(unsure.length))} more ${unsure.length === 1 ? 'is' : 'are'} unsure, dashed.`
          : '';
        return `${capital(inWords(many))} ${many === 1 ? 'object' : 'objects'} found: ${joined(listed)}.${doubt}`;
      },
      note: () => 'mask score: how likely the class is, times how well map and mask agree',
      legend: () => each(({score}) => score, words.unit).map((row, i) => ({...row, share: found()[i].score})),
      draw: (board, layers) => {
        const whole = [0, 0, ...Layers.frame()];
        layers.draw(board.g, 'instances', page.now.right, page.now.right.step, whole, [0, 0, board.w, board.h], null);
        rings(board);
      },
    },
  ];
  return {PAGES};
})();
