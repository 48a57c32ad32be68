/**
 * How the lock of a thread that ended is inherited, and how its death is told.
 *
 * Its slot says that it died holding before the word changes, and until an owner has told its
 * caller.
 */
import {Atomics} from '../intrinsics.js';
import {SLOTS, THREAD, slotCell, type Cells, type Slot} from './layout.js';
import {clean, freeSlot} from './slots.js';
import {
  DIED_HOLDING,
  PREPARING,
  markDiedHolding,
  readThread,
  slotState,
  threadIdIn,
  threadState,
  type SlotThread,
} from './threads.js';
import {wakeLongestWaiting} from './waiters.js';
import {
  clearAbandoned,
  exchangeWord,
  inherited,
  isSameTurn,
  leftBehind,
  readWord,
  type Word,
} from './word.js';

/**
 * Makes `slot` the owner instead of `owner`, which has the lock by `word` and has ended. Of several
 * threads that try, one succeeds.
 *
 * @returns the word then; `undefined` if another was quicker
 */
export function inherit(cells: Cells, word: Word, owner: SlotThread, slot: Slot): Word | undefined {
  return replaceOwner(cells, word, owner, (now) => inherited(now, slot));
}

/** The same on behalf of nobody: frees the lock, and wakes whoever has waited longest. */
export function freeLeftBehind(cells: Cells, word: Word, owner: SlotThread): Word | undefined {
  const left = replaceOwner(cells, word, owner, leftBehind);
  if (left !== undefined) wakeLongestWaiting(cells);
  return left;
}

function replaceOwner(
  cells: Cells,
  word: Word,
  owner: SlotThread,
  next: (now: Word) => Word,
): Word | undefined {
  for (;;) {
    const now = readWord(cells);
    if (!isSameTurn(word, now)) return undefined;
    if (!markDiedHolding(cells, owner)) return undefined;
    const replacement = next(now);
    // Fails, in the same turn, if a line begins to wait just now.
    if (exchangeWord(cells, now, replacement)) return replacement;
  }
}

/** The owner, of this thread, tells its caller of each thread that died holding. */
export function tellDeaths(cells: Cells, threadId: number, tell: (threadId: number) => void): void {
  for (let slot = 0 as Slot; slot < SLOTS; slot++) {
    const thread = readThread(cells, slot);
    if (threadState(thread) !== DIED_HOLDING) continue;
    tell(threadIdIn(thread));
    // Nobody but the owner changes this state, and it stays the owner until all is told.
    Atomics.store(cells, slotCell(slot, THREAD), slotState(threadId, PREPARING));
    clean(cells, slot, threadId);
    freeSlot(cells, slot, threadId);
  }
  clearAbandoned(cells);
}
