/**
 * What crosses the wire between the page and Python: `wsis/explorer/messages.py` and `payload.py` write it, `visit.py`
 * reads what comes back.
 * Only for the type checker: nothing of this file reaches a browser.
 */

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
  trust: PackedTrust;
  match: PackedField | null;
  offers: Record<'peaks' | 'ids' | 'scores', Packed> | null;
  hands: Hand[] | null;
  edits: Edit[];
  partition: string | null;
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
/** A column of the grid: a peak's response (Eq. 2) and its last map, of step `step` by `enhancer`. */
interface GridColumn {
  peak: number;
  enhancer: string;
  step: number;
  response: string | null;
  map: string;
}
/** Maps of all peaks of the picked one's class, or of the picked one by every enhancer. */
interface GridMessage {
  kind: 'grid';
  token: string;
  what: 'peaks' | 'enhancers';
  peak: number;
  columns: GridColumn[];
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
/** Masks around a peak, from its part to its group. */
interface LevelsMessage {
  kind: 'levels';
  token: string;
  peak: number;
  proposal: number;
  ids: number[];
}
/** What the picked peak may be. */
interface LikelyMessage {
  kind: 'likely';
  token: string;
  peak: number;
  classes: ClassScore[];
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
  fill: number;
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
  | GridMessage
  | OtherMessage
  | LevelsMessage
  | LikelyMessage
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
  | 'edit'
  | 'enhancers'
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
  fill: number;
  dark: boolean;
  reading: string;
}
/** Where in the queue a request stands, as `GET place` says; whether it is there at all, and which server says so. */
interface Place {
  place: number;
  seconds: number;
  known: boolean;
  server: string;
}
