import {
  CALLS,
  WAITING,
  WAITING_CELLS,
  USED,
  createKeysMemory,
  createLockMemory,
  entryAt,
  slotCell,
  type Cells,
  type Entry,
  type Slot,
} from '../../src/shared/memory/layout.js';

/** The only lock of a new memory, and the only one in that of `buffer`. */
export const createEntry = (buffer = createLockMemory([1, 2, 3])): Entry =>
  entryAt(new Int32Array(buffer), 0);

/** A new memory with so many locks, each of which is in use. */
export function createLocks(entries: number): Cells {
  const cells = new Int32Array(createKeysMemory([1, 2, 3], entries, [4, 5]));
  cells[USED] = entries;
  return cells;
}

/** How many threads wait for the lock, and have not been chosen yet. */
export function countWaiting({cells, word}: Entry): number {
  let count = 0;
  for (let cell = 0; cell < WAITING_CELLS; cell++) {
    let bits = Atomics.load(cells, word + WAITING + cell);
    for (; bits !== 0; bits &= bits - 1) count++;
  }
  return count;
}

/** Whether a thread was called, and has not looked yet. */
export const isCalled = ({cells}: Entry, slot: Slot) =>
  Atomics.load(cells, slotCell(slot, CALLS)) !== 0;
