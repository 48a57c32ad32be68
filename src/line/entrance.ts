import {
  LockTimeoutError,
  pooledError,
  releasedUnderCallError,
  releasedUnderGuardError,
} from '../errors.js';
import {READY, resolved, then} from '../intrinsics.js';
import type {AbortSignalLike, Lock} from '../types.js';
import {waitersWith} from './aborts.js';
import type {Deadlines} from './deadlines.js';
import {Guard} from './guard.js';
import type {Line, OnAbandoned} from './protocol.js';
import {Waiter, type WaiterEntrance} from './waiter.js';

/** The task of a caller that waits for a guard. */
const GUARD = {};

/**
 * The way into a line through one lock object: who came through it, for how long they wait, and
 * whether anybody else may come. A shared lock's line has one for each lock object of the thread.
 *
 * An acquisition is known by its number, so that nothing that is left of an earlier one can release
 * a later one.
 */
export class Entrance implements WaiterEntrance {
  readonly lock: Lock;
  readonly line: Line;
  readonly onAbandoned: OnAbandoned | undefined;
  readonly #deadlines: Deadlines | undefined;

  /** How many came in here and hold the lock or wait for it. */
  #callers = 0;

  /** The call of `pool()`. Nobody else comes in while it waits, or once no caller is left. */
  #closer: Waiter | undefined;

  constructor(
    lock: Lock,
    line: Line,
    deadlines: Deadlines | undefined,
    onAbandoned: OnAbandoned | undefined,
  ) {
    this.lock = lock;
    this.line = line;
    this.onAbandoned = onAbandoned;
    this.#deadlines = deadlines;
  }

  // Entering

  get isClosed(): boolean {
    return this.#closer !== undefined && this.#callers === 0;
  }

  assertOpen(): void {
    if (this.#closer) throw pooledError();
  }

  /** @returns the number of the acquisition; 0 if the lock is not free */
  tryAcquire(): number {
    this.assertOpen();
    // It counts as a caller before it is told of a death, because it may call `pool` then.
    this.#callers++;
    let acquisition = 0;
    try {
      acquisition = this.line.tryAcquire(this);
    } finally {
      if (!acquisition) this.#callers--;
    }
    return acquisition;
  }

  tryAcquireGuard(): Guard | undefined {
    if (this.line.holder) {
      this.assertOpen();
      return undefined;
    }
    // First: a stack that runs out must not leave the lock acquired without a guard.
    const guard = this.#guard(this.line.acquisition + 1);
    return this.tryAcquire() ? guard : undefined;
  }

  acquireGuard(signal?: AbortSignalLike): Promise<Guard> {
    const guard = this.tryAcquireGuard();
    if (!guard) return this.enqueue(new Waiter(this, GUARD), signal) as Promise<Guard>;
    try {
      return resolved(guard);
    } catch (error) {
      void then(READY, guard.release);
      throw error;
    }
  }

  /** It keeps the number of the acquisition, not its waiter, which would live as long. */
  #guard(acquisition: number): Guard {
    const self = this;
    let held: Entrance | undefined = self;
    return new Guard(() => {
      const entrance = held;
      if (entrance === undefined) return;
      try {
        entrance.release(acquisition, releasedUnderGuardError);
      } finally {
        // A stack that ran out may have thrown before anything was released.
        if (!entrance.isHeldBy(acquisition)) held = undefined;
      }
    });
  }

  async close(): Promise<void> {
    this.assertOpen();
    const closer = new Waiter(this);
    const closing = this.#callers > 0 ? this.#wait(closer) : undefined;
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
    signal?: AbortSignalLike,
    onAdmitted?: (admitted: unknown) => unknown,
  ): Promise<unknown> {
    this.#callers++;
    try {
      // First, because it may throw.
      const admission = this.#wait(waiter, signal);
      this.line.enqueue(waiter);
      return onAdmitted ? then(admission, onAdmitted) : admission;
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

  #wait(waiter: Waiter, signal?: AbortSignalLike): Promise<unknown> {
    const deadlines = this.#deadlines;
    if (deadlines?.timeoutMilliseconds === 0) {
      throw new LockTimeoutError(0, this.line.timeoutDetails());
    }
    return waiter.wait(deadlines?.currentWaiters(), signal && waitersWith(signal));
  }

  /**
   * What the promise of `waiter` resolves to. A call's gets the waiter, and so needs no closure.
   */
  admitted(waiter: Waiter): unknown {
    if (waiter.args) return waiter;
    return waiter.task === GUARD ? this.#guard(waiter.acquisition) : waiter.task;
  }

  cancel(waiter: Waiter, failure: () => never): void {
    waiter.refuse(failure);
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

  /** Whether an acquisition that came in here is not over: anybody may call `releaseLock`. */
  isHeldBy(acquisition: number): boolean {
    return this.line.holder === this && this.line.acquisition === acquisition;
  }

  /** @throws `notHeldError` if the acquisition is over already: of a call, unless it says so */
  release(acquisition: number, notHeldError = releasedUnderCallError): void {
    if (!this.isHeldBy(acquisition)) throw notHeldError();
    try {
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

  #admitCloser(): void {
    if (this.#callers === 0) this.#closer?.admit(0);
  }
}
