import {NOTHING, NativePromise, READY, nativeThen, then} from '../intrinsics.js';
import {Guard} from './guard.js';
import type {Limit} from './limit.js';
import type {LineLock} from './lineLock.js';

/** The task of a caller that waits for a guard. */
export const GUARD = {};

/**
 * A caller that did not get the lock at once. It is `waiting` from `wait` until exactly one of `admit`, `refuse` and `abandon`.
 *
 * One class for all kinds of callers, because a line of two takes a fifth more time.
 */
export class Waiter {
  /** The object through which it came. */
  readonly lock: LineLock;
  /** What its promise resolves to once it is admitted; of a call of `withLock` the function. */
  readonly task: unknown;
  /** Of a call, whose promise resolves to the waiter itself, so that waiting needs no closure. */
  readonly args: readonly unknown[] | undefined;
  /** The number of its acquisition, once it is admitted. */
  acquisition = 0;

  /** When its wait ends, on the clock of `Deadlines`, which sets it. */
  deadline = 0;

  #deadlines: Limit | undefined;
  #aborts: Limit | undefined;
  /** Settles its promise, as long as it is waiting. */
  resolve: ((value: unknown) => void) | undefined;

  constructor(lock: LineLock, task?: unknown, args?: readonly unknown[]) {
    this.lock = lock;
    this.task = task;
    this.args = args;
  }

  get waiting(): boolean {
    return this.resolve !== undefined;
  }

  /** It waits, until admitted or refused, for as long as these let it. */
  wait(deadlines: Limit | undefined, aborts: Limit | undefined): Promise<unknown> {
    this.#deadlines = deadlines;
    this.#aborts = aborts;
    // First, because a signal that is not the platform's own may throw. It is not `waiting` yet: nobody may ask these for their
    // first before it is.
    aborts?.join(this);
    deadlines?.join(this);
    const outcome = new NativePromise<unknown>((resolve) => {
      this.resolve = resolve;
    });
    if (this.resolve === undefined) {
      // The stack ran out, and the promise keeps that to itself.
      void then(outcome, undefined, () => undefined);
      throw new RangeError('Maximum call stack size exceeded');
    }
    return outcome;
  }

  /** It holds the lock now. Its code goes on in a later microtask, in its own async context. */
  admit(acquisition: number): void {
    const {lock, task, args} = this;
    this.acquisition = acquisition;
    this.#endWait(args ? this : task === GUARD ? new Guard(lock, acquisition) : task);
  }

  /** It will not get the lock. What its promise rejects with, `failure` throws. */
  refuse(failure: () => never): void {
    // The promise would keep a `reject` of its own for each waiter, and a rejected one takes some engines a time that grows
    // with the number of all that are rejected.
    if (this.resolve) this.#endWait(failing(failure));
  }

  /** Its caller has got an error instead. */
  abandon(): void {
    this.resolve = undefined;
    this.#deadlines?.tidy();
    this.#aborts?.tidy();
  }

  #endWait(outcome: unknown): void {
    const resolve = this.resolve;
    if (!resolve) return;
    resolve(outcome);
    this.resolve = undefined;
    // It has its outcome. Neither a stack that runs out, nor a signal that is not the platform's own, may undo that.
    try {
      this.#deadlines?.withdraw(this);
      this.#aborts?.withdraw(this);
    } catch {
      const self = this;
      void nativeThen.call(READY, () => self.abandon());
    }
  }
}

/**
 * Rejects with what `failure` throws, which it calls when the promise of the waiter waits for this one:
 * only then does the stack of a new error lead to the caller.
 */
async function failing(failure: () => never): Promise<never> {
  await NOTHING;
  await NOTHING;
  return failure();
}
