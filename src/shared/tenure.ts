import {max, min} from './intrinsics.js';

/**
 * How long a thread keeps the lock for its own line while other threads wait: longer for a long
 * line, whose callers wait for long in any case.
 */
const TENURE_MILLISECONDS = {least: 1, perWaiter: 0.03, most: 3};

/** The time for which a thread has had the lock while others waited. */
export class Tenure {
  /** Since when others have waited; `undefined` if nobody is known to. */
  #contestedSince: number | undefined;

  /** Another thread has had the lock, or is to have it next. */
  end(): void {
    this.#contestedSince = undefined;
  }

  /**
   * Others wait. Extends the tenure by one more section unless it is over, with so many waiting in
   * the thread's line. The clock is read each time, because what will be a slow section looks like
   * the quick ones before it.
   *
   * @returns whether the thread may begin that section
   */
  extend(now: number, waiting: number): boolean {
    this.#contestedSince ??= now;
    const {least, perWaiter, most} = TENURE_MILLISECONDS;
    return now - this.#contestedSince < min(max(least, perWaiter * waiting), most);
  }
}
