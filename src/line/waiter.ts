import type {LockDetails} from '../errors.js';
import {NOTHING, assertRoom, NativePromise, READY, then} from '../intrinsics.js';
import type {LineEntrance, LineWaiter} from './protocol.js';
import type {WaitQueue} from './waitQueue.js';

/** The waiters whose waits one timer or one signal may end. */
export type CancellableWaiters = WaitQueue<Waiter>;

/** Both the waiters whose waits a timer ends and those whose waits a signal ends. */
class Both {
  readonly #timeout: CancellableWaiters;
  readonly #signal: CancellableWaiters;

  constructor(timeout: CancellableWaiters, signal: CancellableWaiters) {
    this.#timeout = timeout;
    this.#signal = signal;
  }

  enqueue(waiter: Waiter): void {
    // First, because a signal that is not the platform's own may throw.
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

/** Returns what rejects: see `rejectingWith` and `failingWith`. */
export type Refusal = () => PromiseLike<never>;

/** What a waiter needs of the way by which it came into its line. */
export interface WaiterEntrance extends LineEntrance {
  /** @returns what the promise of `waiter`, which has just been admitted, resolves to */
  admitted(waiter: Waiter): unknown;
  /** Ends the wait of `waiter`, whose promise resolves to what `refusal` returns, which rejects. */
  cancel(waiter: Waiter, refusal: Refusal): void;
  /** What the error of a wait that ends now should tell. */
  details(): LockDetails | undefined;
}

/**
 * A caller that did not get the lock at once. It `isWaiting` from `wait` until it is admitted,
 * refused, or its `resolve` is taken from it.
 *
 * One class for all kinds of callers: a line of two classes takes a fifth more time (rows
 * `… 100 callers` of the benchmark). And few fields, because there may be many waiters (rows `heap
 * per waiter`).
 */
export class Waiter implements LineWaiter {
  readonly entrance: WaiterEntrance;
  /** Of a call of `withLock` the function, of `acquireLock` what its promise resolves to. */
  readonly task: unknown;
  /** Of a call of `withLock` the arguments of its function. */
  readonly args: readonly unknown[] | undefined;
  /** While it waits its deadline, then its acquisition: nobody asks for both. */
  #number: number | undefined;

  /** Where it is, too, so that its wait can be ended. */
  #cancellable: Both | CancellableWaiters | undefined;
  /**
   * Settles its promise; only while it waits. Not private, so that a wait can be ended without a
   * call, for which a stack that ran out has no room.
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

  /** When its timeout ends its wait; set, and read, by that alone. */
  get deadline(): number {
    return this.#number as number;
  }

  set deadline(deadline: number) {
    this.#number = deadline;
  }

  /** The number of its acquisition, once it is admitted. */
  get acquisition(): number {
    return this.#number as number;
  }

  /** It waits until it is admitted or refused, or one of these ends its wait. */
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
   * Its code goes on in a later microtask, in its own async context. Where the stack runs out, it
   * throws, and still waits.
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

  /** It will not get the lock: its promise resolves to what `refusal` returns, which rejects. */
  refuse(refusal: Refusal): void {
    // No `reject` is kept: it would be one more function for each waiter, and rejecting takes some
    // engines a time that grows with the number of promises that are rejected at once.
    if (this.isWaiting) this.#endWait(refusal());
  }

  /** Takes it, who no longer waits, from those whose waits may be ended. */
  tidy(): void {
    this.#cancellable?.recount();
  }

  #endWait(outcome: unknown): void {
    const resolve = this.resolve;
    if (!resolve) return;
    // For what has to be done below, sooner or later.
    if (this.#cancellable) assertRoom(4);
    // First: what the outcome's `then` or a timer calls may look who waits.
    this.resolve = undefined;
    try {
      resolve(outcome);
    } catch (error) {
      // The stack ran out before anything was done.
      this.resolve = resolve;
      throw error;
    }
    // Its promise is settled. Neither a stack that runs out here nor a signal that throws may undo
    // that.
    try {
      this.#cancellable?.dequeue(this);
    } catch {
      const self = this;
      try {
        void then(READY, () => self.tidy());
      } catch {
        // Then whoever looks for the first in that queue does so.
      }
    }
  }
}

/** Most functions take no arguments: one array for all of them, rather than one for each waiter. */
const NO_ARGS: readonly unknown[] = [];

/** The waiter of a call of `withLock`. */
export const createCaller = (entrance: WaiterEntrance, fn: unknown, args: unknown[]): Waiter =>
  new Waiter(entrance, fn, args.length > 0 ? args : NO_ARGS);

/**
 * Rejects with `reason`, all waiters by the same object: with a promise for each, to abort many
 * takes several times as long (row `50000 waiters aborted at once`).
 */
export function rejectingWith(reason: unknown): Refusal {
  const refused = {
    then: (_onFulfilled: unknown, onRejected: (reason: unknown) => void) => onRejected(reason),
  } as PromiseLike<never>;
  return () => refused;
}

/**
 * Rejects with what `failure` throws. It is called once the waiter's promise awaits this one,
 * because only then does the stack of a new error lead to the waiter's caller.
 */
export const failingWith =
  (failure: () => never): Refusal =>
  async () => {
    await NOTHING;
    await NOTHING;
    return failure();
  };
