import type {Waiter} from './waiter.js';

/** `setTimeout` fires at once for anything longer. */
const LONGEST_TIMER = 2_147_483_647;

/**
 * The waiters that share one timeout, and the one timer that ends their waits.
 *
 * Because the timeout is the same, they stand in the order of their deadlines, whichever lines they are
 * in. Those that no longer wait stay in the array until they are the larger half of it: leaving costs a
 * constant time on average, and the array at most twice the memory of those who wait.
 *
 * The timer runs exactly while somebody waits.
 */
export class Deadlines {
  readonly timeoutMilliseconds: number;
  readonly #expire: (waiter: Waiter) => void;
  #waiters: Waiter[] = [];
  #waiting = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param expire ends the wait of one waiter, by `refuse` */
  constructor(timeoutMilliseconds: number, expire: (waiter: Waiter) => void) {
    this.timeoutMilliseconds = timeoutMilliseconds;
    this.#expire = expire;
  }

  add(waiter: Waiter): void {
    const now = performance.now();
    waiter.deadline = now + this.timeoutMilliseconds;
    this.#waiters.push(waiter);
    this.#waiting++;
    if (this.#timer === undefined) this.#startTimer(now, waiter.deadline);
  }

  /** One of the waiters, which one shows in its `waiting`, no longer waits. */
  remove(): void {
    this.#waiting--;
    if (this.#waiting === 0) {
      this.#waiters = [];
      clearTimeout(this.#timer);
      this.#timer = undefined;
    } else if (this.#waiting * 2 < this.#waiters.length) {
      this.#waiters = this.#waiters.filter((waiter) => waiter.waiting);
    }
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
    for (const waiter of this.#waiters) {
      if (!waiter.waiting) continue;
      if (waiter.deadline > now) {
        this.#startTimer(now, waiter.deadline);
        return;
      }
      this.#expire(waiter);
    }
  }
}
