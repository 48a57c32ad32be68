/** Times in the memory, in milliseconds of the clock that all threads share, modulo 2³². */
import {Atomics, max} from '../intrinsics.js';
import {PROBED_AT, slotCell, type Cells, type Slot} from './layout.js';

/**
 * Makes the time in `cell` `now`, if it is at least `milliseconds` ago. Of several threads that
 * try, one succeeds.
 */
export function claimTime(cells: Cells, cell: number, now: number, milliseconds: number): boolean {
  const last = Atomics.load(cells, cell);
  const elapsed = (now - last) | 0;
  if (elapsed >= 0 && elapsed < milliseconds) return false;
  return Atomics.compareExchange(cells, cell, last, now | 0) === last;
}

/** Makes it this thread's turn to probe the thread of `slot` for all, so often at most. */
export function claimProbe(
  cells: Cells,
  slot: Slot,
  now: number,
  intervalMilliseconds: number,
): boolean {
  return claimTime(cells, slotCell(slot, PROBED_AT), now, intervalMilliseconds);
}

/** How long ago a thread last began to probe the thread of `slot`. */
export function millisecondsSinceProbe(cells: Cells, slot: Slot, now: number): number {
  return max((now - Atomics.load(cells, slotCell(slot, PROBED_AT))) | 0, 0);
}
