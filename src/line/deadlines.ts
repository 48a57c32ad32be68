import {assertType, badValueError} from '../errors.js';
import {Limit} from './limit.js';
import type {Waiter} from './waiter.js';

/** `setTimeout` fires at once for anything longer. */
const LONGEST_TIMER = 2_147_483_647;

/**
 * The waiters that share one timeout, and the one timer that ends their waits.
 *
 * Because the timeout is the same, they stand in the order of their deadlines.
 */
export class Deadlines extends Limit {
  declare readonly timeoutMilliseconds: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(timeoutMilliseconds: number) {
    super();
    this.timeoutMilliseconds = timeoutMilliseconds;
  }

  override join(waiter: Waiter): void {
    waiter.deadline = performance.now() + this.timeoutMilliseconds;
    super.join(waiter);
  }

  protected start(left = this.timeoutMilliseconds): void {
    const delay = Math.min(Math.ceil(left), LONGEST_TIMER);
    const firesAt = performance.now() + delay;
    this.#timer = setTimeout(() => {
      let now = performance.now();
      // Timers count in whole milliseconds, and so may be early by a part of one. By more only where they are mocked and the
      // clock is not: then it is time.
      if (firesAt - now >= 1) now = firesAt;
      for (let waiter; (waiter = this.first); waiter.lock.expire(waiter)) {
        if (waiter.deadline > now) return this.start(waiter.deadline - now);
      }
    }, delay);
  }

  protected stop(): void {
    clearTimeout(this.#timer);
  }
}

/**
 * What a lock, or several with the same timeout, are made with; `undefined` where nobody's wait ends by time.
 *
 * @throws `TypeError` or `RangeError` when `timeoutMilliseconds` is not a length of time.
 */
export function deadlinesAfter(timeoutMilliseconds = Infinity): Deadlines | undefined {
  assertType(timeoutMilliseconds, 'number', 'timeoutMilliseconds to be a number');
  if (!(timeoutMilliseconds >= 0)) {
    throw badValueError(RangeError, 'timeoutMilliseconds to be 0 or more', timeoutMilliseconds);
  }
  return timeoutMilliseconds < Infinity ? new Deadlines(timeoutMilliseconds) : undefined;
}
