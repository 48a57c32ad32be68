import type {Deadlines} from './deadlines.js';
import type {LineLock} from './lineLock.js';

/**
 * One caller, from its call until it has released the lock or given up.
 *
 * A caller that gets the lock at once never waits. Any other is `waiting` from `wait` until exactly one of
 * `admit` and `refuse`.
 */
export class Waiter {
  readonly lock: LineLock;
  protected value: unknown;

  /** Its neighbours in the line; the `WaitQueue` keeps them. */
  ahead: Waiter | undefined;
  behind: Waiter | undefined;

  /** When its wait ends, on the clock of `Deadlines`, which sets it. */
  deadline = 0;

  #deadlines: Deadlines | undefined;
  #resolve: ((value: unknown) => void) | undefined;

  /**
   * @param lock the object through which it came
   * @param value what its promise resolves to once it is admitted
   */
  constructor(lock: LineLock, value: unknown) {
    this.lock = lock;
    this.value = value;
  }

  get waiting(): boolean {
    return this.#resolve !== undefined;
  }

  wait(deadlines: Deadlines | undefined): Promise<unknown> {
    this.#deadlines = deadlines;
    deadlines?.add(this);
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** It holds the lock now. Its code goes on in a later microtask, in its own async context. */
  admit(): void {
    this.#endWait(this.value);
  }

  /** It has left the line and will not get the lock. */
  refuse(reason: Error): void {
    // Not by the `reject` of its promise: keeping that for each waiter costs more than this for a few.
    this.#endWait(Promise.reject(reason));
  }

  #endWait(outcome: unknown): void {
    const resolve = this.#resolve;
    this.#resolve = undefined;
    this.#deadlines?.remove();
    resolve?.(outcome);
  }
}
