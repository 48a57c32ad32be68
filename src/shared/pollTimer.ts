import {max, min, random} from './intrinsics.js';
import type {Cells} from './memory/layout.js';
import {countPoll} from './memory/waiters.js';
import {PROBE_MILLISECONDS} from './ownerWatch.js';
import {now, startTimer, stopTimer, type Timer} from './runtime/clocks.js';

/**
 * How often a thread polls the words for which it contends: less often the more threads do. Threads
 * are counted by their polls, not by who waits, because one that is dead or blocked is no help.
 *
 * If all threads but one end at once, the last one polls within `lastOfMany` of the last probe, or,
 * if they were more than forty, within `perThread` for each.
 */
const POLL_MILLISECONDS = {least: 100, perThread: 72, lastOfMany: 2900};

/** How much of the interval the next poll may come earlier, at random. */
const NARROW_SPREAD = 0.05;
const FULL_SPREAD = 1;

/** Polls while a thread contends. Its timer is also what keeps the thread alive meanwhile. */
export class PollTimer {
  readonly #cells: Cells;
  readonly #onPoll: () => void;
  #timer: Timer | undefined;
  #due = 0;
  #interval = POLL_MILLISECONDS.least;
  /** How many polls of all threads there were at this thread's last; `undefined` before it. */
  #polls: number | undefined;

  constructor(cells: Cells, onPoll: () => void) {
    this.#cells = cells;
    this.#onPoll = onPoll;
  }

  /**
   * Somebody begins to contend. Polls for the first time after the shortest interval, or after
   * `delay`, unless it does so earlier in any case.
   */
  start(delay: number | undefined): void {
    const {least} = POLL_MILLISECONDS;
    if (this.#timer !== undefined && this.#due <= now() + (delay ?? least)) return;
    this.#polls = undefined;
    this.#interval = least;
    this.#schedule(delay, NARROW_SPREAD);
  }

  /**
   * Polls again, as often as the number of threads that poll asks for, or after `delay`.
   *
   * @param sinceProbe how long ago a thread last probed an owner, of the one for which that is
   *   longest
   */
  next(delay: number | undefined, sinceProbe: number): void {
    const before = this.#interval;
    this.#adaptInterval(sinceProbe);
    // Threads that began to wait together would go on polling together, and nobody in between.
    this.#schedule(delay, this.#interval > 2 * before ? FULL_SPREAD : NARROW_SPREAD);
  }

  stop(): void {
    stopTimer(this.#timer);
    this.#timer = undefined;
  }

  #schedule(delay: number | undefined, spread: number): void {
    this.stop();
    const milliseconds = delay ?? this.#interval * (1 - spread * random());
    this.#due = now() + milliseconds;
    this.#timer = startTimer(milliseconds, true, () => {
      this.#timer = undefined;
      this.#onPoll();
    });
  }

  #adaptInterval(sinceProbe: number): void {
    const {least, perThread, lastOfMany} = POLL_MILLISECONDS;
    const before = this.#polls;
    this.#polls = countPoll(this.#cells);
    // Between two polls of one thread, each other polls about once, or twice when the intervals
    // have just grown.
    const threads = before === undefined ? 1 : (this.#polls - before) | 0;
    // The thread that probed the owner last may have ended together with it, but not earlier. Where
    // that probe is longer ago than probes are apart, nobody has probed this owner, or this thread
    // is probing: no reason to poll more often.
    const ofMany = max(least, perThread * threads);
    const most = max(ofMany, lastOfMany);
    this.#interval = min(ofMany, most - min(sinceProbe, PROBE_MILLISECONDS.most));
  }
}
