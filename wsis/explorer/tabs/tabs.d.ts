/**
 * What the tabs with events of their own get from Python: `tabs/teach/events.py` and `tabs/why/events.py`.
 * Only for the type checker: nothing of this file reaches a browser.
 */

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

/** What the tab Why is told, see `tabs/why/events.py`. */
interface WhyMessage {
  ticket: string;
  serial: number;
  act: string;
  html?: string;
  /** Maps of the peak that are not followed yet. */
  left?: string[];
  alike?: PackedAlike;
  /** One sentence. */
  fault?: string;
}

/** How alike every cell of the photo is to every other, and to those of a second one: row by row, 255 for 1. */
interface PackedAlike {
  grid: number[];
  cells: Packed;
  second: {name: string; src: string; size: number[]; grid: number[]; cells: Packed} | null;
}

/** [columns, rows] of a photo, and how alike its cells are to each of the first photo's. */
interface Cells {
  grid: number[];
  cells: Uint8Array;
}
