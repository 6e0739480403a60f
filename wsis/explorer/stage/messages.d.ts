/**
 * What crosses the wire between the page and Python: `wsis/explorer/messages.py` and `payload.py` write it, `visit.py`
 * reads what comes back.
 * Only for the type checker: nothing of this file reaches a browser.
 */

/** Numbers, zlib-packed in base64; `t` is their little-endian type as in numpy. */
interface Packed {
  t: 'u1' | 'u2' | 'i4' | 'f4';
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
 * proposals.
 */
interface PackedPhoto {
  name: string;
  src: string;
  size: number[];
  example?: string;
  work?: number[];
  labels?: string;
  areas?: Packed;
  total?: number;
  source?: string;
}
/** A peak's class map: grey PNG, the logits that 0 and 255 stand for, and [columns, rows]. */
interface ClassMap {
  classmap: string;
  range: number[];
  grid: number[];
}
/** One peak's pictures, a PNG for each step (then the object's), and all that can be among its best few. */
interface PackedPart extends ClassMap {
  peak: number;
  maps: string[];
  binary: string[];
  thresholds: number[];
  runners: PackedField | null;
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
}
/** The advanced settings by name, as `visit.Controls` has them. */
type ControlValues = Record<string, string | number | boolean | null>;

/** The first map of a new photo; `finish` is to be sent back for the rest. */
interface GlanceMessage extends PackedPhoto, Partial<ClassMap> {
  kind: 'glance';
  peaks: Peak[];
  busy: string;
  picked?: number;
  finish: Record<string, unknown>;
  text?: string;
  expired?: string;
}
/**
 * A finished analysis by a `model` that can run `enhancers`. `named`: classes asked for, null where the threshold
 * decides; `least`: score to be painted.
 */
interface AnalysisMessage {
  kind: 'analysis';
  token: string;
  model: string;
  enhancers: string[];
  text: string;
  pristine: boolean;
  classes: ClassScore[];
  on: string[];
  named: string[] | null;
  enhancer: string;
  reading: string;
  steps: number;
  objects: boolean;
  least: number;
  peaks: Peak[];
  seconds: Record<string, number>;
  match: PackedField | null;
  empty: Empty | null;
  settings: ControlValues;
  part: PackedPart | null;
  other: PackedOther | null;
  otherToken: string | null;
  photo: PackedPhoto | null;
  expired?: string;
}
/** The maps of another peak. */
interface PeakMessage extends PackedPart {
  kind: 'peak';
  token: string;
}
/** Another enhancer or model on the left of the swipe. */
interface OtherMessage {
  kind: 'other';
  token: string;
  otherToken: string | null;
  other: PackedOther | null;
  part: PackedPart | null;
  peak: number;
  text?: string;
}
/** A model of the menu: what it knows, and how things stand with it. */
interface ModelRow {
  name: string;
  about: string;
  note: string;
  state: 'loaded' | 'loading' | 'there' | 'broken';
}
/** The models that may be chosen, how many are loaded, and what these take; `chosen` looks at photos from now on. */
interface ModelsMessage {
  kind: 'models';
  rows: ModelRow[];
  loaded: number;
  megabytes: number;
  chosen?: string;
}
/** Other names of a model's classes. */
interface SynonymsMessage {
  kind: 'synonyms';
  model: string;
  synonyms: Record<string, string[]>;
}
/** What Python ranked after the visitor had let go: [peak, proposal] of each instance. */
interface SettledMessage {
  kind: 'settled';
  token: string;
  found: number[][];
  weights: Weights;
  step: number;
  tab: string;
}
/** A sentence that the visitor can do something about; the screen stays as it is. */
interface NoticeMessage {
  kind: 'notice';
  text: string;
  settings?: ControlValues | null;
}
/** The analysis is no longer kept. */
interface GoneMessage {
  kind: 'gone';
  text: string;
  empty: Empty;
}
/** The request was not taken on; the same may be asked again. */
interface BusyMessage {
  kind: 'busy';
  text: string;
  seconds: number;
}
interface IdleMessage {
  kind: 'idle';
  empty: Empty;
}
/** Nobody waits for it any more; a link that may be sent around. */
interface QuietMessage {
  kind: 'stale' | 'shared';
}
interface CodeMessage {
  kind: 'code';
  python: string;
  command: string;
  leftOut: string[];
}
type AnyMessage =
  | CodeMessage
  | GlanceMessage
  | AnalysisMessage
  | PeakMessage
  | OtherMessage
  | ModelsMessage
  | SynonymsMessage
  | SettledMessage
  | NoticeMessage
  | GoneMessage
  | BusyMessage
  | IdleMessage
  | QuietMessage;
/** A message from Python; `ticket` is that of the request that it answers, `serial` tells two equal ones apart. */
type Message = AnyMessage & {serial?: number; ticket?: string | null};

/** What needs the networks: the name in `acts.Acts.by_name`. */
type Act =
  | 'open'
  | 'example'
  | 'upload'
  | 'finish'
  | 'class'
  | 'adjust'
  | 'enhancer'
  | 'reading'
  | 'proposals'
  | 'compare'
  | 'model';
/** Where the visitor stands, sent with every event: `visit.Now`. */
interface Snapshot {
  token: string | null;
  other: string | null;
  peak: number;
  step: number;
  preset: string;
  weights: Weights;
  enhancer: string;
  compare: string;
  model: string;
  tab: string;
  axes: number[];
  dark: boolean;
  reading: string;
}
/** Where in the queue a request stands, as `GET place` says. */
interface Place {
  place: number;
  seconds: number;
}

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
/** What is the same here as in Python: the constants of `wsis/instances.py`, which says what each of them is. */
interface Rules {
  nms: number;
  object: number;
  leastObject: number;
  again: number;
}
/**
 * What the page knows from the start: `layout.config`. `model` is the server's first; `terms` of Eq. 5 as the
 * stylesheet calls them, `symbols` of their weights, and `unused`, the name of a term that a reading does not have;
 * `glossary`: what hovering over the numbers in `where` says.
 */
interface Config {
  presets: Record<string, Preset>;
  main: string[];
  enhancers: Record<string, {title: string; short: string}>;
  enhancer: string;
  model: {name: string; enhancers: string[]; classes: number};
  step: number;
  steps: number;
  top: number;
  tints: string[];
  faded: number;
  settings: ControlValues;
  inferno: string;
  terms: string[];
  symbols: string[];
  unused: string;
  rules: Rules;
  numbers: string[];
  glossary: Record<'where' | 'text', string>[];
}
