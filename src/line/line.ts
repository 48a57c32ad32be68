import type {LockTimeoutDetails} from '../errors.js';
import type {LineLock} from './lineLock.js';
import type {Waiter} from './waiter.js';

/**
 * The callers of one thread, in the order in which they asked, and the one among them that holds the lock.
 *
 * As it stands it is the line of a lock that only this thread has: whoever is first becomes the holder as soon as nobody
 * else is, so that while there is no holder, nobody is in line.
 *
 * The links are the waiters' own, so that a waiter in the middle leaves without a scan and a line costs no memory beside
 * its waiters.
 */
export class Line {
  /** The object through which whoever holds the lock came. */
  holder: LineLock | undefined;
  /** The number of the holder's acquisition, or of the last one: how often the lock was acquired. */
  acquisition = 0;
  first: Waiter | undefined;
  #last: Waiter | undefined;
  /** How many are in line. */
  pendingCount = 0;

  /** Whether somebody holds the lock, in whichever thread. */
  isTaken(): boolean {
    return this.holder !== undefined;
  }

  /** Makes a caller that came through `lock` the holder if the lock is free and nobody is in line. */
  tryEnter(lock: LineLock): boolean {
    if (this.holder !== undefined) return false;
    this.holder = lock;
    this.acquisition++;
    return true;
  }

  /** Puts `waiter` at the end of the line. It is told `admit` once it is the holder. */
  join(waiter: Waiter): void {
    const last = this.#last;
    waiter.ahead = last;
    if (last === undefined) this.first = waiter;
    else last.behind = waiter;
    this.#last = waiter;
    this.pendingCount++;
  }

  /** Takes `waiter` out of the line, wherever in it it stands. */
  withdraw(waiter: Waiter): void {
    const {ahead, behind} = waiter;
    if (ahead === undefined) this.first = behind;
    else ahead.behind = behind;
    if (behind === undefined) this.#last = ahead;
    else behind.ahead = ahead;
    waiter.ahead = waiter.behind = undefined;
    this.pendingCount--;
  }

  /** The holder releases the lock. */
  leave(): void {
    const next = this.first;
    this.holder = next?.lock;
    if (next === undefined) return;
    this.withdraw(next);
    next.admit(++this.acquisition);
  }

  /** What the error of a wait that ends now should tell. */
  timeoutDetails?(): LockTimeoutDetails;
}
