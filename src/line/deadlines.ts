import {Queue} from './queue.js';
import type {Waiter} from './waiter.js';

/** `setTimeout` fires at once for anything longer. */
const LONGEST_TIMER = 2_147_483_647;

/**
 * The waiters that share one timeout, and the one timer that ends their waits.
 *
 * Because the timeout is the same, they stand in the order of their deadlines, whichever lines they are in.
 *
 * The timer runs exactly while somebody waits.
 */
export class Deadlines extends Queue {
  readonly timeoutMilliseconds: number;
  readonly #expire: (waiter: Waiter) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param expire ends the wait of one waiter, by `refuse` */
  constructor(timeoutMilliseconds: number, expire: (waiter: Waiter) => void) {
    super();
    this.timeoutMilliseconds = timeoutMilliseconds;
    this.#expire = expire;
  }

  override join(waiter: Waiter): void {
    super.join(waiter);
    const now = performance.now();
    waiter.deadline = now + this.timeoutMilliseconds;
    if (this.#timer === undefined) this.#startTimer(now, waiter.deadline);
  }

  override withdraw(waiter: Waiter): void {
    super.withdraw(waiter);
    if (this.length > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #startTimer(now: number, deadline: number): void {
    const delay = Math.min(Math.ceil(deadline - now), LONGEST_TIMER);
    this.#timer = setTimeout(() => this.#onTimer(now + delay), delay);
  }

  #onTimer(firesAt: number): void {
    let now = performance.now();
    // Timers count in whole milliseconds, and so may be early by a part of one. By more only where they are mocked and the
    // clock is not: then it is time.
    if (firesAt - now >= 1) now = firesAt;
    for (let waiter; (waiter = this.first) !== undefined; this.#expire(waiter)) {
      if (waiter.deadline > now) return this.#startTimer(now, waiter.deadline);
    }
  }
}
