import {Guard} from './guard.js';
import type {Limit} from './limit.js';
import type {LineLock} from './lineLock.js';

/** The task of a caller that waits for a guard. */
export const GUARD = {};

/**
 * A caller that did not get the lock at once. It is `waiting` from `wait` until exactly one of `admit` and `refuse`.
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
  #resolve: ((value: unknown) => void) | undefined;

  constructor(lock: LineLock, task?: unknown, args?: readonly unknown[]) {
    this.lock = lock;
    this.task = task;
    this.args = args;
  }

  get waiting(): boolean {
    return this.#resolve !== undefined;
  }

  /** It waits, until admitted or refused, for as long as these let it. */
  wait(deadlines: Limit | undefined, aborts: Limit | undefined): Promise<unknown> {
    this.#deadlines = deadlines;
    this.#aborts = aborts;
    // First, because a signal that is not the platform's own may throw. It is not `waiting` yet: nobody may ask these for their
    // first before it is.
    aborts?.join(this);
    deadlines?.join(this);
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** It holds the lock now. Its code goes on in a later microtask, in its own async context. */
  admit(acquisition: number): void {
    const {lock, task, args} = this;
    this.acquisition = acquisition;
    this.#endWait(args ? this : task === GUARD ? new Guard(lock, acquisition) : task);
  }

  /** It has left the line and will not get the lock. */
  refuse(reason: unknown): void {
    // Not by the `reject` of its promise: keeping that for each waiter costs more than this for a few.
    this.#endWait(Promise.reject(reason));
  }

  #endWait(outcome: unknown): void {
    const resolve = this.#resolve;
    if (!resolve) return;
    this.#resolve = undefined;
    this.#deadlines?.withdraw(this);
    resolve(outcome);
    // Last, because a signal that is not the platform's own may throw.
    this.#aborts?.withdraw(this);
  }
}
