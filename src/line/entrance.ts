import {pooledError, releasedUnderCallError, type LockDetails} from '../errors.js';
import {READY, resolved, then} from '../intrinsics.js';
import {GUARD, guardOf, type Guard, type Holding} from './guard.js';
import {waitWithin, type LockSettings, type WaitLimits} from './limits.js';
import type {Line, OnAbandoned} from './protocol.js';
import {Waiter, type Refusal, type WaiterEntrance} from './waiter.js';
import {
  watchAbandoned,
  watchEndOfWait,
  watchWait,
  watching,
  type WatchedAcquisition,
} from './watching.js';

/**
 * The way into a line through one lock object. It knows how many callers came through it, how long
 * they may wait, and whether others may still come. The line of a shared lock has one entrance for
 * each lock object of the thread.
 *
 * Each acquisition has a number, so that a leftover of an earlier acquisition cannot release a
 * later one.
 */
export class Entrance implements WaiterEntrance, Holding {
  readonly lock: object;
  readonly line: Line;
  readonly settings: LockSettings;
  watched: WatchedAcquisition | undefined;

  /** How many callers that came in here hold the lock or wait for it. */
  #callers = 0;

  /**
   * An acquisition that has yet to be released, because its call failed when the stack ran out. It
   * is a field because a full stack has no room to call even `then`: the next caller that finds the
   * lock taken releases it.
   */
  unclaimed = 0;

  /** The call of `pool()`. While there is one, nobody else may come in. */
  #closer: Waiter | undefined;

  constructor(lock: object, line: Line, settings: LockSettings) {
    this.lock = lock;
    this.line = line;
    this.settings = settings;
  }

  /** What errors tell about the lock. */
  details(): LockDetails | undefined {
    const details = this.line.details();
    const {name} = this.settings;
    return name === undefined ? details : {lockName: name, ...details};
  }

  /** The same, for errors that tell nothing about a lock without a name. */
  naming(): LockDetails | undefined {
    return this.settings.name === undefined ? undefined : this.details();
  }

  get onAbandoned(): OnAbandoned | undefined {
    const own = this.settings.onAbandoned;
    if (!watching.watcher) return own;
    return (abandonment) => {
      watchAbandoned(this, abandonment.threadId);
      own?.(abandonment);
    };
  }

  // Entering

  get isClosed(): boolean {
    return this.#closer !== undefined && this.#callers === 0;
  }

  assertOpen(): void {
    if (this.#closer) throw pooledError(this.naming());
  }

  /**
   * @param lasts whether the acquisition lasts until somebody releases it, unlike that of
   *   `withLock`
   * @param group the call, if it acquires several locks
   * @param line the line, or a special way into it
   * @returns the number of the acquisition, or 0 if the lock is not free
   */
  tryAcquire(lasts = false, group?: object, line: Pick<Line, 'tryAcquire'> = this.line): number {
    this.assertOpen();
    // Before the line may call `onAbandoned`, which may call `pool`: this caller must already
    // count.
    this.#callers++;
    let acquisition = 0;
    try {
      acquisition = line.tryAcquire(this);
    } finally {
      if (!acquisition) this.#callers--;
    }
    if (watching.watcher && acquisition) {
      try {
        this.watched = watching.watcher.acquired(this, undefined, group);
        if (lasts) this.watched.lasts();
      } catch {
        // Only the watcher has failed.
      }
    }
    return acquisition;
  }

  tryAcquireGuard(): Guard | undefined {
    if (this.line.holder) {
      if (this.unclaimed) this.#releaseUnclaimedSoon();
      this.assertOpen();
      return undefined;
    }
    // First, because if the stack runs out, it must not leave the lock acquired without a guard.
    const guard = guardOf(this, this.line.acquisition + 1);
    return this.tryAcquire(true) ? guard : undefined;
  }

  acquireGuard(limits?: WaitLimits): Promise<Guard> {
    const guard = this.tryAcquireGuard();
    if (!guard) return this.enqueue(new Waiter(this, GUARD), limits) as Promise<Guard>;
    try {
      return resolved(guard);
    } catch (error) {
      this.unclaimed = this.line.acquisition;
      this.#releaseUnclaimedSoon();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.assertOpen();
    const closer = new Waiter(this);
    const closing = this.#callers > 0 ? waitWithin(closer, this.settings) : undefined;
    this.#closer = closer;
    // If nobody uses the lock, it is retired at once.
    if (closing) await closing;
  }

  // Waiting

  /**
   * @param onAdmitted called with what the waiter's promise resolves to, in the caller's async
   *   context
   */
  enqueue(
    waiter: Waiter,
    limits: WaitLimits = this.settings,
    onAdmitted?: (admitted: unknown) => unknown,
  ): Promise<unknown> {
    if (this.unclaimed) this.#releaseUnclaimedSoon();
    this.#callers++;
    try {
      // First, because it may throw.
      const admission = waitWithin(waiter, limits);
      this.line.enqueue(waiter);
      const outcome = onAdmitted ? then(admission, onAdmitted) : admission;
      return watching.watcher ? watchWait(waiter, outcome) : outcome;
    } catch (error) {
      this.#callers--;
      // At once, so that it is not admitted.
      waiter.resolve = undefined;
      const refused = waiter;
      const {line} = this;
      void then(READY, () => {
        refused.tidy();
        line.recount();
      });
      throw error;
    }
  }

  /**
   * What the promise of `waiter` resolves to. For a call of `withLock` that is the waiter itself,
   * which saves a closure.
   */
  admitted(waiter: Waiter): unknown {
    const {watcher} = watching;
    if (watcher) {
      try {
        this.watched = watcher.acquired(this, waiter, undefined);
      } catch {
        // As in `tryAcquire`.
      }
    }
    if (waiter.args) return waiter;
    return waiter.task === GUARD ? guardOf(this, waiter.acquisition) : waiter.task;
  }

  cancel(waiter: Waiter, refusal: Refusal): void {
    if (watching.watcher) watchEndOfWait(waiter);
    waiter.refuse(refusal);
    if (waiter === this.#closer) {
      this.#closer = undefined;
      return;
    }
    this.#callers--;
    try {
      this.line.withdraw(waiter);
    } catch {
      void then(READY, () => this.line.recount());
    }
    if (this.#closer && this.#callers === 0) void then(READY, () => this.#admitCloser());
  }

  // Releasing

  isHeldBy(acquisition: number): boolean {
    return this.line.holder === this && this.line.acquisition === acquisition;
  }

  release(acquisition: number, notHeldError = releasedUnderCallError): void {
    if (!this.isHeldBy(acquisition)) throw notHeldError(this.naming());
    try {
      if (this.watched) this.#endWatch(this.watched);
      this.line.release();
    } finally {
      if (!this.isHeldBy(acquisition)) {
        this.#callers--;
        if (this.#closer && this.#callers === 0) {
          const self = this;
          void then(READY, () => self.#admitCloser());
        }
      }
    }
  }

  #endWatch(watched: WatchedAcquisition): void {
    this.watched = undefined;
    try {
      watched.released();
    } catch {
      // As in `tryAcquire`.
    }
  }

  releaseUnclaimed(): void {
    if (this.isHeldBy(this.unclaimed)) this.release(this.unclaimed);
    // Last, because the stack may run out before.
    this.unclaimed = 0;
  }

  #releaseUnclaimedSoon(): void {
    void then(READY, () => this.releaseUnclaimed());
  }

  #admitCloser(): void {
    if (this.#callers === 0) this.#closer?.admit(0);
  }
}
