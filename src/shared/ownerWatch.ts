import {outside} from '../intrinsics.js';
import {max, min} from './intrinsics.js';
import {MAIN_THREAD, hasEnded} from './liveness.js';
import type {Entry} from './memory/layout.js';
import {readOwner, type SlotThread} from './memory/threads.js';
import {claimProbe} from './memory/times.js';
import {spendToken} from './memory/tokens.js';
import {NO_WORD, isHeld, isReserved, isSameTurn, readWord, type Word} from './memory/word.js';
import {now, sharedNow} from './runtime/clocks.js';

/** How long a thread that was woken to take the lock has for that, before others may take it. */
export const RESERVATION_MILLISECONDS = 5;

/** An owner that has been sighted for this long is probed whenever a caller finds it the owner. */
const SUSPICIOUS_MILLISECONDS = 100;

/**
 * All threads together probe an owner this often, and less often the longer it has been seen: at
 * most once in a fiftieth of that time. What the runtime asks a blocked thread stays in that
 * thread's memory until it goes on.
 */
export const PROBE_MILLISECONDS = {least: 200, most: 700};
const PROBES_PER_AGE = 50;

/**
 * What a thread knows of the owner while another has the lock: since when, and whether it lives.
 */
export class OwnerWatch {
  readonly #entry: Entry;
  readonly #threadId: number;
  readonly #onDeath: (word: Word, owner: SlotThread) => void;
  /** The word as this thread last sighted it, and when it first did. */
  #sighting: Word = NO_WORD;
  #sightedAt = 0;
  #isProbing = false;

  /** @param threadId the number of this thread in the memory */
  constructor(entry: Entry, threadId: number, onDeath: (word: Word, owner: SlotThread) => void) {
    this.#entry = entry;
    this.#threadId = threadId;
    this.#onDeath = onDeath;
  }

  /** Whether a reservation was the last that was sighted. */
  get hasSightedReservation(): boolean {
    return this.#sighting !== NO_WORD && isReserved(this.#sighting);
  }

  /** Whether `word` is reserved for a thread that has had its time to come. */
  isExpired(word: Word): boolean {
    return isReserved(word) && this.#ageOf(word) >= RESERVATION_MILLISECONDS;
  }

  /**
   * Somebody found `word` taken. Callers with short timeouts are not there to watch, so each that
   * comes is a reason to probe an owner that has been sighted for long.
   */
  sight(word: Word): void {
    if (!isSameTurn(word, this.#sighting)) {
      const isFirst = this.#sighting === NO_WORD;
      this.#sighting = word;
      this.#sightedAt = now();
      // A line may be collected and made anew with each caller, and see nobody for long.
      if (isFirst) this.probe();
    } else if (this.#ageOf(word) >= SUSPICIOUS_MILLISECONDS) this.probe();
  }

  /** Probes whether the owner lives, if no thread has done so for a while. */
  probe(): void {
    const word = readWord(this.#entry);
    if (!isHeld(word) || this.#isProbing) return;
    const {cells} = this.#entry;
    const owner = readOwner(this.#entry, word);
    // One question is for all locks that the owner has.
    if (!owner.hasDied && !claimProbe(cells, owner.slot, sharedNow(), this.#intervalOf(word)))
      return;
    void outside(async () => {
      const isUnchanged = () => isSameTurn(word, readWord(this.#entry));
      this.#isProbing = true;
      let isDead = false;
      try {
        isDead = await hasEnded(cells, owner, this.#threadId, isUnchanged);
      } catch {
        // The stack ran out. There will be another probe.
      } finally {
        this.#isProbing = false;
      }
      if (isDead) this.#onDeath(word, owner);
    });
  }

  /**
   * The same for a thread that is blocked: it can ask nobody but the tokens.
   *
   * @returns the owner if it has ended, and by which word it has the lock
   */
  probeBlocking(): {readonly word: Word; readonly owner: SlotThread} | undefined {
    const word = readWord(this.#entry);
    if (!isHeld(word)) return undefined;
    const {cells} = this.#entry;
    const owner = readOwner(this.#entry, word);
    const hasEnded =
      owner.hasDied ||
      (owner.threadId !== MAIN_THREAD &&
        claimProbe(cells, owner.slot, sharedNow(), this.#intervalOf(word)) &&
        spendToken(cells, owner.slot, this.#threadId, sharedNow()) === false);
    return hasEnded ? {word, owner} : undefined;
  }

  #intervalOf(word: Word): number {
    const {least, most} = PROBE_MILLISECONDS;
    return min(max(least, this.#ageOf(word) / PROBES_PER_AGE), most);
  }

  #ageOf(word: Word): number {
    return isSameTurn(word, this.#sighting) ? now() - this.#sightedAt : 0;
  }
}
