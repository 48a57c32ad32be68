/**
 * Which threads wait for a lock, and which of them is next.
 *
 * `WAITING` has a bit for each slot. A thread sets its own bit while it waits. Whoever chooses the
 * thread as the next clears the bit and calls the thread, which sets the bit again if it does not
 * get the lock. The next is found by going around the circle of slots, from the slot that leaves
 * the lock to the first that waits. Bits, reservations and calls say which thread should try next.
 * None of them makes an owner.
 *
 * A thread sets its bit before it reads the word. An owner that leaves changes the word before it
 * looks at the bits for the last time. So if the two meet, at least one of them sees the other.
 *
 * docs/shared-lock.md says why nobody is forgotten.
 */
import {Atomics, clz32} from '../intrinsics.js';
import {call} from './calls.js';
import {POLLS, WAITING, WAITING_CELLS, type Cells, type Entry, type Slot} from './layout.js';
import {isInUse} from './threads.js';
import {
  exchangeWord,
  freed,
  isFree,
  isOwnedBy,
  isReservedFor,
  markWaiters,
  namedSlot,
  offered,
  readWord,
  reserved,
  setWaiters,
  take,
  type Word,
} from './word.js';

const waitingCell = (entry: Entry, slot: Slot) => entry.word + WAITING + (slot >> 5);
// (A shift counts modulo 32.)
const bitOf = (slot: Slot) => 1 << slot;

/**
 * Shows that `slot` waits, unless it can take the lock.
 *
 * @returns the word if `slot` is the owner
 */
export function announceOrTake(entry: Entry, slot: Slot): Word | undefined {
  announce(entry, slot);
  for (;;) {
    const word = readWord(entry);
    // An earlier step of this line may have taken the lock before it ran out of stack.
    if (isOwnedBy(word, slot)) return word;
    if (isFree(word) || isReservedFor(word, slot)) {
      const taken = take(entry, word, slot);
      if (taken !== undefined) return taken;
    } else if (markWaiters(entry, word)) return undefined;
  }
}

/** Shows that `slot` waits. The word must get WAITERS, too, before its owner leaves it. */
export function announce(entry: Entry, slot: Slot): void {
  Atomics.or(entry.cells, waitingCell(entry, slot), bitOf(slot));
}

/** Shows that `slot` no longer waits. @returns whether it was waiting and had not been chosen */
export function clearWaiting(entry: Entry, slot: Slot): boolean {
  const bit = bitOf(slot);
  return (Atomics.and(entry.cells, waitingCell(entry, slot), ~bit) & bit) !== 0;
}

/**
 * Lets `slot` give up its wait. If it was chosen, it passes the lock on to the next.
 *
 * @returns the word that it left to another thread, if it had something to pass on
 */
export function withdraw(entry: Entry, slot: Slot): Word | undefined {
  const wasChosen = !clearWaiting(entry, slot);
  return decline(entry, slot, wasChosen);
}

/** The same for a line that was called although nobody in it waits any more. */
export function decline(entry: Entry, slot: Slot, wasChosen = true): Word | undefined {
  const word = readWord(entry);
  if (isReservedFor(word, slot)) return handOff(entry, word);
  if (!wasChosen || !isFree(word)) return undefined;
  wakeNext(entry, slot);
  return word;
}

/** Whether any thread waits for the lock that lives, as far as anybody knows. */
export const isAwaited = (entry: Entry) => someWaiting(entry, (slot) => isInUse(entry.cells, slot));

/** Clears the bits of threads that waited for the lock and have ended. */
export function clearDeadWaiting(entry: Entry): void {
  someWaiting(entry, (slot) => {
    if (!isInUse(entry.cells, slot)) clearWaiting(entry, slot);
    return false;
  });
}

/** Whether `test` returns `true` for one of the slots that wait. */
function someWaiting({cells, word}: Entry, test: (slot: Slot) => boolean): boolean {
  for (let n = 0; n < WAITING_CELLS; n++) {
    let bits = Atomics.load(cells, word + WAITING + n);
    for (; bits !== 0; bits &= bits - 1) if (test((n * 32 + lowestBit(bits)) as Slot)) return true;
  }
  return false;
}

const lowestBit = (bits: number) => 31 - clz32(bits & -bits);

/** Counts a poll of a contending thread. @returns how many polls there were before, modulo 2³² */
export function countPoll(cells: Cells): number {
  return Atomics.add(cells, POLLS, 1);
}

/**
 * Reserves the lock for the next thread that waits, and wakes that thread. The caller owns the
 * lock, or the lock is reserved.
 *
 * @returns the word that it left; `undefined` if the word was no longer `word`, so that nothing
 *   happened
 */
export function handOff(entry: Entry, word: Word): Word | undefined {
  return vacate(entry, word, reserved);
}

/**
 * The same, but frees the lock instead of reserving it. The thread that is woken may find that
 * another was quicker.
 */
export function offer(entry: Entry, word: Word): Word | undefined {
  return vacate(entry, word, offered);
}

/**
 * Each pass finds one of these:
 *
 * - Somebody else has changed the word. What happens to it next is up to them, and the result of an
 *   earlier pass stands.
 * - Nobody waits. This frees the lock and clears WAITERS in one step. A line that came in between
 *   may have found WAITERS still set, so this looks at the bits once more.
 * - Somebody waits. This makes the word theirs. If their bit is still there, this clears it and
 *   wakes the thread.
 * - Somebody waited, but gave up before it could see that it was chosen. This chooses the next.
 */
function vacate(
  entry: Entry,
  word: Word,
  next: (word: Word, slot: Slot) => Word,
): Word | undefined {
  let left: Word | undefined;
  let after = namedSlot(word);
  for (;;) {
    const from: Word = left ?? word;
    const chosen = nextWaiting(entry, after);
    const to = chosen === undefined ? freed(from) : next(from, chosen);
    if (!exchangeWord(entry, from, to)) return left;
    left = to;
    if (chosen === undefined) {
      if (nextWaiting(entry, after) !== undefined) {
        setWaiters(entry);
        wakeNext(entry, after);
      }
      return left;
    }
    if (claimAndWake(entry, chosen)) return left;
    after = chosen;
  }
}

/** Wakes the next thread after `slot` that waits, if there is one. */
export function wakeNext(entry: Entry, slot: Slot): void {
  for (;;) {
    const next = nextWaiting(entry, slot);
    if (next === undefined || claimAndWake(entry, next)) return;
  }
}

/** Finds the next slot that waits, going around the circle from `slot`, which itself comes last. */
export function nextWaiting({cells, word}: Entry, slot: Slot): Slot | undefined {
  const first = slot >> 5;
  // Looks at the slot's own cell twice: first at the bits after the slot's, and in the end at the
  // rest.
  for (let n = 0; n <= WAITING_CELLS; n++) {
    const cell = (first + n) % WAITING_CELLS;
    const bits = Atomics.load(cells, word + WAITING + cell) & (n === 0 ? -2 << slot : -1);
    if (bits !== 0) return (cell * 32 + lowestBit(bits)) as Slot;
  }
  return undefined;
}

/**
 * Clears the bit of a slot, and wakes its thread, which waits again if it does not get the lock.
 */
function claimAndWake(entry: Entry, slot: Slot): boolean {
  const isMine = clearWaiting(entry, slot);
  if (isMine) call(entry, slot);
  return isMine;
}
