import {max, min} from './intrinsics.js';

/**
 * How long a thread keeps the lock for its own line while other threads wait. A long line gets
 * longer, because its callers wait for long in any case.
 */
const TENURE_MILLISECONDS = {least: 1, perWaiter: 0.03, most: 3};

/** Measures how long a thread has had the lock while others waited. */
export class Tenure {
  /** Since when others have waited; `undefined` if nobody is known to wait. */
  #contestedSince: number | undefined;

  /** Ends the tenure: another thread has had the lock, or gets it next. */
  end(): void {
    this.#contestedSince = undefined;
  }

  /**
   * Called while others wait. Extends the tenure by one more section unless the tenure is over.
   * `waiting` is the length of the thread's own line. The clock is read each time, because nothing
   * shows in advance that a section will be slow.
   *
   * @returns whether the thread may begin that section
   */
  extend(now: number, waiting: number): boolean {
    this.#contestedSince ??= now;
    const {least, perWaiter, most} = TENURE_MILLISECONDS;
    return now - this.#contestedSince < min(max(least, perWaiter * waiting), most);
  }
}
