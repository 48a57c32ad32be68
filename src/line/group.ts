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
  /** 0 while it is missing. */
  acquisition: number;
  isReleased: boolean;
}

const isHeld = ({acquisition, isReleased}: Member): boolean => acquisition > 0 && !isReleased;

/**
 * The locks of one call that acquires several, all or none.
 *
 * It gets in the lines of all of them in one synchronous step. So any two groups stand in the same
 * order in each line in which both are, and no group waits for one that came later: there is no
 * circle of groups, in whatever order each names its locks.
 */
export class Group implements WaiterEntrance, Holding {
  readonly lock: object;
  readonly onAbandoned = undefined;
  readonly watched: WatchedAcquisition | undefined;

  readonly #members: Member[] = [];
  readonly #seen = createMap<Entrance, true>();
  protected missing = 0;
  /** Waits until none is missing. */
  protected waiter: Waiter | undefined;
  readonly #cancellation = new Cancellation();

  /** @param lock what the locks belong to */
  constructor(lock: object) {
    this.lock = lock;
    this.watched = watchGroup(this);
  }

  /**
   * Acquires those of the locks that are free. To be followed by `call` or `acquire` at once.
   *
   * @param findEntrance may find the same lock for several keys
   */
  gather<TKey>(keys: readonly TKey[], findEntrance: (key: TKey) => Entrance): void {
    this.attempt(() => {
      for (const key of keys) this.acquireOne(findEntrance(key));
    });
  }

  /** Acquires one more, or gets in line for it. */
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

  /** One that was missing is there. */
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

  /** Gets in line for those that are missing. */
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
    // Once it is cancelled, the waiter of the group tells why.
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
   * A step that throws leaves nothing: at once, lest anybody find a lock held that nobody will use;
   * and once more later, because the stack may have run out.
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

  /** Leaves all lines, and releases what it has. */
  #letGo(): void {
    this.#cancellation.abort();
    try {
      this.release();
    } catch {
      // Somebody else may have released one, the caller's own store may fail, or the stack ran out.
      if (this.#members.some(isHeld)) void then(READY, () => this.#letGo());
    }
  }

  details(): LockDetails | undefined {
    for (const {entrance, acquisition} of this.#members) {
      if (!acquisition) return entrance.details();
    }
    return undefined;
  }

  /** Whether nobody else released one of those that it has. */
  isHeldBy(): boolean {
    for (const {entrance, acquisition, isReleased} of this.#members) {
      if (!isReleased && !entrance.isHeldBy(acquisition)) return false;
    }
    return true;
  }

  /** Releases all that it has, whatever becomes of one of them. */
  release(_acquisition = ACQUISITION, notHeldError = releasedUnderCallError): void {
    const failures: unknown[] = [];
    for (const member of this.#members) {
      if (!isHeld(member)) continue;
      const {entrance, acquisition} = member;
      try {
        entrance.release(acquisition, notHeldError);
      } catch (error) {
        failures[failures.length] = error;
        // The stack may have run out. What has it still can be released again.
        if (entrance.isHeldBy(acquisition)) continue;
      }
      member.isReleased = true;
    }
    if (failures.length > 0) throw failures[0];
  }
}

/** The signal by which a group leaves its lines. */
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
