/**
 * What the page knows: the types of `page.js` and of the numbers that the scripts share.
 * Only for the type checker: nothing of this file reaches a browser.
 */

/** Regions of proposals; `stride`: bytes from one proposal to the next. */
interface Bits {
  bits: Uint8Array;
  stride: number;
}
/** The proposals that can matter for some cells, see `match.js`. */
interface Field extends Bits {
  ids: Int32Array;
  offsets: Int32Array;
  slots: Uint16Array;
  terms: Float32Array;
  tints: Uint8Array;
  fits: Float32Array;
  rates: Float32Array;
}
/** The winner of a cell: `entry` and `slot` in the field, `id` in the list of proposals. */
interface Winner {
  peak: number;
  cell: number;
  entry: number;
  slot: number;
  id: number;
  score: number;
}
/** Counts by score of one kind of instance: where ranges begin, and in each how many masks, and how many were right. */
interface Curve {
  starts: number[];
  right: number[];
  counts: number[];
}
interface Instance extends Winner {
  hypothesis: 'region' | 'object';
  /** Whether pictures show it. */
  painted: boolean;
  /** Whether somebody placed its peak or corrected it. */
  byHand: boolean;
}
/** What fills up the list, in no picture; `cell` and `entry` are those of no map. */
interface Offered extends Winner {
  hypothesis: 'offer';
}
/** What classes may add to their peaks' picks, best first; `bits` of all proposals, see `payload.offers`. */
interface Offers extends Bits {
  peaks: Int32Array;
  ids: Int32Array;
  scores: Float64Array;
}
/** Where another entry takes over as one weight moves; `below`: from there down. */
interface Handover {
  value: number;
  entry: number;
  below: boolean;
  move: number;
  steep: number;
}
/** Who wins where in the plane of two weights; `share` of it that `present` holds. */
interface Plane {
  winners: Int32Array;
  cells: number;
  present: number;
  share: number;
}

/** A grey picture as numbers, `v` row by row. */
interface Grey {
  w: number;
  h: number;
  v: Uint8Array;
}
/** Region of each pixel; pixels, box [x0, y0, x1, y1] and sums [x, y] of the coordinates of each region. */
interface Partition {
  w: number;
  h: number;
  labels: Uint16Array;
  areas: Int32Array;
  boxes: Int32Array;
  sums: Float64Array;
}
/** A photo on the stage; before its proposals it has no partition. `members`: their bits; `serial` tells two apart. */
interface Photo extends Omit<PackedPhoto, 'bits' | 'truth'> {
  members: Uint8Array;
  image: HTMLImageElement;
  truth: HTMLImageElement | null;
  partition?: Partition | null;
  serial: number | string;
}
/** One peak's pictures, its runners unpacked. */
interface Part extends Omit<PackedPart, 'runners' | 'other'> {
  runners: Field | null;
  other: PackedPart | null;
}
/** An analysis as one side of the stage needs it. */
interface Analysed {
  enhancer: string;
  steps: number;
  objects: boolean;
  least: number;
  peaks: Peak[];
  match: Field | null;
  offers?: Offers | null;
  hands: Hand[] | null;
}
/** An analysis for the left of the swipe; `compare` is what it was asked for as. */
interface Compared extends Analysed {
  compare: string;
}
/**
 * One side of the stage: an analysis at a step, its instances, and each peak's best proposal by slot. `peak` is the one
 * that is picked, or what answers it on the other side.
 */
interface Side {
  data: Analysed;
  step: number;
  peak: number;
  part: PackedPart | Part | null | undefined;
  found: Instance[];
  offered: Offered[];
  /** What is not found: dashed on the stage, apart in lists; by falling score. */
  unsure: Instance[];
  readonly best: number[];
  single(peak: number): number;
}

/** How much of the photo a step gained and lost, as shares. */
interface StepChange {
  gained: number;
  lost: number;
}

type View = 'photo' | 'classmap' | 'response' | 'enhanced' | 'match' | 'instances' | 'semantic';
/** What a picture can show: a view, or a stop of the filmstrip. */
type Layer = View | 'binary' | 'proposal';

