/**
 * What the page knows from the start: `wsis/explorer/layout.py` writes it.
 * Only for the type checker: nothing of this file reaches a browser.
 */

/** A preset of weights; `meaning`: name and explanation of each term, `ranges`: maximum and step of each slider. */
interface Preset {
  reading: string;
  weights: Weights;
  title: string;
  short?: string;
  formula: string;
  note: string;
  meaning: [string, string][];
  ranges: number[][];
}
/** What is the same here as in Python: constants of `wsis/instances.py` and `wsis/changes.py`, explained there. */
interface Rules {
  nms: number;
  object: number;
  leastObject: number;
  again: number;
  offersApart: number;
  settled: number;
  alike: number;
  groups: number;
  aside: number;
  flat: number;
  most: number;
  dull: number;
}
/** Settings that one click sets all at once: `whole.Whole`. */
interface Whole {
  title: string;
  note: string;
  enhancer: string;
  settings: ControlValues;
  step: number;
  fill: number;
  preset: string;
}
/**
 * What the page knows from the start: `layout.config`. `model` is the server's first; `terms` of Eq. 5 as the
 * stylesheet calls them, `symbols` of their weights, and `unused`, the name of a term that a reading does not have.
 */
interface Config {
  /** Which run of the server this page is of. */
  server: string;
  presets: Record<string, Preset>;
  main: string[];
  enhancers: Record<string, {title: string; short: string}>;
  enhancer: string;
  model: {name: string; enhancers: string[]; classes: number};
  step: number;
  steps: number;
  tints: string[];
  faded: number;
  settings: ControlValues;
  whole: Record<string, Whole>;
  mostFilled: number;
  inferno: string;
  terms: string[];
  symbols: string[];
  unused: string;
  rules: Rules;
  trust: TrustWords;
  numbers: string[];
  glossary: Record<'where' | 'text', string>[];
}
