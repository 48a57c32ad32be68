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

/** How often a taken word is read before parking: a few microseconds, far less than a wake-up takes. */
const SPINS = 50;

/** How often a blocked thread polls: as often as a timer would, of which none runs meanwhile. */
const BLOCKING_POLL_MILLISECONDS = 100;

/** Whoever contends for the lock of a key by others, at one place after another. */
export interface Mover {
  /** It waited for the lock at a place, and that is now elsewhere. */
  moved(): void;
}

/**
 * Contends for the word of one lock on behalf of one thread's line. While it does, `WAITING` shows
 * it, its thread is parked until another calls it, and polls the word now and then in case nobody
 * does.
 */
export class SharedContender implements Contender, Parked {
  readonly entry: Entry;
  readonly #membership: Membership;
  readonly #slot: Slot;
  readonly #onWon: () => void;
  readonly #place: Place | undefined;
  readonly #mover: Mover | undefined;

  // Made when they are needed. Of many keys' locks they never are.
  #tenure: Tenure | undefined;
  #ownerWatch: OwnerWatch | undefined;
  #handOffWatch: HandOffWatch | undefined;

  /** The word as this thread last saw it while it owned the lock. */
  #owned: Word = NO_WORD;
  /** The word when this thread last freed it with nobody waiting. */
  #freed: Word = NO_WORD;

  /** Its index among those who contend; `undefined` while it does not. */
  parkedAt: number | undefined;

  /** @param place of a key's lock, for which it contends on behalf of `mover` */
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

  /** It left the lock to another thread, by this word. */
  #watchHandOff(left: Word): void {
    this.#handOffWatch ??= new HandOffWatch(this.entry, this.#slot);
    this.#handOffWatch.watch(left);
  }

  get isContending(): boolean {
    return this.parkedAt !== undefined;
  }

  /**
   * Whether this is no longer where the lock of its key is. Then it may be where that of another key
   * is, for which another line of this thread contends, by the same slot. So whatever happens to the
   * word happens only after this was asked.
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
    // Before: from then on others may have to find out whether this thread lives.
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
    // Whoever has changed the word since has called this thread, which then does not park for long.
    if (this.#waitOrWin()) this.#membership.parking.join(this);
  }

  /** @returns whether it waits: it may have won, or gone on elsewhere */
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

  /** Blocks until this thread is called, or it is time to poll. @returns the word if it took it */
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
    // Only the last of those leaves nothing behind. One of them waits for a key that has moved, and
    // so has been called, or for the key that has its place by now.
    if (parking.hasAnother(this)) return parking.leave(this);
    const left = withdraw(this.entry, this.#slot) ?? readWord(this.entry);
    parking.leave(this);
    // Also a reservation for another thread: this one may have made it before it contended again.
    if (!isHeld(left)) this.#watchHandOff(left);
  }

  /** @param isAnnounced whether `WAITING` may show that it waits here */
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

  /** Takes a lock that is reserved for a thread that does not come for it. */
  #takeExpired(): Word | undefined {
    const word = readWord(this.entry);
    const watch = this.#watchOwner();
    watch.sight(word);
    return watch.isExpired(word) ? take(this.entry, word, this.#slot) : undefined;
  }

  /** This thread owns what was the lock. @returns whether it still is */
  #own(word: Word): boolean {
    this.#note(word);
    if (!this.hasMoved()) return true;
    // Whoever died here as the owner, of no key, had no caller for it.
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

  /** Nobody has woken this thread: the owner may have died, or whoever was to wake it. */
  poll(): void {
    if (this.hasMoved()) return this.#move(this.isContending);
    // Announces it again, in case it was chosen by a thread that died before it woke this one.
    if (this.#waitOrWin()) this.#watchOwner().probe();
  }

  /** A reservation is polled when it expires. */
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
    // No turn of the event loop may have come round to that for long.
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
      // The caller for which this thread probed is gone.
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
