/**
 * What hands do: `wsis/edits.py` and `wsis/hands.py` on the page.
 * Only for the type checker: nothing of this file reaches a browser.
 */

/** What was done by hand to a peak, see `wsis/hands.py`; `mask`: of an instance whose pixels were drawn. */
interface Hand {
  number: number;
  touched: boolean;
  added: boolean;
  of: 'region' | 'object';
  proposal: number | null;
  inside: number[];
  outside: number[];
  mask: string | null;
}
/** One thing that was done by hand: `wsis/edits.py` says what there is. */
type Edit = {do: string; peak?: number; peaks?: number[]; name?: string} & Record<string, unknown>;
/** A mask that is being painted: 1 for each of its regions, and those that were forced. */
interface Draft {
  members: Uint8Array;
  inside: Set<number>;
  outside: Set<number>;
}
/** What a press on the stage does. */
type Tool = 'look' | 'peak' | 'in' | 'out' | 'paint' | 'brush' | 'eraser' | 'merge';
