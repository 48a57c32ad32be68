import type {LineWaiter, Waiting} from './protocol.js';

/**
 * The array of every empty queue, because many queues never have a waiter. Nothing is ever added to
 * it.
 */
const NONE: never[] = [];

/** Something that runs exactly while somebody is in its queue, such as a timer or a listener. */
export interface Source<T> {
  /** Begins to run, unless it runs already. Afterwards `waiter` is enqueued, unless this throws. */
  start(waiter: T): void;
  /** Ends, because nobody is left in the queue. */
  stop(): void;
}

/**
 * Waiters, first in, first out; any of them may leave from the middle.
 *
 * It is an array, not a linked list. The garbage collector follows a chain link by link, but
 * divides an array among its threads: with 10,000 chained waiters, calls took up to twice as long
 * (rows `… 10,000 callers` of the benchmark). Waiters that leave from the middle stay in the array
 * until two thirds of it have left. So leaving takes constant time on average.
 */
export class WaitQueue<T extends Waiting> {
  #waiters: (T | undefined)[] = NONE;
  /** Nobody before this index waits. */
  #head = 0;
  /** A waiter that comes before all others, because its admission failed. */
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
      // The array has ended, so somebody must have left without `dequeue`.
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
   * Takes out `waiter`, which must be the first or have stopped waiting. If this throws, it has
   * done nothing, or only the source has failed to stop.
   */
  dequeue(waiter: T): void {
    this.size--;
    // Most leave from the front. They are dropped at once, because nobody may ask for the first for
    // a long time.
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
        // The stack ran out. The next waiter that leaves makes up for it.
      }
    }
  }

  /** Keeps only those who still wait: somebody may have left without `dequeue`. */
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
 * Takes `waiter`, the first, out of its queue and admits it. If the stack runs out, this throws,
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
    // Only by assignments, because the stack may have no room for a call.
    if (isOut) {
      queue.returned = waiter;
      queue.size++;
    }
    throw error;
  }
}
