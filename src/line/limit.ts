import {Queue} from './queue.js';
import type {Waiter} from './waiter.js';

/**
 * Something that ends waits, and the waiters whose waits it may end, whichever lines they are in.
 *
 * It is active exactly while somebody waits: one timer or one listener serves them all, and none outlives the last of them.
 */
export abstract class Limit extends Queue {
  /** Does nothing if it is active. */
  protected abstract start(): void;
  protected abstract stop(): void;

  override join(waiter: Waiter): void {
    // First, because a signal that is not the platform's own may throw.
    this.start();
    super.join(waiter);
  }

  override withdraw(waiter: Waiter): void {
    super.withdraw(waiter);
    if (this.length === 0) this.stop();
  }

  override tidy(): void {
    super.tidy();
    if (this.length === 0) this.stop();
  }
}
