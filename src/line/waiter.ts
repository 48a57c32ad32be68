import type {Aborts} from './aborts.js';
import type {Deadlines} from './deadlines.js';
import type {LineLock} from './lineLock.js';

const NONE: readonly never[] = [];

/**
 * One caller, from its call until it has released the lock or given up.
 *
 * A caller that gets the lock at once never waits. Any other is `waiting` from `wait` until exactly one of
 * `admit` and `refuse`.
 */
export class Waiter {
  /** The object through which it came. */
  readonly lock: LineLock;
  /** What its promise resolves to once it is admitted, unless it is a call of `withLock`. */
  task: unknown;
  /**
   * A call's function and arguments. Its promise resolves to the waiter itself, so that waiting needs no closure.
   * One class for both kinds, because a line of two takes a fifth more time.
   */
  readonly fn: ((...args: never[]) => unknown) | undefined;
  readonly args: readonly never[];

  /** Its neighbours in the line; the `Line` keeps them. */
  ahead: Waiter | undefined;
  behind: Waiter | undefined;

  /** When its wait ends, on the clock of `Deadlines`, which sets it. */
  deadline = 0;

  #deadlines: Deadlines | undefined;
  #aborts: Aborts | undefined;
  #resolve: ((value: unknown) => void) | undefined;

  constructor(
    lock: LineLock,
    task?: unknown,
    fn?: (...args: never[]) => unknown,
    args: readonly unknown[] = NONE,
  ) {
    this.lock = lock;
    this.task = task;
    this.fn = fn;
    this.args = args as readonly never[];
  }

  get waiting(): boolean {
    return this.#resolve !== undefined;
  }

  /** It waits, until admitted or refused, for as long as these let it. */
  wait(deadlines: Deadlines | undefined, aborts?: Aborts): Promise<unknown> {
    this.#deadlines = deadlines;
    this.#aborts = aborts;
    // First, because a signal that is not the platform's own may throw.
    aborts?.add(this);
    deadlines?.add(this);
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** It holds the lock now. Its code goes on in a later microtask, in its own async context. */
  admit(): void {
    this.#endWait(this.fn === undefined ? this.task : this);
  }

  /** It has left the line and will not get the lock. */
  refuse(reason: unknown): void {
    // Not by the `reject` of its promise: keeping that for each waiter costs more than this for a few.
    this.#endWait(Promise.reject(reason));
  }

  #endWait(outcome: unknown): void {
    const resolve = this.#resolve;
    if (resolve === undefined) return;
    this.#resolve = undefined;
    this.#deadlines?.remove();
    resolve(outcome);
    this.#aborts?.remove(this);
  }
}
