import {max, min, random} from './intrinsics.js';
import type {Cells} from './memory/layout.js';
import {countPoll} from './memory/waiters.js';
import {PROBE_MILLISECONDS} from './ownerWatch.js';
import {now, startTimer, stopTimer, type Timer} from './runtime/clocks.js';

/**
 * How often a thread polls the words for which it contends. The more threads poll, the less often
 * each does. What counts is how many threads poll, not how many wait, because a dead or blocked
 * thread is no help.
 *
 * If all threads but one end at once, the last one polls within `lastOfMany` of the last probe. If
 * there were more than forty threads, it polls within `perThread` times their number.
 */
const POLL_MILLISECONDS = {least: 100, perThread: 72, lastOfMany: 2900};

/** By what part of the interval the next poll may come earlier, at random. */
const NARROW_SPREAD = 0.05;
const FULL_SPREAD = 1;

/** Polls while a thread contends. Its timer also keeps the thread alive for that time. */
export class PollTimer {
  readonly #cells: Cells;
  readonly #onPoll: () => void;
  #timer: Timer | undefined;
  #due = 0;
  #interval = POLL_MILLISECONDS.least;
  /**
   * How many polls all threads had made at this thread's last poll; `undefined` before its first.
   */
  #polls: number | undefined;

  constructor(cells: Cells, onPoll: () => void) {
    this.#cells = cells;
    this.#onPoll = onPoll;
  }

  /**
   * Somebody begins to contend. The next poll comes after the shortest interval, or after `delay`,
   * unless one was due earlier anyway.
   */
  start(delay: number | undefined): void {
    const {least} = POLL_MILLISECONDS;
    if (this.#timer !== undefined && this.#due <= now() + (delay ?? least)) return;
    this.#polls = undefined;
    this.#interval = least;
    this.#schedule(delay, NARROW_SPREAD);
  }

  /**
   * Polls again after an interval that depends on how many threads poll, or after `delay`.
   *
   * @param sinceProbe how long ago a thread last probed the owner of one of the locks; the longest
   *   of these times
   */
  next(delay: number | undefined, sinceProbe: number): void {
    const before = this.#interval;
    this.#adaptInterval(sinceProbe);
    // Otherwise threads that began to wait together would go on polling together, with no poll in
    // between.
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
    // Between two polls of one thread, each other thread polls about once, or twice if the
    // intervals have just grown.
    const threads = before === undefined ? 1 : (this.#polls - before) | 0;
    // The thread that last probed the owner may have ended together with it, but not before. If
    // that probe was longer ago than the interval between probes, then nobody has probed this owner
    // yet, or this thread is doing so: neither is a reason to poll more often.
    const ofMany = max(least, perThread * threads);
    const most = max(ofMany, lastOfMany);
    this.#interval = min(ofMany, most - min(sinceProbe, PROBE_MILLISECONDS.most));
  }
}
