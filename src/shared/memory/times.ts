/** Times in the memory. They are milliseconds on the clock that all threads share, modulo 2³². */
import {Atomics, max} from '../intrinsics.js';
import {PROBED_AT, slotCell, type Cells, type Slot} from './layout.js';

/**
 * Sets the time in `cell` to `now`, if the time there is at least `milliseconds` ago. If several
 * threads try, one succeeds.
 */
export function claimTime(cells: Cells, cell: number, now: number, milliseconds: number): boolean {
  const last = Atomics.load(cells, cell);
  const elapsed = (now - last) | 0;
  if (elapsed >= 0 && elapsed < milliseconds) return false;
  return Atomics.compareExchange(cells, cell, last, now | 0) === last;
}

/**
 * Claims the turn to probe the thread of `slot` on behalf of all threads. Fails if the last probe
 * was too short a time ago.
 */
export function claimProbe(
  cells: Cells,
  slot: Slot,
  now: number,
  intervalMilliseconds: number,
): boolean {
  return claimTime(cells, slotCell(slot, PROBED_AT), now, intervalMilliseconds);
}

/** How long ago anybody last began to probe the thread of `slot`. */
export function millisecondsSinceProbe(cells: Cells, slot: Slot, now: number): number {
  return max((now - Atomics.load(cells, slotCell(slot, PROBED_AT))) | 0, 0);
}
