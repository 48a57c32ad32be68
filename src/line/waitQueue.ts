import type {Waiter} from './waiter.js';

/**
 * The callers in line, first come first served. The links are the waiters' own, so that a waiter
 * in the middle leaves without a scan and a line costs no memory beside its waiters.
 */
export class WaitQueue {
  first: Waiter | undefined;
  #last: Waiter | undefined;

  push(waiter: Waiter): void {
    const last = this.#last;
    waiter.ahead = last;
    if (last === undefined) this.first = waiter;
    else last.behind = waiter;
    this.#last = waiter;
  }

  shift(): Waiter | undefined {
    const first = this.first;
    if (first !== undefined) this.remove(first);
    return first;
  }

  /** `waiter` must be in this queue. */
  remove(waiter: Waiter): void {
    const {ahead, behind} = waiter;
    if (ahead === undefined) this.first = behind;
    else ahead.behind = behind;
    if (behind === undefined) this.#last = ahead;
    else behind.ahead = ahead;
    waiter.ahead = waiter.behind = undefined;
  }
}