/**
 * Where the visitor stands. `token` and `other` name analyses in the store; `model` looks at new photos; `axes` are of
 * the sensitivity plot; `preview` is the proposal that was chosen for a look, `pointed` the one under the pointer.
 */
interface State {
  token: string | null;
  other: string | null;
  peak: number;
  step: number;
  preset: string;
  weights: Weights;
  /** Up to how many masks offers are added to the list. */
  fill: number;
  enhancer: string;
  model: string;
  view: View;
  compare: string;
  swipe: boolean;
  split: number;
  opacity: number;
  /** Whether outlines that people drew are shown, where there are any. */
  truth: boolean;
  preview: number | null;
  tool: Tool;
  /** Of the brush, in pixels of the photo. */
  radius: number;
  pointed: number | null;
  tab: string;
  axes: number[];
  linked?: boolean;
}
/** What belongs to the photo on the screen, and comes back with it. */
interface OnScreen {
  photo: Photo | null;
  peaks: Peak[];
  classes: ClassScore[];
  on: string[];
  named: string[] | null;
  steps: number;
  objects: boolean;
  match: Field | null;
  offers?: Offers | null;
  other: Compared | null;
  parts: Map<number, Part>;
  areas: Int32Array | null;
  empty: Empty | null;
  seconds: Record<string, number> | null;
  trust: PackedTrust | null;
  pristine: boolean;
  hands: Hand[] | null;
  edits: Edit[];
  /** What the edits are of, see `wsis.hands.key`. */
  partition: string | null;
  /** Maps side by side over the stage. */
  grid: GridMessage | null;
}
/**
 * What Python sent. `busy`: what is being waited for; `drawn`: token and tab that Python drew last; `model` made the
 * analysis and can run the `enhancers`; `menu`: the models that may be chosen.
 */
interface Data extends OnScreen, Analysed {
  settings: ControlValues;
  reading: string;
  model: string;
  enhancers: string[];
  menu: ModelsMessage | null;
  busy: string;
  looking: boolean;
  place: Place | null;
  asked: Asked | null;
  retry: Asked | null;
  drawn: string;
  notice: string;
  gone: string | null;
  replaced: string | null;
}
/**
 * What follows from both: the two sides of the stage, instances by peak, the picked peak's best proposals by what they
 * are like, and the proposal on the stage that is not the winner.
 */
interface Now {
  part: Part | null;
  right: Side;
  left: Side | null;
  byPeak: Map<number, Instance & {place: number}>;
  groups: Group[];
  shown: number | null;
}
/** A look at the networks, asked for or waiting; `undo` puts the controls back where it fails. */
interface Asked {
  act: Act;
  data: Record<string, unknown>;
  busy: string;
  ticket: string;
  key: string;
  undo: Partial<State> | null;
  told?: {text?: string; expired?: string};
}

/** Why the page is drawn anew. */
type Why =
  | 'state'
  | 'busy'
  | 'place'
  | 'photo'
  | 'back'
  | 'settled'
  | 'notice'
  | 'gone'
  | 'empty'
  | 'analysis'
  | 'part'
  | 'drawn'
  | 'peak'
  | 'weights'
  | 'step'
  | 'view'
  | 'preview'
  | 'models'
  | 'touch'
  | 'grid'
  | 'tab';
type Draw = (why: Why) => void;

/** What a page of the presentation is drawn on; `size` of letters on it, CSS pixels. */
interface Board {
  g: CanvasRenderingContext2D;
  w: number;
  h: number;
  size: number;
}
/** A line of a legend; `share` is the length of its bar. */
interface LegendRow {
  colour: string;
  name: string;
  share: number;
  value: string;
}
/** A page of the presentation. */
interface Chapter {
  name: string;
  title: string;
  sentence(layers: Layers): string;
  note(): string;
  legend(layers: Layers, step: number): LegendRow[];
  draw(board: Board, layers: Layers, step: number): void;
}

/** What Gradio gives the script of a component. */
type Trigger = (event: string, data: Record<string, unknown>) => void;
type Upload = (file: File) => Promise<{path: string}>;
type Watch = (name: string, then: () => void) => void;

/** The one global name of the page: `config` from `layout.py`, the rest from `api.js`. */
declare const wsis: {config: Config; receive(message: Message): void; [name: string]: unknown};
