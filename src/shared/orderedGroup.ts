import type {Entrance} from '../line/entrance.js';
import {Group} from '../line/group.js';
import {rejectingWith, type Waiter} from '../line/waiter.js';

/**
 * The locks of one call that acquires several of those that threads share.
 *
 * To get in all lines takes more than one step here, and another thread's group may come in between.
 * So groups acquire their locks one after the other, all of them in one order. None waits for a lock
 * that is before one that it has: there is no circle of groups.
 */
export class OrderedGroup<TKey> extends Group {
  readonly #keys: readonly TKey[];
  readonly #findEntrance: (key: TKey) => Entrance;
  #next = 0;

  /** @param keys in the order of all groups */
  constructor(lock: object, keys: readonly TKey[], findEntrance: (key: TKey) => Entrance) {
    super(lock);
    this.#keys = keys;
    this.#findEntrance = findEntrance;
    this.attempt(() => this.#acquire());
  }

  /** As far as the first that is not free. */
  #acquire(): void {
    while (this.#next < this.#keys.length && this.missing === 0) {
      this.acquireOne(this.#findEntrance(this.#keys[this.#next++] as TKey));
    }
  }

  protected override goOn(waiter: Waiter): void {
    try {
      this.#acquire();
    } catch (error) {
      return this.cancel(waiter, rejectingWith(error));
    }
    super.goOn(waiter);
  }
}
