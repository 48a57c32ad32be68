/**
 * Which threads wait, in which order, and how they are woken.
 *
 * A line that waits has a ticket in its slot. It parks on a cell of that slot, so that a wake-up
 * reaches exactly the thread that it is meant for. Tickets, reservations and wake-ups say which
 * thread should try next; none of them makes an owner.
 *
 * docs/shared-lock.md says why nobody is forgotten.
 */
import {Atomics} from '../intrinsics.js';
import {POLLS, WAKE_UPS, SLOTS_IN_USE, TICKET, TICKETS, slotCell} from './layout.js';
import type {Cells, Slot} from './layout.js';
import {
  exchangeWord,
  freed,
  isFree,
  isOwnedBy,
  isReservedFor,
  markWaiters,
  offered,
  readWord,
  reserved,
  setWaiters,
  take,
  type Word,
} from './word.js';

interface Ticket {
  readonly slot: Slot;
  readonly number: number;
}

/** A place in the order in which threads began to wait. */
export function drawTicket(cells: Cells): number {
  // 0 stands for none.
  return (Atomics.add(cells, TICKETS, 1) + 1) | 0 || drawTicket(cells);
}

/**
 * Shows that `slot` waits with this ticket, or takes the lock.
 *
 * @returns the word if `slot` is the owner
 */
export function announceOrTake(cells: Cells, slot: Slot, ticket: number): Word | undefined {
  announce(cells, slot, ticket);
  for (;;) {
    const word = readWord(cells);
    // A step of this line that ran out of stack may have taken it before.
    if (isOwnedBy(word, slot)) return word;
    if (isFree(word) || isReservedFor(word, slot)) {
      const taken = take(cells, word, slot);
      if (taken !== undefined) return taken;
    } else if (markWaiters(cells, word)) return undefined;
  }
}

/** Shows that `slot` waits with this ticket. The word must say so, too, before anybody vacates it. */
export function announce(cells: Cells, slot: Slot, ticket: number): void {
  Atomics.store(cells, slotCell(slot, TICKET), ticket);
}

/** `slot` has the lock, and waits no more. */
export function clearTicket(cells: Cells, slot: Slot): void {
  Atomics.store(cells, slotCell(slot, TICKET), 0);
}

/**
 * `slot` gives up its wait. Passes on what it may have been chosen for.
 *
 * @returns the word that it left to another, if it had something to pass on
 */
export function withdrawTicket(cells: Cells, slot: Slot, ticket: number): Word | undefined {
  const cell = slotCell(slot, TICKET);
  const wasChosen = Atomics.compareExchange(cells, cell, ticket, 0) !== ticket;
  return decline(cells, slot, wasChosen);
}

/** The same for a line that was woken, and in which nobody waits any more. */
export function decline(cells: Cells, slot: Slot, wasChosen = true): Word | undefined {
  const word = readWord(cells);
  if (isReservedFor(word, slot)) return handOff(cells, word);
  if (!wasChosen || !isFree(word)) return undefined;
  wakeLongestWaiting(cells);
  return word;
}

/** How often `slot` has been woken. */
export function countWakeUps(cells: Cells, slot: Slot): number {
  return Atomics.load(cells, slotCell(slot, WAKE_UPS));
}

/** @returns what resolves when `slot` is woken; `undefined` if it has been since `wakeUps` */
export function park(cells: Cells, slot: Slot, wakeUps: number): Promise<unknown> | undefined {
  const wait = Atomics.waitAsync(cells, slotCell(slot, WAKE_UPS), wakeUps);
  return wait.async ? wait.value : undefined;
}

/** Blocks the thread for so long at most. @returns whether `slot` was woken since `wakeUps` */
export function parkBlocking(
  cells: Cells,
  slot: Slot,
  wakeUps: number,
  milliseconds: number,
): boolean {
  return Atomics.wait(cells, slotCell(slot, WAKE_UPS), wakeUps, milliseconds) !== 'timed-out';
}

/** One more poll of a contending thread. @returns how many there were before, modulo 2³² */
export function countPoll(cells: Cells): number {
  return Atomics.add(cells, POLLS, 1);
}

/**
 * Reserves the lock, which the caller owns or which is reserved, for whoever has waited longest,
 * and wakes that thread.
 *
 * @returns the word that it left; `undefined` if the word was no longer `word`: nothing happened
 */
export function handOff(cells: Cells, word: Word): Word | undefined {
  return vacate(cells, word, reserved);
}

/** The same, but frees the lock: the thread that is woken may find that another was quicker. */
export function offer(cells: Cells, word: Word): Word | undefined {
  return vacate(cells, word, offered);
}

/**
 * Each pass finds one of these:
 *
 * - Somebody else has changed the word. What happens to it next is up to them, and what an earlier
 *   pass left stands.
 * - Nobody has a ticket. The lock is freed, and WAITERS cleared with it. A line that came in
 *   between may have found WAITERS still set, so tickets are looked for once more.
 * - Somebody has a ticket. The word becomes theirs, and if the ticket is still there, it is taken
 *   and its thread woken.
 * - Somebody had a ticket and gave up before it could see that it was chosen. The next is chosen.
 */
function vacate(
  cells: Cells,
  word: Word,
  next: (word: Word, slot: Slot) => Word,
): Word | undefined {
  let left: Word | undefined;
  for (;;) {
    const from: Word = left ?? word;
    const longest = longestWaiting(cells);
    const to = longest === undefined ? freed(from) : next(from, longest.slot);
    if (!exchangeWord(cells, from, to)) return left;
    left = to;
    if (longest === undefined) {
      if (longestWaiting(cells) !== undefined) {
        setWaiters(cells);
        wakeLongestWaiting(cells);
      }
      return left;
    }
    if (claimAndWake(cells, longest)) return left;
  }
}

/** Wakes the thread that has waited longest, if any waits. */
export function wakeLongestWaiting(cells: Cells): void {
  for (;;) {
    const longest = longestWaiting(cells);
    if (longest === undefined || claimAndWake(cells, longest)) return;
  }
}

export function longestWaiting(cells: Cells): Ticket | undefined {
  let longest: Ticket | undefined;
  for (let slot = (Atomics.load(cells, SLOTS_IN_USE) - 1) as Slot; slot >= 0; slot--) {
    const number = Atomics.load(cells, slotCell(slot, TICKET));
    if (number === 0) continue;
    // Tickets wrap around, so that only their distance tells which is the older.
    if (longest === undefined || ((number - longest.number) | 0) < 0) longest = {slot, number};
  }
  return longest;
}

/**
 * Takes a ticket from its slot, and wakes the thread: it waits again if it does not get the lock.
 */
function claimAndWake(cells: Cells, {slot, number}: Ticket): boolean {
  const isMine = Atomics.compareExchange(cells, slotCell(slot, TICKET), number, 0) === number;
  if (isMine) wake(cells, slot);
  return isMine;
}

export function wake(cells: Cells, slot: Slot): void {
  Atomics.add(cells, slotCell(slot, WAKE_UPS), 1);
  Atomics.notify(cells, slotCell(slot, WAKE_UPS));
}
