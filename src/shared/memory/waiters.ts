/**
 * Which threads wait for a lock, and which of them is next.
 *
 * `WAITING` has a bit for each slot. A thread sets its own while it waits. Whoever chooses it takes
 * the bit and calls the thread, which sets it again if it does not get the lock. The next in turn is
 * the next slot that waits, going around the circle of slots from the one that leaves the lock. Bits,
 * reservations and calls say which thread should try next; none of them makes an owner.
 *
 * A thread sets its bit before it reads the word, and an owner that leaves changes the word before
 * it looks at the bits for the last time. So of two that meet, one at least sees the other.
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
 * Shows that `slot` waits, or takes the lock.
 *
 * @returns the word if `slot` is the owner
 */
export function announceOrTake(entry: Entry, slot: Slot): Word | undefined {
  announce(entry, slot);
  for (;;) {
    const word = readWord(entry);
    // A step of this line that ran out of stack may have taken it before.
    if (isOwnedBy(word, slot)) return word;
    if (isFree(word) || isReservedFor(word, slot)) {
      const taken = take(entry, word, slot);
      if (taken !== undefined) return taken;
    } else if (markWaiters(entry, word)) return undefined;
  }
}

/** Shows that `slot` waits. The word must say so, too, before anybody vacates it. */
export function announce(entry: Entry, slot: Slot): void {
  Atomics.or(entry.cells, waitingCell(entry, slot), bitOf(slot));
}

/** `slot` waits no more. @returns whether it did, and was not chosen */
export function clearWaiting(entry: Entry, slot: Slot): boolean {
  const bit = bitOf(slot);
  return (Atomics.and(entry.cells, waitingCell(entry, slot), ~bit) & bit) !== 0;
}

/**
 * `slot` gives up its wait. Passes on what it may have been chosen for.
 *
 * @returns the word that it left to another, if it had something to pass on
 */
export function withdraw(entry: Entry, slot: Slot): Word | undefined {
  const wasChosen = !clearWaiting(entry, slot);
  return decline(entry, slot, wasChosen);
}

/** The same for a line that was called, and in which nobody waits any more. */
export function decline(entry: Entry, slot: Slot, wasChosen = true): Word | undefined {
  const word = readWord(entry);
  if (isReservedFor(word, slot)) return handOff(entry, word);
  if (!wasChosen || !isFree(word)) return undefined;
  wakeNext(entry, slot);
  return word;
}

/** Whether a thread waits for the lock that lives as far as anybody knows. */
export const isAwaited = (entry: Entry) => someWaiting(entry, (slot) => isInUse(entry.cells, slot));

/** Forgets the threads that waited for the lock and have ended. */
export function clearDeadWaiting(entry: Entry): void {
  someWaiting(entry, (slot) => {
    if (!isInUse(entry.cells, slot)) clearWaiting(entry, slot);
    return false;
  });
}

/** Whether one of the slots that wait is as `test` says. */
function someWaiting({cells, word}: Entry, test: (slot: Slot) => boolean): boolean {
  for (let n = 0; n < WAITING_CELLS; n++) {
    let bits = Atomics.load(cells, word + WAITING + n);
    for (; bits !== 0; bits &= bits - 1) if (test((n * 32 + lowestBit(bits)) as Slot)) return true;
  }
  return false;
}

const lowestBit = (bits: number) => 31 - clz32(bits & -bits);

/** One more poll of a contending thread. @returns how many there were before, modulo 2³² */
export function countPoll(cells: Cells): number {
  return Atomics.add(cells, POLLS, 1);
}

/**
 * Reserves the lock, which the caller owns or which is reserved, for the next that waits, and wakes
 * that thread.
 *
 * @returns the word that it left; `undefined` if the word was no longer `word`: nothing happened
 */
export function handOff(entry: Entry, word: Word): Word | undefined {
  return vacate(entry, word, reserved);
}

/** The same, but frees the lock: the thread that is woken may find that another was quicker. */
export function offer(entry: Entry, word: Word): Word | undefined {
  return vacate(entry, word, offered);
}

/**
 * Each pass finds one of these:
 *
 * - Somebody else has changed the word. What happens to it next is up to them, and what an earlier
 *   pass left stands.
 * - Nobody waits. The lock is freed, and WAITERS cleared with it. A line that came in between may
 *   have found WAITERS still set, so the bits are looked at once more.
 * - Somebody waits. The word becomes theirs, and if their bit is still there, it is taken and the
 *   thread woken.
 * - Somebody waited and gave up before it could see that it was chosen. The next is chosen.
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

/** Wakes the thread that is next after `slot`, if any waits. */
export function wakeNext(entry: Entry, slot: Slot): void {
  for (;;) {
    const next = nextWaiting(entry, slot);
    if (next === undefined || claimAndWake(entry, next)) return;
  }
}

/** The slot that is the next to wait, going around from `slot`, which comes last itself. */
export function nextWaiting({cells, word}: Entry, slot: Slot): Slot | undefined {
  const first = slot >> 5;
  // The slot's own cell twice: what comes after it, and in the end the rest.
  for (let n = 0; n <= WAITING_CELLS; n++) {
    const cell = (first + n) % WAITING_CELLS;
    const bits = Atomics.load(cells, word + WAITING + cell) & (n === 0 ? -2 << slot : -1);
    if (bits !== 0) return (cell * 32 + lowestBit(bits)) as Slot;
  }
  return undefined;
}

/** Takes the bit of a slot, and wakes the thread: it waits again if it does not get the lock. */
function claimAndWake(entry: Entry, slot: Slot): boolean {
  const isMine = clearWaiting(entry, slot);
  if (isMine) call(entry, slot);
  return isMine;
}
