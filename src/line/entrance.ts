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
 * The way into a line through one lock object: who came through it, for how long they wait, and
 * whether anybody else may come. A shared lock's line has one for each lock object of the thread.
 *
 * An acquisition is known by its number, so that nothing that is left of an earlier one can release
 * a later one.
 */
export class Entrance implements WaiterEntrance, Holding {
  readonly lock: object;
  readonly line: Line;
  readonly settings: LockSettings;
  watched: WatchedAcquisition | undefined;

  /** How many came in here and hold the lock or wait for it. */
  #callers = 0;

  /**
   * An acquisition whose call has failed since, because the stack ran out, and which is to be
   * released. A field, because not even `then` can be called where the stack is full: then the next
   * who finds the lock taken sees to it.
   */
  unclaimed = 0;

  /** The call of `pool()`. Nobody else comes in while it waits, or once no caller is left. */
  #closer: Waiter | undefined;

  constructor(lock: object, line: Line, settings: LockSettings) {
    this.lock = lock;
    this.line = line;
    this.settings = settings;
  }

  /** Which lock it is, for errors. */
  details(): LockDetails | undefined {
    const details = this.line.details();
    const {name} = this.settings;
    return name === undefined ? details : {lockName: name, ...details};
  }

  /** The same for the errors that tell no details of a lock without a name. */
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
   * @param lasts whether it lasts until somebody releases it
   * @param group the call that acquires several locks, if it is one
   * @param line the line, or a special way into it
   * @returns the number of the acquisition; 0 if the lock is not free
   */
  tryAcquire(lasts = false, group?: object, line: Pick<Line, 'tryAcquire'> = this.line): number {
    this.assertOpen();
    // It counts as a caller before it is told of a death, because it may call `pool` then.
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
        // Nobody's business but the watcher's.
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
    // First: a stack that runs out must not leave the lock acquired without a guard.
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
    // A lock that nobody uses any more is retired at once.
    if (closing) await closing;
  }

  // Waiting

  /**
   * @param onAdmitted is called with what the waiter's promise resolves to, in its async context
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
      // At once, lest it be admitted.
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
   * What the promise of `waiter` resolves to. A call's gets the waiter, and so needs no closure.
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
    // Last: the stack may run out before.
    this.unclaimed = 0;
  }

  #releaseUnclaimedSoon(): void {
    void then(READY, () => this.releaseUnclaimed());
  }

  #admitCloser(): void {
    if (this.#callers === 0) this.#closer?.admit(0);
  }
}
