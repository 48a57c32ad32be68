import {assertType, badValueError} from '../errors.js';
import {currentTimers, hostTimers, outside, type Timers} from '../intrinsics.js';
import {Limit} from './limit.js';
import type {Waiter} from './waiter.js';

/** `setTimeout` fires at once for anything longer. */
const LONGEST_TIMER = 2_147_483_647;

/**
 * What ends the waits that have the same timeout.
 *
 * It goes by the timers of the moment in which a wait begins. In a test these may be fake ones, and what is left over from
 * them must not touch the waits under others.
 */
export class Deadlines {
  readonly timeoutMilliseconds: number;
  /** Made when somebody waits: many locks never have a waiter. */
  #shared: SharedTimer | undefined;

  constructor(timeoutMilliseconds: number) {
    this.timeoutMilliseconds = timeoutMilliseconds;
  }

  /** The limit of a wait that begins now. */
  limit(): Limit {
    if (this.#shared?.isOf(setTimeout)) return this.#shared;
    const timers = setTimeout === hostTimers.set ? hostTimers : currentTimers();
    const limit = new SharedTimer(this.timeoutMilliseconds, timers);
    // Where only one of timers and clock is fake, nothing tells how far apart two waits began. So each has its own timer.
    const isConsistent = (timers.set === hostTimers.set) === (timers.clock === hostTimers.clock);
    if (isConsistent) this.#shared = limit;
    return limit;
  }
}

/**
 * The waiters that one timer serves, in the order of their deadlines: their timeout is the same.
 */
class SharedTimer extends Limit {
  readonly #timeoutMilliseconds: number;
  readonly #timers: Timers;
  #timer: unknown;

  constructor(timeoutMilliseconds: number, timers: Timers) {
    super();
    this.#timeoutMilliseconds = timeoutMilliseconds;
    this.#timers = timers;
  }

  isOf(set: Timers['set']): boolean {
    return this.#timers.set === set;
  }

  override join(waiter: Waiter): void {
    waiter.deadline = this.#now() + this.#timeoutMilliseconds;
    super.join(waiter);
  }

  #now(): number {
    const {now} = this.#timers;
    return now();
  }

  protected start(left = this.#timeoutMilliseconds): void {
    if (this.#timer !== undefined) return;
    const {set} = this.#timers;
    const delay = Math.min(Math.ceil(left), LONGEST_TIMER);
    const firesAt = this.#now() + delay;
    this.#timer = outside(() => set(() => this.#expire(firesAt), delay));
  }

  #expire(firesAt: number): void {
    this.#timer = undefined;
    let now = this.#now();
    // Timers count in whole milliseconds, and so may be early by a part of one. By more only where they are mocked and the
    // clock is not: then it is time.
    if (firesAt - now >= 1) now = firesAt;
    for (let waiter; (waiter = this.first); waiter.lock.expire(waiter)) {
      if (waiter.deadline > now) return this.start(waiter.deadline - now);
    }
  }

  protected stop(): void {
    const {clear} = this.#timers;
    clear(this.#timer as number);
    this.#timer = undefined;
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
