import type {Entrance} from '../line/entrance.js';
import {Group} from '../line/group.js';
import {rejectingWith, type Waiter} from '../line/waiter.js';

/**
 * The locks of one call that acquires several locks across threads.
 *
 * Here, joining all lines takes more than one step, and a group of another thread may come in
 * between. So groups acquire their locks one after the other, and all groups do so in the same
 * order. No group waits for a lock that comes before one that it has, so groups never wait in a
 * circle.
 */
export class OrderedGroup<TKey> extends Group {
  readonly #keys: readonly TKey[];
  readonly #findEntrance: (key: TKey) => Entrance;
  #next = 0;

  /** @param keys the keys, in the order that all groups use */
  constructor(lock: object, keys: readonly TKey[], findEntrance: (key: TKey) => Entrance) {
    super(lock);
    this.#keys = keys;
    this.#findEntrance = findEntrance;
    this.attempt(() => this.#acquire());
  }

  /** Acquires locks up to the first that is not free. */
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
