import {releasedUnderCallError, type LockDetails} from '../errors.js';
import {READY, createMap, resolved, then} from '../intrinsics.js';
import type {AbortSignalLike} from '../types.js';
import {callAdmitted, callAtOnce, watchedCallAtOnce, type AnyFunction} from './calls.js';
import type {Entrance} from './entrance.js';
import {GUARD, guardOf, type Guard, type Holding} from './guard.js';
import {waitWithin, type WaitLimits} from './limits.js';
import {Waiter, createCaller, type Refusal, type WaiterEntrance} from './waiter.js';
import {
  watchEndOfWait,
  watchGathered,
  watchGroup,
  watchLasting,
  watchWait,
  type WatchedAcquisition,
} from './watching.js';

/** A group acquires its locks once. */
const ACQUISITION = 1;

/** One lock of a group. */
interface Member {
  readonly entrance: Entrance;
  /** The number of its acquisition, or 0 while the group does not have it. */
  acquisition: number;
  isReleased: boolean;
}

const isHeld = ({acquisition, isReleased}: Member): boolean => acquisition > 0 && !isReleased;

/**
 * The locks of one call that acquires several, all or none.
 *
 * The group joins the lines of all its locks in one synchronous step. So any two groups stand in
 * the same order in every line that they share, and no group waits for one that came later. Groups
 * therefore never wait in a circle, in whatever order each of them names its locks.
 */
export class Group implements WaiterEntrance, Holding {
  readonly lock: object;
  readonly onAbandoned = undefined;
  readonly watched: WatchedAcquisition | undefined;

  readonly #members: Member[] = [];
  readonly #seen = createMap<Entrance, true>();
  protected missing = 0;
  /** Waits until no lock is missing. */
  protected waiter: Waiter | undefined;
  readonly #cancellation = new Cancellation();

  /** @param lock what the locks belong to */
  constructor(lock: object) {
    this.lock = lock;
    this.watched = watchGroup(this);
  }

  /**
   * Acquires the locks that are free. Call `call` or `acquire` right afterwards.
   *
   * @param findEntrance may return the same lock for several keys
   */
  gather<TKey>(keys: readonly TKey[], findEntrance: (key: TKey) => Entrance): void {
    this.attempt(() => {
      for (const key of keys) this.acquireOne(findEntrance(key));
    });
  }

  /** Acquires one more lock, or gets in line for it. */
  protected acquireOne(entrance: Entrance): void {
    if (this.#seen.get(entrance)) return;
    this.#seen.set(entrance, true);
    const acquisition = entrance.tryAcquire(false, this);
    const member = {entrance, acquisition, isReleased: false};
    this.#members[this.#members.length] = member;
    if (acquisition) return;
    this.missing++;
    if (this.waiter) this.#enqueue(member);
  }

  /** Goes on after the group has got a lock that was missing. */
  protected goOn(waiter: Waiter): void {
    if (this.missing === 0) waiter.admit(ACQUISITION);
  }

  call(fn: AnyFunction, args: unknown[], limits: WaitLimits): Promise<unknown> {
    return this.attempt(() =>
      this.missing === 0
        ? (this.watched ? watchedCallAtOnce(this.watched) : callAtOnce)(this, ACQUISITION, fn, args)
        : this.#wait(createCaller(this, fn, args), limits, callAdmitted),
    );
  }

  acquire(limits: WaitLimits): Promise<Guard> {
    return this.attempt(() => {
      if (this.watched) watchLasting(this.watched);
      return this.missing === 0
        ? resolved(guardOf(this, ACQUISITION))
        : (this.#wait(new Waiter(this, GUARD), limits) as Promise<Guard>);
    });
  }

  /** Gets in line for the locks that are missing. */
  #wait(
    waiter: Waiter,
    limits: WaitLimits,
    onAdmitted?: (admitted: unknown) => unknown,
  ): Promise<unknown> {
    this.waiter = waiter;
    // First, because it may throw.
    const admission = waitWithin(waiter, limits);
    for (const member of this.#members) if (!member.acquisition) this.#enqueue(member);
    const outcome = onAdmitted ? then(admission, onAdmitted) : admission;
    return watchWait(waiter, outcome);
  }

  #enqueue(member: Member): void {
    const waiter = new Waiter(member.entrance, this);
    const admission = member.entrance.enqueue(waiter, {signal: this.#cancellation});
    const onAdmitted = () => {
      member.acquisition = waiter.acquisition;
      this.missing--;
      if (this.waiter?.isWaiting) this.goOn(this.waiter);
      else this.#letGo();
    };
    // If the wait is cancelled, the group's own waiter reports the error.
    void then(admission, onAdmitted, () => undefined);
  }

  admitted(waiter: Waiter): unknown {
    if (this.watched) watchGathered(waiter);
    return waiter.task === GUARD ? guardOf(this, ACQUISITION) : waiter;
  }

  cancel(waiter: Waiter, refusal: Refusal): void {
    watchEndOfWait(waiter);
    waiter.refuse(refusal);
    this.#letGo();
  }

  /**
   * Undoes a step that throws. It does so at once, so that nobody finds a lock held that nobody
   * will use. It does so again later, because the stack may have run out.
   */
  protected attempt<T>(step: () => T): T {
    try {
      return step();
    } catch (error) {
      const recover = (): void => {
        const waiter = this.waiter;
        if (waiter) {
          waiter.resolve = undefined;
          waiter.tidy();
        }
        this.#letGo();
      };
      void then(READY, recover);
      recover();
      throw error;
    }
  }

  /** Leaves all lines, and releases the locks that the group has. */
  #letGo(): void {
    this.#cancellation.abort();
    try {
      this.release();
    } catch {
      // Somebody else has released one of the locks, or the caller's own store has failed, or the
      // stack ran out.
      if (this.#members.some(isHeld)) void then(READY, () => this.#letGo());
    }
  }

  details(): LockDetails | undefined {
    for (const {entrance, acquisition} of this.#members) {
      if (!acquisition) return entrance.details();
    }
    return undefined;
  }

  /** Whether the group still holds all the locks that it has acquired. */
  isHeldBy(): boolean {
    for (const {entrance, acquisition, isReleased} of this.#members) {
      if (!isReleased && !entrance.isHeldBy(acquisition)) return false;
    }
    return true;
  }

  /** Releases all locks that the group has, even if one of them fails. */
  release(_acquisition = ACQUISITION, notHeldError = releasedUnderCallError): void {
    const failures: unknown[] = [];
    for (const member of this.#members) {
      if (!isHeld(member)) continue;
      const {entrance, acquisition} = member;
      try {
        entrance.release(acquisition, notHeldError);
      } catch (error) {
        failures[failures.length] = error;
        // If the stack ran out, the group still has the lock and can release it again.
        if (entrance.isHeldBy(acquisition)) continue;
      }
      member.isReleased = true;
    }
    if (failures.length > 0) throw failures[0];
  }
}

/** The signal that takes a group out of its lines. */
class Cancellation implements AbortSignalLike {
  aborted = false;
  #listener: (() => void) | undefined;

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listener = listener;
  }

  removeEventListener(): void {
    this.#listener = undefined;
  }

  abort(): void {
    this.aborted = true;
    this.#listener?.();
  }
}
