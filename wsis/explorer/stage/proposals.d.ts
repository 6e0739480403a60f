/**
 * Proposals that differ, the triangle, the sliders and the plots: what `alike.js`, `simplex.js`, `travel.js` and
 * `tabs/plots.js` share. Only for the type checker: nothing of this file reaches a browser.
 */

/** All proposals of one peak at every step: terms and tints of `steps` x `count`. */
interface PackedRunners {
  count: number;
  steps: number;
  terms: Packed;
  tints: Packed;
  rates: Packed;
}

/** Pixels of each region. */
type Areas = Int32Array | number[];
/** Entries of a ranking that are alike, best first, and their places, from 1. */
interface Group {
  entries: number[];
  places: number[];
}
/** Who wins in the triangle of the weights, by cells of the square around it; -1 outside it. */
interface Simplex {
  winners: Int32Array;
  width: number;
  height: number;
}
/** Where one entry wins as one weight moves. */
interface Stretch {
  low: number;
  high: number;
  entry: number;
}
/** Values of a weight, and where its slider's thumb stands at them, both rising. */
interface Knots {
  values: number[];
  places: number[];
}
/** What one mask has and another has not: in shares of that other, and on which side of it, see `alike.py`. */
interface Change {
  share: number;
  side: string;
}

/** As much of plotly as `tabs/plots.js` needs: an axis from pixels to numbers, what an event is about, a plot. */
interface PlotAxis {
  _offset: number;
  p2d(pixels: number): number;
}
interface PlotEvent {
  event: MouseEvent;
  points?: {customdata?: unknown; data?: {meta?: unknown}}[];
}
interface PlotElement extends HTMLElement {
  on?(name: string, then: (event: PlotEvent) => void): void;
  _fullLayout: {xaxis: PlotAxis; yaxis: PlotAxis};
}
