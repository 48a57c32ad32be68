import type {Waiter} from './waiter.js';

/** An empty queue has no array of its own: many lines never have a waiter. Nothing is added to this one. */
const NONE: Waiter[] = [];

/**
 * Waiters in the order in which they came.
 *
 * An array, because the garbage collector goes through a chain link by link, but through an array in several threads: 10,000
 * waiters chained to each other took up to twice the time. One that leaves from the middle of it stays in it, until those
 * who have left are two thirds of it. So leaving costs a constant time on average.
 */
export class Queue {
  #waiters: (Waiter | undefined)[] = NONE;
  /** Nobody before this place waits. */
  #head = 0;
  /** How many wait. */
  length = 0;

  get first(): Waiter | undefined {
    if (this.length === 0) return undefined;
    for (;;) {
      const waiter = this.#waiters[this.#head];
      if (waiter === undefined || waiter.waiting) return waiter;
      this.#waiters[this.#head++] = undefined;
    }
  }

  join(waiter: Waiter): void {
    if (this.length > 0) this.#waiters[this.#waiters.length] = waiter;
    else this.#waiters = [waiter];
    this.length++;
  }

  /** `waiter` leaves. It must not be `waiting` any more when somebody asks for the first again. */
  withdraw(waiter: Waiter): void {
    this.length--;
    // Most leave from the front, and are not kept: nobody may ask for the first for long.
    if (this.#waiters[this.#head] === waiter) this.#waiters[this.#head++] = undefined;
    if (this.length === 0) this.#keep(NONE);
    else if (this.#head > this.length || this.#waiters.length > this.length * 3) this.tidy();
  }

  /** Keeps those who wait, and counts them anew: somebody who left may not have been able to say so. */
  tidy(): void {
    const waiters: Waiter[] = [];
    for (let place = this.#head; place < this.#waiters.length; place++) {
      const waiter = this.#waiters[place];
      if (waiter?.waiting) waiters[waiters.length] = waiter;
    }
    this.#keep(waiters);
    this.length = waiters.length;
  }

  #keep(waiters: Waiter[]): void {
    this.#waiters = waiters;
    this.#head = 0;
  }
}
