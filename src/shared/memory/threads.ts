/**
 * Whose a slot is, and what is known of that thread: its `THREAD` cell has the thread's id and one
 * of these states.
 *
 * - FREE_SLOT: no thread, nothing that it waits for, and no token that is armed.
 * - IN_USE: its thread lives as far as anybody knows. A token was armed before.
 * - DIED: a token said that the thread has ended. Words may still name it as the owner, and its
 *   death may be untold (deaths.ts). Where neither is so, the slot may be reclaimed.
 * - PREPARING: the thread is making the slot its own, or free. No word names it as the owner. So
 *   where no other slot is left, another thread may finish that work, which the first then notices
 *   by its own last step, and no slot is lost with a thread that ends meanwhile.
 */
import {Atomics} from '../intrinsics.js';
import {THREAD, THREADS, slotCell, type Cells, type Entry, type Slot} from './layout.js';
import {isHeld, isSameTurn, namedSlot, readWord, type Word} from './word.js';

export const FREE_SLOT = 0;
export const IN_USE = 1;
export const DIED = 2;
export const PREPARING = 3;
export const STATE_BITS = 2;

export const slotState = (threadId: number, state: number) => (threadId << STATE_BITS) | state;
export const threadState = (thread: number) => thread & ((1 << STATE_BITS) - 1);
export const threadIdIn = (thread: number) => thread >> STATE_BITS;

/** What is written beside a number of a thread leaves so many bits for it. */
const MOST_THREADS = 2 ** 26;

/**
 * A number for the calling thread, where the runtime gives it none that is its own: no other thread
 * has, had or will have it in this memory, unless there have been 67 million since.
 */
export function numberThread(cells: Cells): number {
  return 1 + (Atomics.add(cells, THREADS, 1) & (MOST_THREADS - 1));
}

/** A thread, and the slot in which it was seen. */
export interface SlotThread {
  readonly slot: Slot;
  readonly threadId: number;
  /** Whether it was found dead already. */
  readonly hasDied: boolean;
}

export function readThread(cells: Cells, slot: Slot): number {
  return Atomics.load(cells, slotCell(slot, THREAD));
}

export function exchangeThread(cells: Cells, slot: Slot, from: number, to: number): boolean {
  return Atomics.compareExchange(cells, slotCell(slot, THREAD), from, to) === from;
}

/** The owner that `word`, which is HELD, names. */
export function readOwner({cells}: Entry, word: Word): SlotThread {
  const slot = namedSlot(word);
  const thread = readThread(cells, slot);
  return {slot, threadId: threadIdIn(thread), hasDied: threadState(thread) === DIED};
}

/** The thread that owns the lock now, if any does. */
export function readOwnerThreadId(entry: Entry): number | undefined {
  for (;;) {
    const word = readWord(entry);
    if (!isHeld(word)) return undefined;
    const {threadId} = readOwner(entry, word);
    // Otherwise the slot may be another thread's by now.
    if (isSameTurn(word, readWord(entry))) return threadId;
  }
}

/** Whether `slot` is in use by a thread, as far as anybody knows. */
export function isInUse(cells: Cells, slot: Slot): boolean {
  return threadState(readThread(cells, slot)) === IN_USE;
}

/** Whether `slot` is in use by that thread, as far as anybody knows. */
export function isInUseBy(
  cells: Cells,
  {slot, threadId}: Pick<SlotThread, 'slot' | 'threadId'>,
): boolean {
  return readThread(cells, slot) === slotState(threadId, IN_USE);
}

/**
 * A token said that the thread has ended. That is written down of this thread alone, because the
 * slot may have changed hands since, even back and forth.
 */
export function markDied(cells: Cells, slot: Slot, threadId: number): void {
  exchangeThread(cells, slot, slotState(threadId, IN_USE), slotState(threadId, DIED));
}

export function hasDied(cells: Cells, {slot, threadId}: SlotThread): boolean {
  return readThread(cells, slot) === slotState(threadId, DIED);
}
