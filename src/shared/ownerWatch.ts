import {outside} from '../intrinsics.js';
import {max, min} from './intrinsics.js';
import {MAIN_THREAD, hasEnded} from './liveness.js';
import type {Entry} from './memory/layout.js';
import {readOwner, type SlotThread} from './memory/threads.js';
import {claimProbe} from './memory/times.js';
import {spendToken} from './memory/tokens.js';
import {NO_WORD, isHeld, isReserved, isSameTurn, readWord, type Word} from './memory/word.js';
import {now, sharedNow} from './runtime/clocks.js';

/**
 * How long a thread that was woken to take the lock may take to do so. After that, others may take
 * it.
 */
export const RESERVATION_MILLISECONDS = 5;

/**
 * Once an owner has been sighted for this long, every caller that finds the lock taken is a reason
 * to probe it.
 */
const SUSPICIOUS_MILLISECONDS = 100;

/**
 * All threads together probe an owner this often. The longer it has been sighted, the less often
 * they do: at most once in a fiftieth of that time. (A question of the runtime to a blocked thread
 * stays in that thread's memory until the thread goes on.)
 */
export const PROBE_MILLISECONDS = {least: 200, most: 700};
const PROBES_PER_AGE = 50;

/**
 * What a thread knows about the owner while another thread has the lock: since when it has been the
 * owner, and whether it lives.
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

  /** Whether the word that was sighted last was a reservation. */
  get hasSightedReservation(): boolean {
    return this.#sighting !== NO_WORD && isReserved(this.#sighting);
  }

  /** Whether `word` is a reservation whose time is over. */
  isExpired(word: Word): boolean {
    return isReserved(word) && this.#ageOf(word) >= RESERVATION_MILLISECONDS;
  }

  /**
   * Notes that somebody found `word` taken. Callers with short timeouts do not stay to watch the
   * owner. So each that comes is a reason to probe an owner that has been sighted for long.
   */
  sight(word: Word): void {
    if (!isSameTurn(word, this.#sighting)) {
      const isFirst = this.#sighting === NO_WORD;
      this.#sighting = word;
      this.#sightedAt = now();
      // A line may be collected and made anew for each caller, and so never sight an owner for
      // long.
      if (isFirst) this.probe();
    } else if (this.#ageOf(word) >= SUSPICIOUS_MILLISECONDS) this.probe();
  }

  /** Probes whether the owner lives, if no thread has done so for a while. */
  probe(): void {
    const word = readWord(this.#entry);
    if (!isHeld(word) || this.#isProbing) return;
    const {cells} = this.#entry;
    const owner = readOwner(this.#entry, word);
    // One probe serves all locks that the owner has.
    if (!owner.hasDied && !claimProbe(cells, owner.slot, sharedNow(), this.#intervalOf(word)))
      return;
    void outside(async () => {
      const isUnchanged = () => isSameTurn(word, readWord(this.#entry));
      this.#isProbing = true;
      let isDead = false;
      try {
        isDead = await hasEnded(cells, owner, this.#threadId, isUnchanged);
      } catch {
        // The stack ran out. Another probe will follow.
      } finally {
        this.#isProbing = false;
      }
      if (isDead) this.#onDeath(word, owner);
    });
  }

  /**
   * The same for a thread that is blocked. It cannot ask the runtime, so it relies on tokens alone.
   *
   * @returns the owner, if it has ended, and the word by which it has the lock
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
