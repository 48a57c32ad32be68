/**
 * Which thread has a slot, and what is known about it. The slot's `THREAD` cell has the thread's id
 * and one of these states:
 *
 * - FREE_SLOT: the slot has no thread, waits for nothing, and has no armed token.
 * - IN_USE: its thread lives, as far as anybody knows. A token was armed before this state was set.
 * - DIED: a token has shown that the thread has ended. Words may still name the slot as the owner,
 *   and its death may not have been told yet (deaths.ts). If neither is the case, the slot may be
 *   reclaimed.
 * - PREPARING: the thread is taking the slot or giving it back. No word names the slot as the
 *   owner. If no other slot is left, another thread may finish that work, which makes the last step
 *   of the first thread fail. So no slot is lost with a thread that ends in this state.
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

/** How many numbers of threads there are: what is stored beside a number leaves 26 bits for it. */
const MOST_THREADS = 2 ** 26;

/**
 * Numbers the calling thread, where the runtime does not. No other thread gets the same number in
 * this memory, before 67 million others have got theirs.
 */
export function numberThread(cells: Cells): number {
  return 1 + (Atomics.add(cells, THREADS, 1) & (MOST_THREADS - 1));
}

/** A thread, and the slot in which it was seen. */
export interface SlotThread {
  readonly slot: Slot;
  readonly threadId: number;
  /** Whether it has already been found dead. */
  readonly hasDied: boolean;
}

export function readThread(cells: Cells, slot: Slot): number {
  return Atomics.load(cells, slotCell(slot, THREAD));
}

export function exchangeThread(cells: Cells, slot: Slot, from: number, to: number): boolean {
  return Atomics.compareExchange(cells, slotCell(slot, THREAD), from, to) === from;
}

/** Reads which thread owns the lock by `word`, which is HELD. */
export function readOwner({cells}: Entry, word: Word): SlotThread {
  const slot = namedSlot(word);
  const thread = readThread(cells, slot);
  return {slot, threadId: threadIdIn(thread), hasDied: threadState(thread) === DIED};
}

/** Reads which thread owns the lock now, if any does. */
export function readOwnerThreadId(entry: Entry): number | undefined {
  for (;;) {
    const word = readWord(entry);
    if (!isHeld(word)) return undefined;
    const {threadId} = readOwner(entry, word);
    // If the turn has changed, the slot may be another thread's by now.
    if (isSameTurn(word, readWord(entry))) return threadId;
  }
}

/** Whether a thread uses `slot`, and lives as far as anybody knows. */
export function isInUse(cells: Cells, slot: Slot): boolean {
  return threadState(readThread(cells, slot)) === IN_USE;
}

/** Whether that thread uses `slot`, and lives as far as anybody knows. */
export function isInUseBy(
  cells: Cells,
  {slot, threadId}: Pick<SlotThread, 'slot' | 'threadId'>,
): boolean {
  return readThread(cells, slot) === slotState(threadId, IN_USE);
}

/**
 * Records that a token has shown the thread to have ended. It records that for this thread only,
 * because the slot may have changed hands since, even more than once.
 */
export function markDied(cells: Cells, slot: Slot, threadId: number): void {
  exchangeThread(cells, slot, slotState(threadId, IN_USE), slotState(threadId, DIED));
}

export function hasDied(cells: Cells, {slot, threadId}: SlotThread): boolean {
  return readThread(cells, slot) === slotState(threadId, DIED);
}
