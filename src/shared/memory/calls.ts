/**
 * How a thread is woken. It parks on one cell of its slot, whichever locks of the memory it waits
 * for. A bit of the cell says for which lock the thread was called. If there are more than 32
 * locks, several share a bit, and the thread looks at all locks of a bit that is set.
 *
 * A bit is set before the thread is notified, and the thread parks only if no bit is set. So no
 * call is lost. A call that finds its bit already set has nothing to add, because the thread has
 * not looked yet.
 */
import {Atomics} from '../intrinsics.js';
import {CALLS, slotCell, type Cells, type Entry, type Slot} from './layout.js';

export const CALL_BITS = 32;

/** The number of a lock's bit. */
export const callBit = ({number}: Entry) => number & (CALL_BITS - 1);
const callOf = (entry: Entry) => 1 << callBit(entry);

/** Wakes the thread of `slot`, which waits for this lock. */
export function call(entry: Entry, slot: Slot): void {
  Atomics.or(entry.cells, slotCell(slot, CALLS), callOf(entry));
  endWaits(entry.cells, slot);
}

/** Whether one of `calls` is for this lock. */
export const isCalled = (calls: number, entry: Entry) => (calls & callOf(entry)) !== 0;

/** Takes, and clears, the calls of this thread's own slot. */
export function takeCalls(cells: Cells, slot: Slot): number {
  return Atomics.exchange(cells, slotCell(slot, CALLS), 0);
}

/**
 * @returns a promise that resolves when `slot` is called; `undefined` if it has been called already
 */
export function waitForCall(cells: Cells, slot: Slot): Promise<unknown> | undefined {
  const wait = Atomics.waitAsync(cells, slotCell(slot, CALLS), 0);
  return wait.async ? wait.value : undefined;
}

/** Blocks the calling thread, whose slot is `slot`, until it is called or the time is over. */
export function blockUntilCalled(cells: Cells, slot: Slot, milliseconds: number): void {
  Atomics.wait(cells, slotCell(slot, CALLS), 0, milliseconds);
}

/** Ends each wait of `slot`, without a call. */
export function endWaits(cells: Cells, slot: Slot): void {
  Atomics.notify(cells, slotCell(slot, CALLS));
}
