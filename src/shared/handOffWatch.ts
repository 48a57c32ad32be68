import type {Entry, Slot} from './memory/layout.js';
import {handOff, nextWaiting, wakeNext} from './memory/waiters.js';
import {NO_WORD, isFree, isSameTurn, readWord, type Word} from './memory/word.js';
import {RESERVATION_MILLISECONDS} from './ownerWatch.js';
import {startTimer, type Timer} from './runtime/clocks.js';

/**
 * Makes sure that somebody takes the lock that this thread has left to another. If the other thread
 * does not come in time, because it is busy or has ended, this hands the lock off once more, or
 * frees it.
 */
export class HandOffWatch {
  readonly #entry: Entry;
  readonly #slot: Slot;
  /** The word that this thread left behind. */
  #left: Word = NO_WORD;
  #timer: Timer | undefined;

  /** @param slot the slot of this thread */
  constructor(entry: Entry, slot: Slot) {
    this.#entry = entry;
    this.#slot = slot;
  }

  watch(left: Word): void {
    this.#left = left;
    if (this.#timer !== undefined) return;
    if (isFree(left) && nextWaiting(this.#entry, this.#slot) === undefined) return;
    this.#timer = startTimer(RESERVATION_MILLISECONDS, false, () => this.#check(left));
  }

  /** @param left the word when the timer started */
  #check(left: Word): void {
    this.#timer = undefined;
    const word = readWord(this.#entry);
    if (!isSameTurn(word, this.#left)) return;
    // The lock was left after the timer had started. Its time is not up yet.
    if (!isSameTurn(word, left)) return this.watch(word);
    let next: Word | undefined = word;
    if (isFree(word)) wakeNext(this.#entry, this.#slot);
    else next = handOff(this.#entry, word);
    if (next !== undefined) this.watch(next);
  }
}
