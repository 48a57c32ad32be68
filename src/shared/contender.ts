import type {Contender} from '../line/cohortLine.js';
import type {OnAbandoned} from '../line/protocol.js';
import {HandOffWatch} from './handOffWatch.js';
import {min} from './intrinsics.js';
import type {Membership} from './membership.js';
import {freeLeftBehind, inherit, tellDeaths} from './memory/inheritance.js';
import type {Entry, Slot} from './memory/layout.js';
import {readOwnerThreadId, type SlotThread} from './memory/threads.js';
import {
  announce,
  announceOrTake,
  clearWaiting,
  decline,
  handOff,
  offer,
  withdraw,
} from './memory/waiters.js';
import {
  NO_WORD,
  hasWaiters,
  isAbandoned,
  isFree,
  isHeld,
  isOneTenure,
  isOwnedBy,
  readWord,
  take,
  tryFree,
  tryTake,
  type Word,
} from './memory/word.js';
import {OwnerWatch, RESERVATION_MILLISECONDS} from './ownerWatch.js';
import type {Parked} from './parking.js';
import {PollTimer} from './pollTimer.js';
import {captureContext, reportUncaught, type Context} from './runtime/callers.js';
import {now} from './runtime/clocks.js';
import {pause} from './runtime/pause.js';
import {Tenure} from './tenure.js';

/** How often a taken word is read before parking: a few microseconds, far less than a wake-up takes. */
const SPINS = 50;

/** How often a blocked thread polls: as often as a timer would, of which none runs meanwhile. */
const BLOCKING_POLL_MILLISECONDS = 100;

/**
 * Contends for the word of one lock on behalf of one thread's line. While it does, `WAITING` shows
 * it, it is parked until another thread calls it, and it polls the word now and then in case nobody
 * does.
 */
export class SharedContender implements Contender, Parked {
  readonly entry: Entry;
  readonly #membership: Membership;
  readonly #slot: Slot;
  readonly #onWon: () => void;

  readonly #tenure = new Tenure();
  readonly #ownerWatch: OwnerWatch;
  readonly #handOffWatch: HandOffWatch;
  readonly #pollTimer: PollTimer;

  /** The word as this thread last saw it while it owned the lock. */
  #owned: Word = NO_WORD;
  /** The word when this thread last freed it with nobody waiting. */
  #freed: Word = NO_WORD;

  #isContending = false;
  #hasTokens = false;

  constructor(entry: Entry, membership: Membership, onWon: () => void) {
    this.entry = entry;
    this.#membership = membership;
    this.#slot = membership.slot;
    this.#onWon = onWon;
    this.#ownerWatch = new OwnerWatch(entry, (word, owner) => this.#inherit(word, owner));
    this.#handOffWatch = new HandOffWatch(entry, membership.slot);
    this.#pollTimer = new PollTimer(entry, () => this.#poll());
    membership.parking.add(this);
  }

  get isContending(): boolean {
    return this.#isContending;
  }

  isTaken(): boolean {
    const word = readWord(this.entry);
    return !isFree(word) && !this.#ownerWatch.isExpired(word);
  }

  ownerThreadId(): number | undefined {
    return readOwnerThreadId(this.entry);
  }

