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

/** How often a line that waits checks whether a full memory has room again. */
const FULL_MILLISECONDS = 100;

/**
 * Contends for the lock of one key, at the key's place. A key keeps its place while anybody holds
 * the lock or waits for it. Afterwards, another key may get the place. Then this finds another one.
 */
export class KeyContender implements Contender, Mover {
  readonly #membership: Membership;
  readonly #key: Key;
  readonly #onWon: () => void;
  /** Contends at the place where the lock was when this thread last looked for it. */
  #at: SharedContender | undefined;
  /** Runs while its line waits and the memory has no room for the key. */
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

  /** Asks at the key's place, if it has one. */
  #look<T>(ask: (at: SharedContender) => T): T | undefined {
    for (;;) {
      const at = this.#at ?? this.#find();
      if (at === undefined) return undefined;
      const answer = ask(at);
      // A contender that contends notices by itself that it has moved.
      if (at.isContending || !at.hasMoved()) return answer;
      this.#at = undefined;
    }
  }

  #find(): SharedContender | undefined {
    const {cells} = this.#membership;
    const place = findPlace(cells, hashKey(cells, this.#key));
    return place && this.#contendAt(place);
  }

  /** Makes a place if there is none. This thread then owns the lock there already. */
  #findOrMake(): SharedContender | undefined {
    // What begins here cannot be undone.
    assertRoom();
    const {cells, slot, threadId, tokens} = this.#membership;
    // Beforehand, because from then on others may have to find out whether this thread lives.
    tokens.armFirstTime();
    const place = findOrMakePlace(cells, hashKey(cells, this.#key), slot);
    if (place === undefined) probeAll(cells, threadId);
    return place && this.#contendAt(place);
  }

  #contendAt(place: Place): SharedContender {
    this.#at = new SharedContender(place, this.#membership, this.#onWon, place, this);
    return this.#at;
  }

  /** @throws `LockError` (`ERR_LOCK_FULL`) if the memory has no room for the key */
  #settle(): SharedContender {
    const at = this.#at ?? this.#findOrMake();
    if (at !== undefined) return at;
    const most = countEntries(this.#membership.cells);
    throw fullError(
      `Too many keys: at most ${most} keys can be held or awaited at a time. ` +
        'Make the locks with a larger maxKeys.',
    );
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
      // The key may have moved only just now.
      if (at.isContending) at.withdraw();
      this.#at = undefined;
    }
    if (isForLine && this.#at?.isContending !== true) this.contend();
    return false;
  }

  withdraw(): void {
    this.#stopRetrying();
    const at = this.#at;
    // If this one does not contend there, another line of this thread may.
    if (at !== undefined && (at.isContending || !at.hasMoved())) at.withdraw();
  }

  #stopRetrying(): void {
    stopTimer(this.#retry);
    this.#retry = undefined;
  }

  // Methods for the owner, which has a place

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
