/**
 * The word: one cell that says which thread has the lock. This file has its states, and the atomic
 * steps from one state to another.
 *
 *     | turn: 21 bits | ABANDONED | WAITERS | RESERVED | slot: 8 bits, counted from 1 |
 *
 * - FREE: the slot is 0. Any thread may take the lock.
 * - HELD: the slot's thread owns the lock. Only that thread may release the lock. Another thread
 *   may take it over only after that thread has ended.
 * - RESERVED: nobody owns the lock, and the slot's thread was woken to take it. This is only a
 *   courtesy: any thread that has seen the reservation for `RESERVATION_MILLISECONDS` may take the
 *   lock.
 *
 * What must hold:
 *
 * - Only an exchange of the whole word makes an owner, and each new owner is a new turn. So a word
 *   that changed and changed back in the meantime does not compare equal (the ABA problem).
 * - WAITERS is set as long as a thread is parked whose bit is set in `WAITING`. Whoever clears
 *   WAITERS looks at those bits once more afterwards, and sets WAITERS again if somebody waits.
 * - ABANDONED is set from the moment at which a dead owner's lock is inherited until the heir has
 *   been told.
 */
import {Atomics} from '../intrinsics.js';
import type {Entry, Slot} from './layout.js';

const SLOT_MASK = 0xff;
const RESERVED = 0x100;
const WAITERS = 0x200;
const ABANDONED = 0x400;
const ONE_TURN = 0x800;
const STATE_MASK = SLOT_MASK | RESERVED;
const TURN_MASK = -ONE_TURN;

declare const KIND: unique symbol;
/** The word as somebody saw it, to be compared and exchanged later. */
export type Word = number & {readonly [KIND]: 'word'};

/** A word that no lock ever has: RESERVED without a slot. */
export const NO_WORD = RESERVED as Word;

// What it can be

export const isFree = (word: Word) => (word & SLOT_MASK) === 0;
export const isReserved = (word: Word) => (word & RESERVED) !== 0;
export const isHeld = (word: Word) => (word & SLOT_MASK) !== 0 && (word & RESERVED) === 0;
export const hasWaiters = (word: Word) => (word & WAITERS) !== 0;
export const isAbandoned = (word: Word) => (word & ABANDONED) !== 0;
export const isOwnedBy = (word: Word, slot: Slot) => (word & STATE_MASK) === slot + 1;
export const isReservedFor = (word: Word, slot: Slot) =>
  (word & STATE_MASK) === (RESERVED | (slot + 1));
export const namedSlot = (word: Word) => ((word & SLOT_MASK) - 1) as Slot;

/** Whether it is the same turn of the same slot. WAITERS and ABANDONED may have changed. */
export const isSameTurn = (a: Word, b: Word) => ((a ^ b) & ~(WAITERS | ABANDONED)) === 0;

/** Whether no other thread had the lock between these two turns of one owner. */
export const isOneTenure = (earlier: Word, later: Word) => {
  const turns = ((later & TURN_MASK) - (earlier & TURN_MASK)) | 0;
  return turns === 0 || turns === ONE_TURN;
};

// What it can become

/** HELD, from FREE or RESERVED. */
const taken = (word: Word, slot: Slot) =>
  (((word & ~STATE_MASK) + ONE_TURN) | (slot + 1) | 0) as Word;

/** HELD, from HELD by a thread that has ended. */
export const inherited = (word: Word, slot: Slot) =>
  (((word & ~STATE_MASK) + ONE_TURN) | (slot + 1) | ABANDONED | 0) as Word;

/** FREE, from HELD by a thread that has ended. */
export const leftBehind = (word: Word) =>
  (((word & ~STATE_MASK) + ONE_TURN) | ABANDONED | 0) as Word;

/**
 * The word without its owner or reservation. A reservation that lapses counts as a turn, so that
 * the next reservation for the same slot does not look as old.
 */
const vacated = (word: Word) => (word & ~STATE_MASK) + ((word & RESERVED) === 0 ? 0 : ONE_TURN);

/** FREE, from any state, if nobody waits. */
export const freed = (word: Word) => (vacated(word) & ~WAITERS) as Word;

/** FREE, from HELD, for the first thread that takes it. */
export const offered = (word: Word) => (vacated(word) | WAITERS) as Word;

/** RESERVED, from HELD or RESERVED. */
export const reserved = (word: Word, slot: Slot) =>
  (vacated(word) | WAITERS | RESERVED | (slot + 1)) as Word;

// The steps

export function readWord({cells, word}: Entry): Word {
  return Atomics.load(cells, word) as Word;
}

/** This is the only way to change who has the lock. @returns whether the word was still `word` */
export function exchangeWord(entry: Entry, word: Word, replacement: Word): boolean {
  return Atomics.compareExchange(entry.cells, entry.word, word, replacement) === word;
}

/**
 * Makes `slot` the owner if the word is still `word`, whichever slot that names. @returns the new
 * word
 */
export function take(entry: Entry, word: Word, slot: Slot): Word | undefined {
  const next = taken(word, slot);
  return exchangeWord(entry, word, next) ? next : undefined;
}

/**
 * Makes `slot` the owner if the lock is free or reserved for it. It may be the owner already, if an
 * earlier step ran out of stack or made a place for a key. @returns the new word
 */
export function tryTake(entry: Entry, slot: Slot): Word | undefined {
  const word = readWord(entry);
  if (isOwnedBy(word, slot)) return word;
  return isFree(word) || isReservedFor(word, slot) ? take(entry, word, slot) : undefined;
}

/** Frees the lock if the word is still `word` and has no WAITERS. @returns the new word */
export function tryFree(entry: Entry, word: Word): Word | undefined {
  const next = (word & ~STATE_MASK) as Word;
  return !hasWaiters(word) && exchangeWord(entry, word, next) ? next : undefined;
}

/** Sets WAITERS if the word is still `word`. @returns whether `word` has WAITERS now */
export function markWaiters(entry: Entry, word: Word): boolean {
  return hasWaiters(word) || exchangeWord(entry, word, (word | WAITERS) as Word);
}

/** Sets WAITERS, whatever the word is. */
export function setWaiters({cells, word}: Entry): void {
  Atomics.or(cells, word, WAITERS);
}

/** Clears ABANDONED, because the heir has been told. */
export function clearAbandoned({cells, word}: Entry): void {
  Atomics.and(cells, word, ~ABANDONED);
}
