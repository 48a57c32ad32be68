/** How a thread gets a slot of a memory, and gives it back. */
import {Atomics} from '../intrinsics.js';
import {endWaits} from './calls.js';
import {isUntold} from './deaths.js';
import {
  NEXT_RECLAIM,
  SLOTS,
  SPENT_AT,
  THREAD,
  eachEntry,
  slotCell,
  someEntry,
  type Cells,
  type Slot,
} from './layout.js';
import {
  DIED,
  FREE_SLOT,
  IN_USE,
  PREPARING,
  exchangeThread,
  readThread,
  slotState,
  threadIdIn,
  threadState,
  type SlotThread,
} from './threads.js';
import {claimTime} from './times.js';
import {
  TOKEN_CELLS,
  armFirst,
  disarmTokens,
  isLastTokenLeft,
  spendToken,
  type TokenCell,
} from './tokens.js';
import {clearWaiting, decline} from './waiters.js';
import {isOwnedBy, readWord} from './word.js';

/**
 * How often, at most, the runtime is asked about a thread that has only its last token left and
 * whose slot is wanted. It is not often, because each question to a blocked thread stays in that
 * thread's memory until it goes on.
 */
const ASK_RUNTIME_MILLISECONDS = {whenNoSlotIsLeft: 1_000, otherwise: 600_000};

/**
 * What a thread gets: a slot, the cell of a token that is armed, and a promise that resolves when
 * that token has been spent.
 */
export interface Attachment {
  readonly slot: Slot;
  /** The number by which the memory knows the thread. */
  readonly threadId: number;
  readonly field: TokenCell;
  readonly spent: Promise<unknown>;
}

/** Called with a thread that may have ended and whose tokens cannot tell. */
type Suspect = (thread: SlotThread) => void;

/**
 * Gives the calling thread a slot.
 *
 * @returns `undefined` if every slot belongs to a thread that lives, as far as anybody knows
 */
export function attach(
  cells: Cells,
  threadId: number,
  now: number,
  suspect: Suspect,
): Attachment | undefined {
  const attachment =
    findSlot(cells, 0, (slot, thread) =>
      thread === FREE_SLOT ? prepare(cells, slot, thread, threadId) : undefined,
    ) ??
    findSlot(cells, Atomics.load(cells, NEXT_RECLAIM), (slot) => {
      const found = reclaim(cells, slot, threadId, now, suspect);
      if (found !== undefined) Atomics.store(cells, NEXT_RECLAIM, slot + 1);
      return found;
    }) ??
    findSlot(cells, 0, (slot, thread) =>
      threadState(thread) === PREPARING ? prepare(cells, slot, thread, threadId) : undefined,
    );
  if (attachment === undefined) {
    findSlot(cells, 0, (slot) =>
      ask(cells, slot, now, ASK_RUNTIME_MILLISECONDS.whenNoSlotIsLeft, suspect),
    );
  }
  return attachment;
}

/**
 * Gives back `slot`. Its thread lives on, but has no lock object of this memory any more, and no
 * caller.
 */
export function detach(cells: Cells, slot: Slot, threadId: number): void {
  // If the holder was collected, its lock stays held for as long as the thread lives.
  if (isNamed(cells, slot)) return;
  Atomics.store(cells, slotCell(slot, THREAD), slotState(threadId, PREPARING));
  clean(cells, slot, threadId);
  eachEntry(cells, (entry) => decline(entry, slot));
  endWaits(cells, slot);
  exchangeThread(cells, slot, slotState(threadId, PREPARING), FREE_SLOT);
}

function findSlot<T>(
  cells: Cells,
  begin: number,
  use: (slot: Slot, thread: number) => T | undefined,
): T | undefined {
  for (let i = 0; i < SLOTS; i++) {
    const slot = ((begin + i) % SLOTS) as Slot;
    const found = use(slot, readThread(cells, slot));
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Takes a slot for the calling thread. The slot is free, or that of a dead thread, or PREPARING.
 */
function prepare(
  cells: Cells,
  slot: Slot,
  thread: number,
  threadId: number,
): Attachment | undefined {
  const preparing = slotState(threadId, PREPARING);
  if (!exchangeThread(cells, slot, thread, preparing)) return undefined;
  if (thread !== FREE_SLOT) clean(cells, slot, threadId);
  // Without an armed token, the slot would be lost when its thread ends.
  for (const field of TOKEN_CELLS) {
    const spent = armFirst(cells, slot, field, threadId);
    if (spent === undefined) continue;
    const isMine = exchangeThread(cells, slot, preparing, slotState(threadId, IN_USE));
    return isMine ? {slot, threadId, field, spent} : undefined;
  }
  return undefined;
}

/** Takes the slot of a dead thread for the calling thread. */
function reclaim(
  cells: Cells,
  slot: Slot,
  threadId: number,
  now: number,
  suspect: Suspect,
): Attachment | undefined {
  // Its tokens are needed by whoever wants one of its locks.
  if (isNamed(cells, slot)) return undefined;
  if (threadState(readThread(cells, slot)) === IN_USE) {
    const isAlive = spendToken(cells, slot, threadId, now);
    if (isAlive === undefined) ask(cells, slot, now, ASK_RUNTIME_MILLISECONDS.otherwise, suspect);
  }
  const thread = readThread(cells, slot);
  if (threadState(thread) !== DIED) return undefined;
  // It may have become an owner and died. Then its lock has to be inherited first, and its death
  // told.
  if (isNamed(cells, slot)) return undefined;
  return prepare(cells, slot, thread, threadId);
}

/**
 * Whether the thread of `slot` owns a lock, or died as an owner of which nobody has been told yet.
 */
function isNamed(cells: Cells, slot: Slot): boolean {
  // In this order, because a death is recorded before the word changes.
  return someEntry(cells, (entry) => isOwnedBy(readWord(entry), slot) || isUntold(entry, slot));
}

/**
 * Has the runtime asked about the thread of `slot`, if only its last token is left and the last
 * question was long enough ago.
 */
function ask(
  cells: Cells,
  slot: Slot,
  now: number,
  intervalMilliseconds: number,
  suspect: Suspect,
): undefined {
  const thread = readThread(cells, slot);
  if (threadState(thread) !== IN_USE || !isLastTokenLeft(cells, slot)) return;
  if (!claimTime(cells, slotCell(slot, SPENT_AT), now, intervalMilliseconds)) return;
  suspect({slot, threadId: threadIdIn(thread), hasDied: false});
}

/** Ends the waits that are left behind a slot that changes hands. */
function clean(cells: Cells, slot: Slot, threadId: number): void {
  eachEntry(cells, (entry) => clearWaiting(entry, slot));
  disarmTokens(cells, slot, threadId);
}
