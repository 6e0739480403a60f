/**
 * How often masks like one are right: `wsis/trust.py` and `wsis/explorer/rated.py` on the page.
 * Only for the type checker: nothing of this file reaches a browser.
 */

/** How often the model's masks are right, see `rated.packed`; `unrated` is the reason where no mask is rated. */
interface PackedTrust {
  unrated: string | null;
  what: string;
  curves: Record<string, Curve>;
  weights: Weights;
  reach: number;
  step: number;
  least: number;
  source: string;
  photos: number;
}
/** What is said of trust, see `rated.WORDS`; three for almost none, some, and almost all. */
interface TrustWords {
  headline: string[];
  right: string;
  cell: string[];
  sample: Record<string, string>;
  ranges: string[];
  share: string;
  none: string;
  unrated: Record<string, string>;
  alone: string;
}
/** What was counted of masks that score alike, from `low` to `high`. */
interface Rated {
  right: number;
  count: number;
  low: number;
  high: number;
}
