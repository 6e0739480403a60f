/**
 * What the page knows: the types of `page.js` and of the numbers that the scripts share.
 * Only for the type checker: nothing of this file reaches a browser.
 */

/** The proposals that can matter for some cells, see `match.js`. */
interface Field {
  ids: Int32Array;
  bits: Uint8Array;
  /** Bytes of `bits` from one proposal to the next. */
  stride: number;
  offsets: Int32Array;
  slots: Uint16Array;
  terms: Float32Array;
  tints: Uint8Array;
  fits: Float32Array;
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
interface Instance extends Winner {
  hypothesis: 'region' | 'object';
  /** Whether pictures show it. */
  painted: boolean;
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
/** Region of each pixel; pixels and box [x0, y0, x1, y1] of each region. */
interface Partition {
  w: number;
  h: number;
  labels: Uint16Array;
  areas: Int32Array;
  boxes: Int32Array;
}
/** A photo on the stage; before its proposals it has no partition. `serial` tells two apart. */
interface Photo extends PackedPhoto {
  image: HTMLImageElement;
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
  /** Scores of regions that pictures leave out, by peak. */
  unsure: Map<number, number>;
  readonly best: number[];
  single(peak: number): number;
}

type View = 'classmap' | 'response' | 'match' | 'instances' | 'semantic';
/** What a picture can show: a view, or a stop of the filmstrip. */
type Layer = View | 'binary' | 'proposal';

/**
 * Where the visitor stands. `token` and `other` name analyses in the store; `model` looks at new photos; `axes` are of
 * the sensitivity plot.
 */
interface State {
  token: string | null;
  other: string | null;
  peak: number;
  step: number;
  preset: string;
  weights: Weights;
  enhancer: string;
  model: string;
  view: View;
  compare: string;
  swipe: boolean;
  split: number;
  opacity: number;
  preview: number | null;
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
  other: Compared | null;
  parts: Map<number, Part>;
  areas: Int32Array | null;
  empty: Empty | null;
  seconds: Record<string, number> | null;
  pristine: boolean;
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
/** What follows from both: the two sides of the stage, instances by peak, and the picked peak's best few. */
interface Now {
  part: Part | null;
  right: Side;
  left: Side | null;
  byPeak: Map<number, Instance & {place: number}>;
  top: number[];
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

/** What the tab Teach shows now, see `tabs/teach/events.py`: HTML by its places, and what goes over the stage. */
interface TeachMessage {
  ticket: string;
  serial: number;
  act: string;
  token?: string;
  parts?: Record<string, string>;
  classes?: string[];
  class?: string;
  /** The photo on the stage. */
  asked?: string;
  picture?: string;
  map?: string;
  /** Photos that are not looked at yet. */
  left?: number;
  /** Where it happened, and one sentence. */
  fault?: [string, string];
  /** Seconds after which it may be asked again. */
  wait?: number;
  csv?: string;
  saved?: string;
}

/** What Gradio gives the script of a component. */
type Trigger = (event: string, data: Record<string, unknown>) => void;
type Upload = (file: File) => Promise<{path: string}>;
type Watch = (name: string, then: () => void) => void;

/** The one global name of the page: `config` from `layout.py`, the rest from `api.js`. */
declare const wsis: {config: Config; receive(message: Message): void; [name: string]: unknown};
