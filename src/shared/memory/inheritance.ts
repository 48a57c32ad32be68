/**
 * How the lock of a thread that ended is inherited, and how its death is told.
 *
 * The death is written down before the word changes, and until an owner has told its caller.
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
 * Makes `slot` the owner instead of `owner`, which has the lock by `word` and has ended. Of several
 * threads that try, one succeeds.
 *
 * @returns the word then; `undefined` if another was quicker
 */
export function inherit(entry: Entry, word: Word, owner: SlotThread, slot: Slot): Word | undefined {
  return replaceOwner(entry, word, owner, (now) => inherited(now, slot));
}

/** The same on behalf of nobody: frees the lock, and wakes the next that waits. */
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
    // Fails, in the same turn, if a line begins to wait just now.
    if (exchangeWord(entry, now, replacement)) return replacement;
  }
}

/** Nobody is told: the lock is no longer that of a key, or was not yet. To be called by the owner. */
export function forgetDeaths(entry: Entry): void {
  tellDeaths(entry, () => undefined);
}

/** The owner tells its caller of each thread that died holding. It stays the owner meanwhile. */
export function tellDeaths(entry: Entry, tell: (threadId: number) => void): void {
  for (let slot = 0 as Slot; slot < SLOTS; slot++) {
    if (!isUntold(entry, slot)) continue;
    tell(threadIdIn(readThread(entry.cells, slot)));
    clearDeath(entry, slot);
  }
  clearAbandoned(entry);
}
