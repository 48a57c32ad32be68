import type {Contender} from '../line/cohortLine.js';
import {HandOffWatch} from './handOffWatch.js';
import {min} from './intrinsics.js';
import type {Membership} from './membership.js';
import {forgetDeaths, freeLeftBehind, inherit, tellDeaths} from './memory/inheritance.js';
import {hasAnyKey, isInPlace, type Place} from './memory/keyIndex.js';
import type {Entry, Slot} from './memory/layout.js';
import {readOwnerThreadId, type SlotThread} from './memory/threads.js';
import {millisecondsSinceProbe} from './memory/times.js';
import {
  announce,
  announceOrTake,
  clearWaiting,
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
  namedSlot,
  readWord,
  take,
  tryFree,
  tryTake,
  type Word,
} from './memory/word.js';
import {OwnerWatch, RESERVATION_MILLISECONDS} from './ownerWatch.js';
import type {Parked} from './parking.js';
import {captureContext, reportUncaught, type Context} from './runtime/callers.js';
import {now, sharedNow} from './runtime/clocks.js';
import {pause} from './runtime/pause.js';
import {Tenure} from './tenure.js';

/**
 * How often a taken word is read before parking: a few microseconds, far less than a wake-up takes.
 */
const SPINS = 50;

/**
 * How often a blocked thread polls: as often as a timer would, because no timer runs while it is
 * blocked.
 */
const BLOCKING_POLL_MILLISECONDS = 100;

/** Contends for the lock of a key through a contender at the key's place, which may change. */
export interface Mover {
  /** Called when its contender waited at a place, and the key's lock is now somewhere else. */
  moved(): void;
}

/**
 * Contends for the word of one lock on behalf of one thread's line. Meanwhile, `WAITING` shows that
 * it does. Its thread is parked until another thread calls it, and also polls the word now and
 * then, in case nobody does.
 */
export class SharedContender implements Contender, Parked {
  readonly entry: Entry;
  readonly #membership: Membership;
  readonly #slot: Slot;
  readonly #onWon: () => void;
  readonly #place: Place | undefined;
  readonly #mover: Mover | undefined;

  // Made when they are needed. For the locks of many keys that never happens.
  #tenure: Tenure | undefined;
  #ownerWatch: OwnerWatch | undefined;
  #handOffWatch: HandOffWatch | undefined;

  /** The word as this thread saw it when it last owned the lock. */
  #owned: Word = NO_WORD;
  /** The word when this thread last freed it with nobody waiting. */
  #freed: Word = NO_WORD;

  /** Its index among the contenders of its thread; `undefined` while it does not contend. */
  parkedAt: number | undefined;

  /** @param place the place of a key's lock, for which it contends on behalf of `mover` */
  constructor(
    entry: Entry,
    membership: Membership,
    onWon: () => void,
    place?: Place,
    mover?: Mover,
  ) {
    this.entry = entry;
    this.#membership = membership;
    this.#slot = membership.slot;
    this.#onWon = onWon;
    this.#place = place;
    this.#mover = mover;
  }

