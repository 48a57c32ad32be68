import {fullError} from '../errors.js';
import {assertRoom} from '../intrinsics.js';
import type {Contender} from '../line/cohortLine.js';
import {SharedContender, type Mover} from './contender.js';
import {probeAll} from './liveness.js';
import type {Membership} from './membership.js';
import {findOrMakePlace, findPlace, type Place} from './memory/keyIndex.js';
import {hashKey, type Key} from './memory/keys.js';
import {countEntries} from './memory/layout.js';
import {captureContext, type Context} from './runtime/callers.js';
import {now, startTimer, stopTimer, type Timer} from './runtime/clocks.js';

/** How often a line that waits looks whether there is room again in a memory that is full. */
const FULL_MILLISECONDS = 100;

/**
 * Contends for the lock of one key, at the place where that is. A place is the key's while anybody
 * holds or awaits the lock, and may be another key's afterwards. Then this finds another.
 */
export class KeyContender implements Contender, Mover {
  readonly #membership: Membership;
  readonly #key: Key;
  readonly #onWon: () => void;
  /** Contends at the place where the lock was when this thread last looked. */
  #at: SharedContender | undefined;
  /** While its line waits, and the memory has no place for the key. */
  #retry: Timer | undefined;

  constructor(membership: Membership, key: Key, onWon: () => void) {
    this.#membership = membership;
    this.#key = key;
    this.#onWon = onWon;
  }

  get isContending(): boolean {
    return this.#retry !== undefined || (this.#at !== undefined && this.#at.isContending);
  }

  isTaken(): boolean {
    return this.#look((at) => at.isTaken()) ?? false;
  }

  ownerThreadId(): number | undefined {
    return this.#look((at) => at.ownerThreadId());
  }

  get isHeir(): boolean {
    return this.#at !== undefined && this.#at.isHeir;
  }

  /** Asks at the place of the key, if there is one. */
  #look<T>(ask: (at: SharedContender) => T): T | undefined {
    for (;;) {
      const at = this.#at ?? this.#find();
      if (at === undefined) return undefined;
      const answer = ask(at);
      // While it contends, it finds out itself.
      if (at.isContending || !at.hasMoved()) return answer;
      this.#at = undefined;
    }
  }

  #find(): SharedContender | undefined {
    const {cells} = this.#membership;
    const place = findPlace(cells, hashKey(cells, this.#key));
    return place && this.#contendAt(place);
  }

  /** Makes a place, if there is none. Then this thread owns it already. */
  #findOrMake(): SharedContender | undefined {
    // What is begun here cannot be undone.
    assertRoom();
    const {cells, slot, threadId, tokens} = this.#membership;
    // Before: from then on others may have to find out whether this thread lives.
    tokens.armFirstTime();
    const place = findOrMakePlace(cells, hashKey(cells, this.#key), slot);
    if (place === undefined) probeAll(cells, threadId);
    return place && this.#contendAt(place);
  }

  #contendAt(place: Place): SharedContender {
    this.#at = new SharedContender(place, this.#membership, this.#onWon, place, this);
    return this.#at;
  }

  /** @throws `LockError`, `code: 'ERR_LOCK_FULL'`, if the memory has no place for the key */
  #settle(): SharedContender {
    const at = this.#at ?? this.#findOrMake();
    if (at !== undefined) return at;
    const most = countEntries(this.#membership.cells);
    throw fullError(`Expected at most ${most} keys to be held or awaited at a time.`);
  }

  // Taking

  tryTake(): boolean {
    for (;;) {
      const at = this.#settle();
      if (at.tryTake()) return true;
      if (!at.hasMoved()) return false;
      this.#at = undefined;
    }
  }

  contend(): void {
    const at = this.#at ?? this.#findOrMake();
    if (at !== undefined) return at.contend();
    this.#retry ??= startTimer(FULL_MILLISECONDS, true, () => {
      this.#retry = undefined;
      this.contend();
    });
  }

  moved(): void {
    this.#at = undefined;
    this.contend();
  }

  takeBlocking(milliseconds: number): boolean {
    const until = now() + milliseconds;
    const isForLine = this.isContending;
    this.#stopRetrying();
    for (;;) {
      const at = this.#settle();
      if (at.takeBlocking(until - now())) return true;
      if (!at.hasMoved()) break;
      // It may have moved only just now.
      if (at.isContending) at.withdraw();
      this.#at = undefined;
    }
    if (isForLine && this.#at?.isContending !== true) this.contend();
    return false;
  }

  withdraw(): void {
    this.#stopRetrying();
    const at = this.#at;
    // Where it does not contend, another line of this thread may.
    if (at !== undefined && (at.isContending || !at.hasMoved())) at.withdraw();
  }

  #stopRetrying(): void {
    stopTimer(this.#retry);
    this.#retry = undefined;
  }

  // The owner, which has a place

  tryFree(): boolean {
    return this.#owner.tryFree();
  }

  extendTenure(waiting: number): boolean {
    return this.#owner.extendTenure(waiting);
  }

  handOn(mayBarge: boolean, contends: boolean): void {
    this.#owner.handOn(mayBarge, contends);
  }

  handOnAndWait(): void {
    this.#owner.handOnAndWait();
  }

  recover(): boolean {
    return this.#at !== undefined && this.#at.recover();
  }

  captureContext(): Context {
    return captureContext();
  }

  tellHeir(tell: (threadId: number) => void, context?: Context): void {
    this.#owner.tellHeir(tell, context);
  }

  get #owner(): SharedContender {
    return this.#at as SharedContender;
  }
}
