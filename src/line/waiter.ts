import type {LockDetails} from '../errors.js';
import {NOTHING, assertRoom, NativePromise, READY, then} from '../intrinsics.js';
import type {LineEntrance, LineWaiter} from './protocol.js';
import type {WaitQueue} from './waitQueue.js';

/** The waiters whose waits a single timer, or a single signal, may end. */
export type CancellableWaiters = WaitQueue<Waiter>;

/**
 * Puts a waiter into two queues: one whose waits a timer ends, and one whose waits a signal ends.
 */
class Both {
  readonly #timeout: CancellableWaiters;
  readonly #signal: CancellableWaiters;

  constructor(timeout: CancellableWaiters, signal: CancellableWaiters) {
    this.#timeout = timeout;
    this.#signal = signal;
  }

  enqueue(waiter: Waiter): void {
    // The signal first: if it is not the platform's own, it may throw.
    this.#signal.enqueue(waiter);
    this.#timeout.enqueue(waiter);
  }

  dequeue(waiter: Waiter): void {
    this.#timeout.dequeue(waiter);
    this.#signal.dequeue(waiter);
  }

  recount(): void {
    this.#timeout.recount();
    this.#signal.recount();
  }
}

/** Returns a promise that rejects. See `rejectingWith` and `failingWith`. */
export type Refusal = () => PromiseLike<never>;

/** What a waiter needs of the entrance through which it came into its line. */
export interface WaiterEntrance extends LineEntrance {
  /** Called when `waiter` has been admitted. @returns what its promise resolves to */
  admitted(waiter: Waiter): unknown;
  /** Ends the wait of `waiter`. Its promise rejects as the promise that `refusal` returns. */
  cancel(waiter: Waiter, refusal: Refusal): void;
  /** What the error of a wait that ends now tells about the lock. */
  details(): LockDetails | undefined;
}

/**
 * A caller that did not get the lock at once. It `isWaiting` from the call of `wait` until it is
 * admitted or refused, or its `resolve` is taken away.
 *
 * One class serves all kinds of callers: a line with two classes takes a fifth more time (rows
 * `… 100 callers` of the benchmark). It has few fields, because there may be many waiters (rows
 * `heap per waiter`).
 */
export class Waiter implements LineWaiter {
  readonly entrance: WaiterEntrance;
  /**
   * The function of a call of `withLock`, or what the promise of a call of `acquireLock` resolves
   * to.
   */
  readonly task: unknown;
  /** The arguments for the function of a call of `withLock`. */
  readonly args: readonly unknown[] | undefined;
  /**
   * Its deadline while it waits, and its acquisition afterwards. Nobody needs both at the same
   * time.
   */
  #number: number | undefined;

  /** The queues that may end its wait. */
  #cancellable: Both | CancellableWaiters | undefined;
  /**
   * Settles its promise. It is there only while the caller waits. It is not private, so that a wait
   * can be ended by an assignment, where the stack has no room for a call.
   */
  resolve: ((value: unknown) => void) | undefined;

  constructor(entrance: WaiterEntrance, task?: unknown, args?: readonly unknown[]) {
    this.entrance = entrance;
    this.task = task;
    this.args = args;
  }

  get isWaiting(): boolean {
    return this.resolve !== undefined;
  }

  /** When its timeout ends its wait. Only the timeout's queue sets and reads it. */
  get deadline(): number {
    return this.#number as number;
  }

  set deadline(deadline: number) {
    this.#number = deadline;
  }

  /** The number of its acquisition. It has one once it is admitted. */
  get acquisition(): number {
    return this.#number as number;
  }

  /** Begins to wait, until it is admitted or refused. Each of the two queues may end its wait. */
  wait(
    timeout: CancellableWaiters | undefined,
    signal: CancellableWaiters | undefined,
  ): Promise<unknown> {
    this.#cancellable = timeout && signal ? new Both(timeout, signal) : (timeout ?? signal);
    // Before the promise, because it may throw.
    this.#cancellable?.enqueue(this);
    const outcome = new NativePromise<unknown>((resolve) => {
      this.resolve = resolve;
    });
    if (this.resolve === undefined) {
      // The stack ran out inside the constructor, which turned that into a rejection.
      void then(outcome, undefined, () => undefined);
      throw new RangeError('Maximum call stack size exceeded');
    }
    return outcome;
  }

  /**
   * The caller's code goes on in a later microtask, in its own async context. If the stack runs
   * out, this throws, and the caller still waits.
   */
  admit(acquisition: number): void {
    if (!this.isWaiting) return;
    const deadline = this.#number;
    this.#number = acquisition;
    try {
      this.#endWait(this.entrance.admitted(this));
    } catch (error) {
      this.#number = deadline;
      throw error;
    }
  }

  /** Ends the wait without the lock. Its promise rejects as the promise that `refusal` returns. */
  refuse(refusal: Refusal): void {
    // A waiter keeps no `reject`, which would be one more function for each waiter. Besides, in
    // some engines the time to reject a promise grows with the number of promises that are rejected
    // at once.
    if (this.isWaiting) this.#endWait(refusal());
  }

  /** Takes a caller that no longer waits out of the queues that may end its wait. */
  tidy(): void {
    this.#cancellable?.recount();
  }

  #endWait(outcome: unknown): void {
    const resolve = this.resolve;
    if (!resolve) return;
    // Room for the steps below.
    if (this.#cancellable) assertRoom(4);
    // First, because the outcome's `then` or a timer may call code that looks at who waits.
    this.resolve = undefined;
    try {
      resolve(outcome);
    } catch (error) {
      // The stack ran out before anything was done.
      this.resolve = resolve;
      throw error;
    }
    // Its promise is settled. Nothing may undo that now, neither a stack that runs out here nor a
    // signal that throws.
    try {
      this.#cancellable?.dequeue(this);
    } catch {
      const self = this;
      try {
        void then(READY, () => self.tidy());
      } catch {
        // Then that happens when somebody next looks for the first in that queue.
      }
    }
  }
}

/** The arguments of the many functions that take none: one array for all waiters. */
const NO_ARGS: readonly unknown[] = [];

/** The waiter of a call of `withLock`. */
export const createCaller = (entrance: WaiterEntrance, fn: unknown, args: unknown[]): Waiter =>
  new Waiter(entrance, fn, args.length > 0 ? args : NO_ARGS);

/**
 * Rejects with `reason`. The same object rejects all waiters: with a promise for each of them,
 * aborting many would take several times as long (row `50000 waiters aborted at once`).
 */
export function rejectingWith(reason: unknown): Refusal {
  const refused = {
    then: (_onFulfilled: unknown, onRejected: (reason: unknown) => void) => onRejected(reason),
  } as PromiseLike<never>;
  return () => refused;
}

/**
 * Rejects with what `failure` throws. `failure` is called after the waiter's promise has begun to
 * await this one, because only then does the stack of a new error lead to the waiter's caller.
 */
export const failingWith =
  (failure: () => never): Refusal =>
  async () => {
    await NOTHING;
    await NOTHING;
    return failure();
  };
