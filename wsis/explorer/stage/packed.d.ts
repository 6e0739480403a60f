/**
 * What `wsis/explorer/payload.py` packs into messages.
 * Only for the type checker: nothing of this file reaches a browser.
 */

/** Numbers, zlib-packed in base64; `t` is their little-endian type as in numpy. */
interface Packed {
  t: 'u1' | 'u2' | 'i4' | 'f4' | 'f8';
  z: string;
}
/** The weights alpha, beta, gamma of Eq. 5. */
type Weights = number[];
/** A field of `match.js` on its way. */
type PackedField = Record<Exclude<keyof Field, 'stride'>, Packed>;

/** A class of the model and its probability in the photo; of a group of kin classes, the likeliest members. */
interface ClassScore {
  name: string;
  score: number;
  members?: Member[];
}
/** A class of a group, and its share of the group. */
interface Member {
  name: string;
  share: number;
}
/** A peak of a class map: `x` and `y` as shares of the photo, `value` of the map, `probability` of its class. */
interface Peak {
  x: number;
  y: number;
  name: string;
  category: number;
  probability: number;
  value: number;
  colour: string;
}
/** What the stage says where there is no peak; the button looks for the class `name`, and the `likeliest` may be. */
interface Empty {
  likeliest?: ClassScore[];
  title: string;
  text: string;
  name?: string;
  offer?: string;
}
/**
 * A photo; sizes are [width, height]: `size` of the photo, `work` of the partition. What may be missing comes with the
 * proposals; `truth`, outlines of masks that people drew, with the first map alone.
 */
interface PackedPhoto {
  name: string;
  src: string;
  size: number[];
  example?: string;
  work?: number[];
  labels?: string;
  areas?: Packed;
  bits?: Packed;
  total?: number;
  source?: string;
  truth?: string;
}
/** A peak's class map: grey PNG, the logits that 0 and 255 stand for, and [columns, rows]. */
interface ClassMap {
  classmap: string;
  range: number[];
  grid: number[];
}
/**
 * One peak's pictures: its response (Eq. 2), null where the network has none, a PNG for each step (then the object's),
 * and the terms of all proposals.
 */
interface PackedPart extends ClassMap {
  peak: number;
  response: string | null;
  maps: string[];
  binary: string[];
  bands: string[];
  thresholds: number[];
  runners: PackedRunners | null;
  other?: PackedPart | null;
}
/** A second analysis of the same photo, for the left of the swipe; `compare` is what it was asked for as. */
interface PackedOther {
  compare: string;
  least: number;
  peaks: Peak[];
  enhancer: string;
  steps: number;
  objects: boolean;
  match: PackedField | null;
  hands: Hand[] | null;
}
/** The advanced settings by name, as `visit.Controls` has them. */
type ControlValues = Record<string, string | number | boolean | null>;