  #watchOwner(): OwnerWatch {
    const {threadId} = this.#membership;
    return (this.#ownerWatch ??= new OwnerWatch(this.entry, threadId, (word, owner) =>
      this.#inherit(word, owner),
    ));
  }

  /** Watches that another thread takes the lock, which this one left by the word `left`. */
  #watchHandOff(left: Word): void {
    this.#handOffWatch ??= new HandOffWatch(this.entry, this.#slot);
    this.#handOffWatch.watch(left);
  }

  get isContending(): boolean {
    return this.parkedAt !== undefined;
  }

  /**
   * Whether the lock of its key is no longer here. Another key's lock may be here by now, and
   * another line of this thread may contend for it by the same slot. So always ask this before you
   * touch the word.
   */
  hasMoved(): boolean {
    return this.#place !== undefined && !isInPlace(this.#place);
  }

  isTaken(): boolean {
    const word = readWord(this.entry);
    return !isFree(word) && !this.#watchOwner().isExpired(word);
  }

  ownerThreadId(): number | undefined {
    return readOwnerThreadId(this.entry);
  }

  get isHeir(): boolean {
    return isAbandoned(this.#owned);
  }

  // Taking

  tryTake(): boolean {
    if (this.hasMoved()) return false;
    // Beforehand, because from then on others may have to find out whether this thread lives.
    this.#membership.tokens.armFirstTime();
    // The common case, in one step: nobody has touched the word since this thread freed it.
    const retaken = take(this.entry, this.#freed, this.#slot);
    if (retaken !== undefined) {
      this.#note(retaken);
      return true;
    }
    const word = this.#spin() ?? this.#takeExpired();
    return word !== undefined && this.#own(word);
  }

  contend(): void {
    if (this.hasMoved()) return this.#move(this.isContending);
    this.#membership.tokens.armFirstTime();
    // If somebody has changed the word since, they have called this thread, so it does not park for
    // long.
    if (this.#waitOrWin()) this.#membership.parking.join(this);
  }

  /** @returns whether it waits. Otherwise it has won, or contends at another place. */
  #waitOrWin(): boolean {
    const word = announceOrTake(this.entry, this.#slot) ?? this.#takeExpired();
    if (word !== undefined) this.#win(word);
    // Only now that others can see that it waits.
    else if (this.hasMoved()) this.#move(true);
    else return true;
    return false;
  }

  takeBlocking(milliseconds: number): boolean {
    if (this.tryTake()) {
      if (this.isContending) this.#stopContending();
      return true;
    }
    const until = now() + milliseconds;
    let isAnnounced = this.isContending;
    while (now() < until && !this.hasMoved()) {
      isAnnounced = true;
      const word = announceOrTake(this.entry, this.#slot) ?? this.#takeExpired();
      if (word === undefined && this.hasMoved()) break;
      const taken = word ?? this.#block(until);
      if (taken !== undefined) {
        this.#stopContending();
        return this.#own(taken);
      }
    }
    const goesOn = this.isContending && !this.hasMoved();
    if (isAnnounced && !goesOn) this.withdraw();
    return false;
  }

  /**
   * Blocks until this thread is called, or it is time to poll. @returns the word, if this thread
   * has taken it
   */
  #block(until: number): Word | undefined {
    const {parking, tokens} = this.#membership;
    tokens.armAll();
    const milliseconds = min(until - now(), this.pollDelay ?? BLOCKING_POLL_MILLISECONDS);
    if (parking.block(this.entry, milliseconds)) return this.#spin();
    const dead = this.#watchOwner().probeBlocking();
    return dead && inherit(this.entry, dead.word, dead.owner, this.#slot);
  }

  withdraw(): void {
    const {parking} = this.#membership;
    // Another line of this thread contends here, too, for the key that is here now. (The key of one
    // of them has moved.) Only the last of them clears the bit.
    if (parking.hasAnother(this)) return parking.leave(this);
    const left = withdraw(this.entry, this.#slot) ?? readWord(this.entry);
    parking.leave(this);
    // Even if it is a reservation for another thread: this thread may have made it before it
    // contended again.
    if (!isHeld(left)) this.#watchHandOff(left);
  }

  /**
   * Goes on at the place where the key is now. @param isAnnounced whether `WAITING` may still show
   *   that it waits here
   */
  #move(isAnnounced: boolean): void {
    if (isAnnounced) this.withdraw();
    this.#mover?.moved();
  }

  #spin(): Word | undefined {
    for (let i = 0; i < SPINS; i++) {
      const word = tryTake(this.entry, this.#slot);
      if (word !== undefined) return word;
      pause();
    }
    return undefined;
  }

  /** Takes the lock if it is reserved for a thread that has not come for it in time. */
  #takeExpired(): Word | undefined {
    const word = readWord(this.entry);
    const watch = this.#watchOwner();
    watch.sight(word);
    return watch.isExpired(word) ? take(this.entry, word, this.#slot) : undefined;
  }

  /**
   * This thread has become the owner of the word. @returns whether that is still the lock of its
   * key
   */
  #own(word: Word): boolean {
    this.#note(word);
    if (!this.hasMoved()) return true;
    // A thread that died here, as the owner of no key, had no caller for it.
    if (isAbandoned(word) && !hasAnyKey(this.entry)) forgetDeaths(this.entry);
    this.handOn(false, false);
    return false;
  }

  #note(word: Word): void {
    if (!isOneTenure(this.#owned, word)) this.#tenure?.end();
    this.#owned = word;
  }

  #win(word: Word): void {
    this.#stopContending();
    if (this.#own(word)) this.#onWon();
    else this.#mover?.moved();
  }

  #stopContending(): void {
    clearWaiting(this.entry, this.#slot);
    this.#membership.parking.leave(this);
  }

  // Waiting

  answer(): void {
    if (this.hasMoved()) return this.#move(this.isContending);
    const word = this.#spin();
    if (word === undefined) this.contend();
    else this.#win(word);
  }

  /**
   * Nobody has woken this thread. The owner may have died, or the thread that should have woken it.
   */
  poll(): void {
    if (this.hasMoved()) return this.#move(this.isContending);
    // Announces it again: a thread may have chosen it and died before it woke this thread.
    if (this.#waitOrWin()) this.#watchOwner().probe();
  }

  /** It polls a reservation at the moment when that expires. */
  get pollDelay(): number | undefined {
    return this.#ownerWatch?.hasSightedReservation === true ? RESERVATION_MILLISECONDS : undefined;
  }

  millisecondsSinceProbe(): number {
    const word = readWord(this.entry);
    if (!isHeld(word)) return Infinity;
    return millisecondsSinceProbe(this.entry.cells, namedSlot(word), sharedNow());
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
    return !hasWaiters(word) || (this.#tenure ??= new Tenure()).extend(now(), waiting);
  }

  handOn(mayBarge: boolean, contends: boolean): void {
    if (!mayBarge) this.#tenure?.end();
    let left: Word | undefined;
    do {
      const word = readWord(this.entry);
      left = mayBarge ? offer(this.entry, word) : handOff(this.entry, word);
      // Fails if another thread begins to wait in between.
    } while (left === undefined);
    if (contends) this.contend();
    else this.#watchHandOff(left);
  }

  handOnAndWait(): void {
    this.#tenure?.end();
    // The event loop may not have had a turn to do that for a long time.
    this.#membership.tokens.armAll();
    announce(this.entry, this.#slot);
    // Before it may be called.
    this.#membership.parking.join(this);
    let left: Word | undefined;
    do left = handOff(this.entry, readWord(this.entry));
    while (left === undefined);
  }

  recover(): boolean {
    const word = readWord(this.entry);
    if (this.hasMoved() || !isOwnedBy(word, this.#slot)) return false;
    this.#stopContending();
    return this.#own(word);
  }

  // Deaths

  #inherit(word: Word, owner: SlotThread): void {
    if (this.isContending) {
      const inherited = inherit(this.entry, word, owner, this.#slot);
      if (inherited !== undefined) this.#win(inherited);
    } else {
      // The caller for whom this thread probed has gone.
      const left = freeLeftBehind(this.entry, word, owner);
      if (left !== undefined) this.#watchHandOff(left);
    }
  }

  captureContext(): Context {
    return captureContext();
  }

  tellHeir(tell: (threadId: number) => void, context?: Context): void {
    tellDeaths(this.entry, (id) => {
      const telling = () => {
        try {
          tell(id);
        } catch (error) {
          reportUncaught(error);
        }
      };
      if (context) context(telling);
      else telling();
    });
    this.#owned = readWord(this.entry);
  }
}
