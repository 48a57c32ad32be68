import {outside, then} from '../intrinsics.js';
import type {Contender} from '../line/cohortLine.js';
import type {OnAbandoned} from '../line/protocol.js';
import {HandOffWatch} from './handOffWatch.js';
import {deref, min} from './intrinsics.js';
import {keepTokensArmed, rearmTokens} from './liveness.js';
import {freeLeftBehind, inherit, tellDeaths} from './memory/inheritance.js';
import type {Cells, Slot} from './memory/layout.js';
import type {Attachment} from './memory/slots.js';
import {readOwnerThreadId, type SlotThread} from './memory/threads.js';
import {
  announce,
  announceOrTake,
  clearTicket,
  countWakeUps,
  decline,
  drawTicket,
  handOff,
  offer,
  park,
  parkBlocking,
  withdrawTicket,
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
import {PollTimer} from './pollTimer.js';
import {captureContext, reportUncaught, type Context} from './runtime/callers.js';
import {now} from './runtime/clocks.js';
import {pause} from './runtime/pause.js';
import {threadId} from './runtime/threads.js';
import {Tenure} from './tenure.js';

/** How often a taken word is read before parking: a few microseconds, far less than a wake-up takes. */
const SPINS = 50;

/** How often a blocked thread polls: as often as a timer would, of which none runs meanwhile. */
const BLOCKING_POLL_MILLISECONDS = 100;

/**
 * Contends for the shared word on behalf of one thread's line. While it does, it has a ticket, is
 * parked until another thread wakes it, and polls the word now and then in case nobody does.
 */
export class SharedContender implements Contender {
  readonly #cells: Cells;
  readonly #slot: Slot;
  readonly #onWon: () => void;

  readonly #tenure = new Tenure();
  readonly #ownerWatch: OwnerWatch;
  readonly #handOffWatch: HandOffWatch;
  readonly #pollTimer: PollTimer;

  /** A wait on the memory may outlive this, and must not keep it from being collected. */
  readonly #self = new WeakRef(this);

  /** The word as this thread last saw it while it owned the lock. */
  #owned: Word = NO_WORD;
  /** The word when this thread last freed it with nobody waiting. */
  #freed: Word = NO_WORD;

  /**
   * Since when this thread contends, in the order of all threads; 0 while it does not. Kept until
   * it is the owner or withdraws, so that a thread that was woken in vain does not lose its place.
   */
  #ticket = 0;
  /**
   * Whether there is a wait on this thread's cell. It cannot be taken back, so it is used again.
   */
  #isParked = false;

  /** Called outside of any caller's async context, which the waits behind the tokens would keep. */
  constructor(cells: Cells, attachment: Attachment, onWon: () => void) {
    this.#cells = cells;
    this.#slot = attachment.slot;
    this.#onWon = onWon;
    this.#ownerWatch = new OwnerWatch(cells, (word, owner) => this.#inherit(word, owner));
    this.#handOffWatch = new HandOffWatch(cells);
    this.#pollTimer = new PollTimer(cells, () => this.#poll());
    keepTokensArmed(cells, attachment, this.#self);
  }

  isTaken(): boolean {
    const word = readWord(this.#cells);
    return !isFree(word) && !this.#ownerWatch.isExpired(word);
  }

  ownerThreadId(): number | undefined {
    return readOwnerThreadId(this.#cells);
  }

  get isHeir(): boolean {
    return isAbandoned(this.#owned);
  }

  // Taking

  tryTake(): boolean {
    const word =
      // The common case, in one step: nobody has touched the word since this thread freed it.
      take(this.#cells, this.#freed, this.#slot) ?? this.#spin() ?? this.#takeExpired();
    if (word === undefined) return false;
    this.#own(word);
    return true;
  }

  contend(): void {
    if (this.#ticket === 0) this.#ticket = drawTicket(this.#cells);
    for (;;) {
      // Before the word is read: whoever changes it later wakes this thread.
      const wakeUps = countWakeUps(this.#cells, this.#slot);
      const word = announceOrTake(this.#cells, this.#slot, this.#ticket) ?? this.#takeExpired();
      if (word !== undefined) return this.#win(word);
      this.#isParked ||= outside(() => this.#park(wakeUps));
      if (this.#isParked) break;
    }
    this.#pollTimer.start(this.#pollDelay);
  }

  takeBlocking(milliseconds: number): boolean {
    if (this.tryTake()) {
      if (this.#ticket !== 0) this.#stopContending();
      return true;
    }
    if (milliseconds <= 0) return false;
    const until = now() + milliseconds;
    const isForLine = this.#ticket !== 0;
    if (!isForLine) this.#ticket = drawTicket(this.#cells);
    do {
      const wakeUps = countWakeUps(this.#cells, this.#slot);
      const word =
        announceOrTake(this.#cells, this.#slot, this.#ticket) ??
        this.#takeExpired() ??
        this.#block(wakeUps, until);
      if (word !== undefined) {
        this.#stopContending();
        this.#own(word);
        return true;
      }
    } while (now() < until);
    if (!isForLine) this.withdraw();
    return false;
  }

  /** Blocks until this thread is woken, or until it is time to poll. @returns the word if it took it */
  #block(wakeUps: number, until: number): Word | undefined {
    rearmTokens(this.#cells, this.#slot, this.#self);
    const milliseconds = min(until - now(), this.#pollDelay ?? BLOCKING_POLL_MILLISECONDS);
    if (parkBlocking(this.#cells, this.#slot, wakeUps, milliseconds)) return this.#spin();
    const dead = this.#ownerWatch.probeBlocking();
    return dead && inherit(this.#cells, dead.word, dead.owner, this.#slot);
  }

  withdraw(): void {
    this.#pollTimer.stop();
    const left = withdrawTicket(this.#cells, this.#slot, this.#ticket) ?? readWord(this.#cells);
    this.#ticket = 0;
    // Also a reservation for another thread: this one may have made it before it contended again.
    if (!isHeld(left)) this.#handOffWatch.watch(left);
  }

  #spin(): Word | undefined {
    for (let i = 0; i < SPINS; i++) {
      const word = tryTake(this.#cells, this.#slot);
      if (word !== undefined) return word;
      pause();
    }
    return undefined;
  }

  /** Takes a lock that is reserved for a thread that does not come for it. */
  #takeExpired(): Word | undefined {
    const word = readWord(this.#cells);
    this.#ownerWatch.sight(word);
    return this.#ownerWatch.isExpired(word) ? take(this.#cells, word, this.#slot) : undefined;
  }

  #own(word: Word): void {
    if (!isOneTenure(this.#owned, word)) this.#tenure.end();
    this.#owned = word;
  }

  #win(word: Word): void {
    this.#stopContending();
    this.#own(word);
    this.#onWon();
  }

  #stopContending(): void {
    clearTicket(this.#cells, this.#slot);
    this.#ticket = 0;
    this.#pollTimer.stop();
  }

  // Waiting

  /** @returns `false` if this thread has been woken since `wakeUps` */
  #park(wakeUps: number): boolean {
    const woken = park(this.#cells, this.#slot, wakeUps);
    if (woken === undefined) return false;
    const self = this.#self;
    void then(woken, () => {
      const contender = deref(self);
      if (contender !== undefined) contender.#wake();
    });
    return true;
  }

  #wake(): void {
    this.#isParked = false;
    if (this.#ticket !== 0) {
      const word = this.#spin();
      if (word === undefined) this.contend();
      else this.#win(word);
    } else if (!isOwnedBy(readWord(this.#cells), this.#slot)) {
      // Those who wanted the lock have given up.
      const left = decline(this.#cells, this.#slot);
      if (left !== undefined) this.#handOffWatch.watch(left);
    }
  }

  /** Nobody has woken this thread: the owner may have died, or whoever was to wake it. */
  #poll(): void {
    // With its ticket again, in case it was chosen by a thread that died before it woke this one.
    const word = announceOrTake(this.#cells, this.#slot, this.#ticket) ?? this.#takeExpired();
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
    const freed = tryFree(this.#cells, this.#owned);
    if (freed === undefined) return false;
    this.#freed = freed;
    return true;
  }

  extendTenure(waiting: number): boolean {
    const word = readWord(this.#cells);
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
      const word = readWord(this.#cells);
      left = mayBarge ? offer(this.#cells, word) : handOff(this.#cells, word);
      // Fails if another thread begins to wait in between.
    } while (left === undefined);
    if (contends) this.contend();
    else this.#handOffWatch.watch(left);
  }

  handOnAndWait(): void {
    this.#tenure.end();
    rearmTokens(this.#cells, this.#slot, this.#self);
    this.#ticket = drawTicket(this.#cells);
    announce(this.#cells, this.#slot, this.#ticket);
    // Before it may be woken.
    while (!this.#isParked) {
      const wakeUps = countWakeUps(this.#cells, this.#slot);
      this.#isParked = outside(() => this.#park(wakeUps));
    }
    let left: Word | undefined;
    do left = handOff(this.#cells, readWord(this.#cells));
    while (left === undefined);
    this.#pollTimer.start(this.#pollDelay);
  }

  recover(): boolean {
    const word = readWord(this.#cells);
    const isOwner = isOwnedBy(word, this.#slot);
    if (isOwner) {
      this.#stopContending();
      this.#own(word);
    }
    return isOwner;
  }

  // Deaths

  #inherit(word: Word, owner: SlotThread): void {
    if (this.#ticket !== 0) {
      const inherited = inherit(this.#cells, word, owner, this.#slot);
      if (inherited !== undefined) this.#win(inherited);
    } else {
      // The caller for which this thread probed is gone.
      const left = freeLeftBehind(this.#cells, word, owner);
      if (left !== undefined) this.#handOffWatch.watch(left);
    }
  }

  captureContext(): Context {
    return captureContext();
  }

  tellHeir(onAbandoned: OnAbandoned | undefined, context?: Context): void {
    tellDeaths(this.#cells, threadId, (id) => {
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
    this.#owned = readWord(this.#cells);
  }
}
