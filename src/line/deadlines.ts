import {LockTimeoutError, assertType, badValueError} from '../errors.js';
import {assertRoom, currentTimers, hostTimers, outside, type Timers} from '../intrinsics.js';
import {WaitQueue, type Source} from './waitQueue.js';
import {failingWith, type CancellableWaiters, type Waiter} from './waiter.js';

/** `setTimeout` fires at once for anything longer. */
const LONGEST_TIMER = 2_147_483_647;

/**
 * Ends the waits that have the same timeout.
 *
 * Each wait goes by the timers that are installed when it begins. In a test these may be fake ones,
 * and what a test leaves unfired must not touch the waits of the next.
 */
export class Deadlines {
  readonly timeoutMilliseconds: number;
  /** Made when somebody waits: many locks never have a waiter. */
  #shared: TimerSource | undefined;

  constructor(timeoutMilliseconds: number) {
    this.timeoutMilliseconds = timeoutMilliseconds;
  }

  /** Where to wait from now on. */
  currentWaiters(): CancellableWaiters {
    if (this.#shared?.timers.set === setTimeout) return this.#shared.waiters;
    let timers = setTimeout === hostTimers.set ? hostTimers : currentTimers();
    const isConsistent = (timers.set === hostTimers.set) === (timers.clock === hostTimers.clock);
    // Where only the timers or only the clock are fake, the clock says nothing about the timers, nor
    // how far apart two waits began. Then each wait has a timer of its own, and no clock.
    if (!isConsistent) timers = {...timers, now: () => 0};
    const source = new TimerSource(this.timeoutMilliseconds, timers);
    if (isConsistent) this.#shared = source;
    return source.waiters;
  }
}

/** One timer. Who waits longest has the earliest deadline, because all have the same timeout. */
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
    // A timer may fire a part of a millisecond early. If it seems to be more, the timer is right,
    // and the clock is wrong.
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

/** One timer does for all that were made or called with the same timeout, in a row. */
const latest: {deadlines?: Deadlines} = {};

/**
 * Those of a lock, or of a call, with this timeout; `undefined` without one.
 *
 * @throws `TypeError` or `RangeError` when `timeoutMilliseconds` is not a length of time.
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
