import type {LineWaiter, Waiting} from './protocol.js';

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
  /** Who is before them all, because an admission was not finished. */
  returned: T | undefined;
  readonly #source: Source<T> | undefined;
  /** How many wait. */
  size = 0;

  constructor(source?: Source<T>) {
    this.#source = source;
  }

  get first(): T | undefined {
    if (this.size === 0) return undefined;
    if (this.returned?.isWaiting) return this.returned;
    for (;;) {
      const waiter = this.#waiters[this.#head];
      if (waiter?.isWaiting) return waiter;
      // Somebody has gone without `dequeue`, as it turns out when nobody is left.
      if (waiter === undefined) return this.recount();
      this.#waiters[this.#head++] = undefined;
    }
  }

  enqueue(waiter: T): void {
    this.#source?.start(waiter);
    if (this.#waiters === NONE) this.#waiters = [waiter];
    else this.#waiters[this.#waiters.length] = waiter;
    this.size++;
  }

  /**
   * `waiter` must be the first, or have stopped waiting. Throws only if it does nothing, or if the
   * source does not stop.
   */
  dequeue(waiter: T): void {
    this.size--;
    // Most leave from the front. They are let go at once: nobody may ask for the first for long.
    if (this.#waiters[this.#head] === waiter) this.#waiters[this.#head++] = undefined;
    else if (this.returned === waiter) this.returned = undefined;
    if (this.size === 0) {
      this.#waiters = NONE;
      this.#head = 0;
      this.#source?.stop();
    } else if (this.#head > this.size || this.#waiters.length > this.size * 3) {
      try {
        this.recount();
      } catch {
        // The stack ran out. The next who leaves does it.
      }
    }
  }

  /** Finds out by `isWaiting` who is left: somebody may have gone without `dequeue`. */
  recount(): undefined {
    const waiters: T[] = [];
    if (this.returned?.isWaiting) waiters[0] = this.returned;
    for (let place = this.#head; place < this.#waiters.length; place++) {
      const waiter = this.#waiters[place];
      if (waiter?.isWaiting) waiters[waiters.length] = waiter;
    }
    this.returned = undefined;
    this.#waiters = waiters;
    this.#head = 0;
    this.size = waiters.length;
    if (this.size === 0) this.#source?.stop();
  }
}

/**
 * Takes `waiter`, the first, from its queue, and admits it. Where the stack runs out, this throws,
 * and `waiter` is the first again.
 */
export function admit<T extends LineWaiter>(
  waiter: T,
  queue: WaitQueue<T>,
  acquisition: number,
): void {
  let isOut = false;
  try {
    queue.dequeue(waiter);
    isOut = true;
    waiter.admit(acquisition);
  } catch (error) {
    // By writing alone: there may be no room to call anything.
    if (isOut) {
      queue.returned = waiter;
      queue.size++;
    }
    throw error;
  }
}
