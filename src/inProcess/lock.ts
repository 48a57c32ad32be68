import {LineLock, type Line} from '../line/lineLock.js';
import {WaitQueue} from '../line/waitQueue.js';
import type {Waiter} from '../line/waiter.js';
import type {LockTimeoutDetails} from '../errors.js';
import type {Lock} from '../types.js';

/**
 * The line of a lock for one thread: whoever is first in it holds the lock as soon as nobody else does.
 *
 * While nobody holds the lock, nobody is in line.
 */
export class InProcessLine implements Line {
  holder: Waiter | undefined;
  readonly #queue = new WaitQueue();

  tryEnter(waiter: Waiter): boolean {
    if (this.holder !== undefined) return false;
    this.holder = waiter;
    return true;
  }

  join(waiter: Waiter): void {
    this.#queue.push(waiter);
  }

  withdraw(waiter: Waiter): void {
    this.#queue.remove(waiter);
  }

  leave(): void {
    const next = this.#queue.shift();
    this.holder = next;
    next?.admit();
  }

  timeoutDetails(): LockTimeoutDetails | undefined {
    return undefined;
  }
}

/**
 * Creates a lock for one thread.
 *
 * @param timeoutMilliseconds how long a caller waits for the lock. Without it, or with `Infinity`, for
 *   ever; with `0`, not at all.
 * @throws `TypeError` when `timeoutMilliseconds` is not a number, `RangeError` when it is negative or NaN.
 *
 * @example
 * const lock = createLock(30_000);
 * await lock.withLock(async () => { await onlyOneAtATime(); });
 */
export function createLock(timeoutMilliseconds?: number): Lock {
  return new LineLock(new InProcessLine(), LineLock.deadlines(timeoutMilliseconds));
}
