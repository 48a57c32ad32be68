/** Times in the memory, in milliseconds of the clock that all threads share, modulo 2³². */
import {Atomics, max} from '../intrinsics.js';
import {PROBED_AT, type Cells} from './layout.js';

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

/** Makes it this thread's turn to probe the owner's liveness for all, so often at most. */
export function claimProbe(cells: Cells, now: number, intervalMilliseconds: number): boolean {
  return claimTime(cells, PROBED_AT, now, intervalMilliseconds);
}

/** How long ago a thread last began to probe the owner's liveness. */
export function millisecondsSinceProbe(cells: Cells, now: number): number {
  return max((now - Atomics.load(cells, PROBED_AT)) | 0, 0);
}
