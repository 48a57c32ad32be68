import {SLOTS, TICKET, slotCell, type Cells, type Slot} from '../../src/shared/memory/layout.js';

/** How many threads wait for the lock, and have not been chosen yet. */
export function countTickets(cells: Cells): number {
  let count = 0;
  for (let slot = 0 as Slot; slot < SLOTS; slot++) {
    if (Atomics.load(cells, slotCell(slot, TICKET)) !== 0) count++;
  }
  return count;
}
