import type {Waiting} from './protocol.js';

/** An empty queue has no array of its own: many never have a waiter. Nothing is added to this. */
const NONE: never[] = [];

/** Something that runs exactly while somebody is in its queue: a timer, a listener. */
export interface Source<T> {
  /** `waiter` is about to be enqueued, unless this throws. Begins to run unless it does. */
  start(waiter: T): void;
  /** Nobody is left. */
  stop(): void;
}

/**
 * Waiters, first in, first out; any of them may leave from the middle.
 *
 * An array, not a linked list, because the garbage collector follows a chain link by link but
 * shares an array among its threads: 10,000 chained waiters took up to twice the time (rows
 * `… 10,000 callers` of the benchmark). Whoever leaves from the middle stays in the array until two
 * thirds of it have left, so that leaving costs a constant time on average.
 */
export class WaitQueue<T extends Waiting> {
  #waiters: (T | undefined)[] = NONE;
  /** Nobody before this place waits. */
  #head = 0;
  readonly #source: Source<T> | undefined;
  /** How many wait. */
  size = 0;

  constructor(source?: Source<T>) {
    this.#source = source;
  }

  get first(): T | undefined {
    if (this.size === 0) return undefined;
    for (;;) {
      const waiter = this.#waiters[this.#head];
      if (waiter === undefined || waiter.isWaiting) return waiter;
      this.#waiters[this.#head++] = undefined;
    }
  }

  enqueue(waiter: T): void {
    this.#source?.start(waiter);
    if (this.size > 0) this.#waiters[this.#waiters.length] = waiter;
    else this.#waiters = [waiter];
    this.size++;
  }

  /** `waiter` must be the first, or have stopped waiting. */
  dequeue(waiter: T): void {
    this.size--;
    // Most leave from the front. They are let go at once: nobody may ask for the first for long.
    if (this.#waiters[this.#head] === waiter) this.#waiters[this.#head++] = undefined;
    if (this.size === 0) {
      this.#keep(NONE);
      this.#source?.stop();
    } else if (this.#head > this.size || this.#waiters.length > this.size * 3) this.recount();
  }

  /** Finds out by `isWaiting` who is left: somebody may have gone without `dequeue`. */
  recount(): void {
    const waiters: T[] = [];
    for (let place = this.#head; place < this.#waiters.length; place++) {
      const waiter = this.#waiters[place];
      if (waiter?.isWaiting) waiters[waiters.length] = waiter;
    }
    this.#keep(waiters);
    this.size = waiters.length;
    if (this.size === 0) this.#source?.stop();
  }

  #keep(waiters: T[]): void {
    this.#waiters = waiters;
    this.#head = 0;
  }
}
