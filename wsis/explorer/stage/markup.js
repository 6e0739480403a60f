// @ts-check
// HTML from templates in which every value is escaped, unless it is HTML itself.
/** Text that may stand in the page as it is. */
class Markup {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }

  toString() {
    return this.text;
  }
}
const markup = (() => {
  /** @type {Record<string, string>} */
  const ENTITIES = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;'};
  /** @param {unknown} text */
  const escaped = text => String(text).replace(/[&<>"']/g, c => ENTITIES[c]);

  /** @type {WeakMap<TemplateStringsArray, string[]>} */
  const flat = new WeakMap();
  /**
   * The fixed parts of a template on one line: what separates lines is gone between tags, and a space within text.
   * @param {TemplateStringsArray} parts
   */
  function lines(parts) {
    const known = flat.get(parts);
    if (known) return known;
    const made = parts.map(part =>
      part
        .replace(/^\s*\n\s*$/, '')
        .replace(/>\s*\n\s*/g, '>')
        .replace(/\s*\n\s*</g, '<')
        .replace(/\s*\n\s*/g, ' '),
    );
    flat.set(parts, made);
    return made;
  }
  /**
   * A value as HTML: lists one after the other, nothing for null, undefined and false.
   * @param {unknown} value
   * @returns {string}
   */
  function shown(value) {
    if (value instanceof Markup) return value.text;
    if (Array.isArray(value)) return value.map(shown).join('');
    return value === null || value === undefined || value === false ? '' : escaped(value);
  }
  /** @param {TemplateStringsArray} parts @param {...unknown} values */
  function html(parts, ...values) {
    return new Markup(String.raw({raw: lines(parts)}, ...values.map(shown)));
  }
  return {html};
})();