  get isHeir(): boolean {
    return isAbandoned(this.#owned);
  }

  // Taking

  tryTake(): boolean {
    // Before: from then on others may have to find out whether this thread lives.
    if (!this.#hasTokens) this.#armTokens();
    const word =
      // The common case, in one step: nobody has touched the word since this thread freed it.
      take(this.entry, this.#freed, this.#slot) ?? this.#spin() ?? this.#takeExpired();
    if (word === undefined) return false;
    this.#own(word);
    return true;
  }

  contend(): void {
    if (!this.#hasTokens) this.#armTokens();
    this.#isContending = true;
    const word = announceOrTake(this.entry, this.#slot) ?? this.#takeExpired();
    if (word !== undefined) return this.#win(word);
    // Whoever has changed the word since has called this thread, which then does not park for long.
    this.#membership.parking.park();
    this.#pollTimer.start(this.#pollDelay);
  }

  takeBlocking(milliseconds: number): boolean {
    if (this.tryTake()) {
      if (this.#isContending) this.#stopContending();
      return true;
    }
    if (milliseconds <= 0) return false;
    const until = now() + milliseconds;
    const isForLine = this.#isContending;
    this.#isContending = true;
    do {
      const word =
        announceOrTake(this.entry, this.#slot) ?? this.#takeExpired() ?? this.#block(until);
      if (word !== undefined) {
        this.#stopContending();
        this.#own(word);
        return true;
      }
    } while (now() < until);
    if (!isForLine) this.withdraw();
    return false;
  }

  /** Blocks until this thread is called, or it is time to poll. @returns the word if it took it */
  #block(until: number): Word | undefined {
    const {parking, tokens} = this.#membership;
    tokens.armAll();
    const milliseconds = min(until - now(), this.#pollDelay ?? BLOCKING_POLL_MILLISECONDS);
    if (parking.block(this.entry, milliseconds)) return this.#spin();
    const dead = this.#ownerWatch.probeBlocking();
    return dead && inherit(this.entry, dead.word, dead.owner, this.#slot);
  }

  withdraw(): void {
    this.#pollTimer.stop();
    const left = withdraw(this.entry, this.#slot) ?? readWord(this.entry);
    this.#isContending = false;
    // Also a reservation for another thread: this one may have made it before it contended again.
    if (!isHeld(left)) this.#handOffWatch.watch(left);
  }

  #spin(): Word | undefined {
    for (let i = 0; i < SPINS; i++) {
      const word = tryTake(this.entry, this.#slot);
      if (word !== undefined) return word;
      pause();
    }
    return undefined;
  }

  /**
   * Takes a lock that is reserved for a thread that does not come for it, or that this thread has
   * taken by a step that ran out of stack.
   */
  #takeExpired(): Word | undefined {
    const word = readWord(this.entry);
    if (isOwnedBy(word, this.#slot)) return word;
    this.#ownerWatch.sight(word);
    return this.#ownerWatch.isExpired(word) ? take(this.entry, word, this.#slot) : undefined;
  }

  #own(word: Word): void {
    if (!isOneTenure(this.#owned, word)) this.#tenure.end();
    this.#owned = word;
  }

  #armTokens(): void {
    this.#membership.tokens.armAll();
    this.#hasTokens = true;
  }

  #win(word: Word): void {
    this.#stopContending();
    this.#own(word);
    this.#onWon();
  }

  #stopContending(): void {
    clearWaiting(this.entry, this.#slot);
    this.#isContending = false;
    this.#pollTimer.stop();
  }

  // Waiting

  answer(): void {
    if (this.#isContending) {
      const word = this.#spin();
      if (word === undefined) this.contend();
      else this.#win(word);
    } else if (!isOwnedBy(readWord(this.entry), this.#slot)) {
      // Those who wanted the lock have given up.
      const left = decline(this.entry, this.#slot);
      if (left !== undefined) this.#handOffWatch.watch(left);
    }
  }

  /** Nobody has woken this thread: the owner may have died, or whoever was to wake it. */
  #poll(): void {
    // Announces it again, in case it was chosen by a thread that died before it woke this one.
    const word = announceOrTake(this.entry, this.#slot) ?? this.#takeExpired();
    if (word !== undefined) return this.#win(word);
    this.#ownerWatch.probe();
    this.#pollTimer.next(this.#pollDelay);
  }

  /** A reservation is polled when it expires. */
  get #pollDelay(): number | undefined {
    return this.#ownerWatch.hasSightedReservation ? RESERVATION_MILLISECONDS : undefined;
  }

  // Releasing

  tryFree(): boolean {
    const freed = tryFree(this.entry, this.#owned);
    if (freed === undefined) return false;
    this.#freed = freed;
    return true;
  }

  extendTenure(waiting: number): boolean {
    const word = readWord(this.entry);
    if (!isOwnedBy(word, this.#slot)) {
      throw new Error('The shared lock was taken from a thread that held it. Please report this.');
    }
    this.#owned = word;
    return !hasWaiters(word) || this.#tenure.extend(now(), waiting);
  }

  handOn(mayBarge: boolean, contends: boolean): void {
    if (!mayBarge) this.#tenure.end();
    let left: Word | undefined;
    do {
      const word = readWord(this.entry);
      left = mayBarge ? offer(this.entry, word) : handOff(this.entry, word);
      // Fails if another thread begins to wait in between.
    } while (left === undefined);
    if (contends) this.contend();
    else this.#handOffWatch.watch(left);
  }

  handOnAndWait(): void {
    this.#tenure.end();
    // No turn of the event loop may have come round to that for long.
    this.#membership.tokens.armAll();
    this.#isContending = true;
    announce(this.entry, this.#slot);
    // Before it may be called.
    this.#membership.parking.park();
    let left: Word | undefined;
    do left = handOff(this.entry, readWord(this.entry));
    while (left === undefined);
    this.#pollTimer.start(this.#pollDelay);
  }

  recover(): boolean {
    const word = readWord(this.entry);
    const isOwner = isOwnedBy(word, this.#slot);
    if (isOwner) {
      this.#stopContending();
      this.#own(word);
    }
    return isOwner;
  }

  // Deaths

  #inherit(word: Word, owner: SlotThread): void {
    if (this.#isContending) {
      const inherited = inherit(this.entry, word, owner, this.#slot);
      if (inherited !== undefined) this.#win(inherited);
    } else {
      // The caller for which this thread probed is gone.
      const left = freeLeftBehind(this.entry, word, owner);
      if (left !== undefined) this.#handOffWatch.watch(left);
    }
  }

  captureContext(): Context {
    return captureContext();
  }

  tellHeir(onAbandoned: OnAbandoned | undefined, context?: Context): void {
    tellDeaths(this.entry, (id) => {
      const tell = () => {
        try {
          onAbandoned?.({threadId: id});
        } catch (error) {
          reportUncaught(error);
        }
      };
      if (context) context(tell);
      else tell();
    });
    this.#owned = readWord(this.entry);
  }
}
