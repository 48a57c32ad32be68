import {LockTimeoutError, assertType, badValueError} from '../errors.js';
import {assertRoom, currentTimers, hostTimers, outside, type Timers} from '../intrinsics.js';
import {WaitQueue, type Source} from './waitQueue.js';
import {failingWith, type CancellableWaiters, type Waiter} from './waiter.js';

/** `setTimeout` fires at once for anything longer. */
const LONGEST_TIMER = 2_147_483_647;

/**
 * Ends the waits that have the same timeout.
 *
 * Each wait uses the timers that are installed when it begins. In a test these may be fake, and a
 * timer that one test leaves behind must not affect the waits of the next test.
 */
export class Deadlines {
  readonly timeoutMilliseconds: number;
  /** Made when somebody first waits: many locks never have a waiter. */
  #shared: TimerSource | undefined;

  constructor(timeoutMilliseconds: number) {
    this.timeoutMilliseconds = timeoutMilliseconds;
  }

  /** The queue for a wait that begins now. */
  currentWaiters(): CancellableWaiters {
    if (this.#shared?.timers.set === setTimeout) return this.#shared.waiters;
    let timers = setTimeout === hostTimers.set ? hostTimers : currentTimers();
    const isConsistent = (timers.set === hostTimers.set) === (timers.clock === hostTimers.clock);
    // If only the timers are fake, or only the clock is, the clock says nothing about the timers or
    // about how far apart two waits began. Then each wait gets a timer of its own and uses no
    // clock.
    if (!isConsistent) timers = {...timers, now: () => 0};
    const source = new TimerSource(this.timeoutMilliseconds, timers);
    if (isConsistent) this.#shared = source;
    return source.waiters;
  }
}

/**
 * One timer for all waiters of one timeout. Whoever has waited longest has the earliest deadline.
 */
class TimerSource implements Source<Waiter> {
  readonly waiters: CancellableWaiters;
  readonly #timeoutMilliseconds: number;
  readonly timers: Timers;
  #timer: unknown;

  constructor(timeoutMilliseconds: number, timers: Timers) {
    this.#timeoutMilliseconds = timeoutMilliseconds;
    this.timers = timers;
    this.waiters = new WaitQueue(this);
  }

  start(waiter: Waiter): void {
    const now = this.timers.now();
    waiter.deadline = now + this.#timeoutMilliseconds;
    if (this.#timer === undefined) this.#schedule(now, this.#timeoutMilliseconds);
  }

  stop(): void {
    const {clear} = this.timers;
    assertRoom();
    clear(this.#timer as number);
    this.#timer = undefined;
  }

  #schedule(now: number, milliseconds: number): void {
    const {set} = this.timers;
    const delay = Math.min(Math.ceil(milliseconds), LONGEST_TIMER);
    assertRoom();
    this.#timer = outside(() => set(() => this.#expire(now + delay), delay));
  }

  #expire(firesAt: number): void {
    this.#timer = undefined;
    let now = this.timers.now();
    // A timer may fire a fraction of a millisecond early. If it seems to fire earlier than that,
    // the timer is right and the clock is wrong.
    if (firesAt - now >= 1) now = firesAt;
    for (let waiter; (waiter = this.waiters.first);) {
      if (waiter.deadline > now) return this.#schedule(now, waiter.deadline - now);
      const details = waiter.entrance.details();
      const refusal = failingWith(() => {
        throw new LockTimeoutError(this.#timeoutMilliseconds, details);
      });
      waiter.entrance.cancel(waiter, refusal);
    }
  }
}

/**
 * The last one made. Locks and calls in a row with the same timeout share it, and so share a timer.
 */
const latest: {deadlines?: Deadlines} = {};

/**
 * The deadlines of a lock or a call with this timeout, or `undefined` without a timeout.
 *
 * @throws `TypeError` or `RangeError` if `timeoutMilliseconds` is not a length of time.
 */
export function findDeadlines(timeoutMilliseconds = Infinity): Deadlines | undefined {
  assertType(timeoutMilliseconds, 'number', 'timeoutMilliseconds to be a number');
  if (!(timeoutMilliseconds >= 0)) {
    throw badValueError(RangeError, 'timeoutMilliseconds to be 0 or more', timeoutMilliseconds);
  }
  if (timeoutMilliseconds === Infinity) return undefined;
  const {deadlines} = latest;
  if (deadlines?.timeoutMilliseconds === timeoutMilliseconds) return deadlines;
  return (latest.deadlines = new Deadlines(timeoutMilliseconds));
}
