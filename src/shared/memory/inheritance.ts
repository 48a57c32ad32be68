/**
 * How a lock is inherited from a thread that ended, and how the heir is told.
 *
 * The death is recorded before the word changes. The record stays until an owner has told its
 * caller.
 */
import {clearDeath, isUntold, markDeath} from './deaths.js';
import {SLOTS, type Entry, type Slot} from './layout.js';
import {readThread, threadIdIn, type SlotThread} from './threads.js';
import {wakeNext} from './waiters.js';
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
 * Makes `slot` the owner in place of `owner`, which has the lock by `word` and has ended. If
 * several threads try, one succeeds.
 *
 * @returns the new word, or `undefined` if another thread was quicker
 */
export function inherit(entry: Entry, word: Word, owner: SlotThread, slot: Slot): Word | undefined {
  return replaceOwner(entry, word, owner, (now) => inherited(now, slot));
}

/** The same without an heir: frees the lock, and wakes the next thread that waits. */
export function freeLeftBehind(entry: Entry, word: Word, owner: SlotThread): Word | undefined {
  const left = replaceOwner(entry, word, owner, leftBehind);
  if (left !== undefined) wakeNext(entry, owner.slot);
  return left;
}

function replaceOwner(
  entry: Entry,
  word: Word,
  owner: SlotThread,
  next: (now: Word) => Word,
): Word | undefined {
  if (!markDeath(entry, word, owner)) return undefined;
  for (;;) {
    const now = readWord(entry);
    if (!isSameTurn(word, now)) return undefined;
    const replacement = next(now);
    // Fails within the same turn if a line begins to wait at this moment.
    if (exchangeWord(entry, now, replacement)) return replacement;
  }
}

/**
 * Clears all deaths without telling anybody, because the lock is not, or is no longer, that of a
 * key. Only the owner may call it.
 */
export function forgetDeaths(entry: Entry): void {
  tellDeaths(entry, () => undefined);
}

/**
 * Lets the owner tell its caller of each thread that ended while it held the lock. It stays the
 * owner meanwhile.
 */
export function tellDeaths(entry: Entry, tell: (threadId: number) => void): void {
  for (let slot = 0 as Slot; slot < SLOTS; slot++) {
    if (!isUntold(entry, slot)) continue;
    tell(threadIdIn(readThread(entry.cells, slot)));
    clearDeath(entry, slot);
  }
  clearAbandoned(entry);
}
