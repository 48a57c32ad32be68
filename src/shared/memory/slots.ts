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
 * How often the runtime is asked about a thread whose slot is wanted, when only the last of the
 * thread's tokens is left. Not often, because each question to a blocked thread stays in its memory
 * until it goes on.
 */
const ASK_RUNTIME_MILLISECONDS = {whenNoSlotIsLeft: 1_000, otherwise: 600_000};

/** What a thread gets: its slot, the cell of a token that is armed, and what resolves when that was spent. */
export interface Attachment {
  readonly slot: Slot;
  /** The number by which the memory knows the thread. */
  readonly threadId: number;
  readonly field: TokenCell;
  readonly spent: Promise<unknown>;
}

/** Is given each thread that may have ended without a token to tell. */
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

/** No lock object of the memory is left in the thread of `slot`, and no caller. It lives on. */
export function detach(cells: Cells, slot: Slot, threadId: number): void {
  // A lock whose holder can no longer be reached is held for as long as the thread lives.
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

/** Makes the slot of `thread`, which is free, dead, or PREPARING, the calling thread's own. */
function prepare(
  cells: Cells,
  slot: Slot,
  thread: number,
  threadId: number,
): Attachment | undefined {
  const preparing = slotState(threadId, PREPARING);
  if (!exchangeThread(cells, slot, thread, preparing)) return undefined;
  if (thread !== FREE_SLOT) clean(cells, slot, threadId);
  // A slot without a token would be lost with its thread.
  for (const field of TOKEN_CELLS) {
    const spent = armFirst(cells, slot, field, threadId);
    if (spent === undefined) continue;
    const isMine = exchangeThread(cells, slot, preparing, slotState(threadId, IN_USE));
    return isMine ? {slot, threadId, field, spent} : undefined;
  }
  return undefined;
}

/** Makes a dead thread's slot the calling thread's own. */
function reclaim(
  cells: Cells,
  slot: Slot,
  threadId: number,
  now: number,
  suspect: Suspect,
): Attachment | undefined {
  // Whoever wants one of its locks needs its tokens.
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

/** Whether the thread of `slot` owns a lock, or nobody has been told that it died as the owner. */
function isNamed(cells: Cells, slot: Slot): boolean {
  // In this order: a death is written down before the word changes.
  return someEntry(cells, (entry) => isOwnedBy(readWord(entry), slot) || isUntold(entry, slot));
}

/**
 * Has the runtime asked about the thread of `slot` where only its last token is left, so often at
 * most.
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

/** Ends what is left of the waits of a slot that changes hands. */
function clean(cells: Cells, slot: Slot, threadId: number): void {
  eachEntry(cells, (entry) => clearWaiting(entry, slot));
  disarmTokens(cells, slot, threadId);
}
