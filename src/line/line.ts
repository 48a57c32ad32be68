import type {LockError, LockTimeoutDetails} from '../errors.js';
import {nothingHeldError} from '../errors.js';
import {READY, nativeThen} from '../intrinsics.js';
import type {LineLock} from './lineLock.js';
import {Queue} from './queue.js';
import type {Waiter} from './waiter.js';

/** The locks that are held, by their keys, and how many they are. */
export interface LocksInUse {
  readonly store: {set(key: unknown, lock: LineLock): unknown; delete(key: unknown): unknown};
  size: number;
}

/**
 * The callers of one thread, in the order in which they asked, and the one among them that holds the lock.
 *
 * As it stands it is the line of a lock that only this thread has: whoever is first becomes the holder as soon as nobody
 * else is, so that while there is no holder, nobody is in line.
 */
export class Line extends Queue {
  readonly #inUse: LocksInUse | undefined;
  readonly #key: unknown;
  /** The object through which whoever holds the lock came. */
  holder: LineLock | undefined;
  /** The number of the holder's acquisition, or of the last one: how often the lock was acquired. */
  acquisition = 0;

  /**
   * @param inUse of the line of a key: where its lock is exactly while somebody holds it. (Not a subclass, which would make each
   *   call on a line slower.)
   */
  constructor(inUse?: LocksInUse, key?: unknown) {
    super();
    this.#inUse = inUse;
    this.#key = key;
  }

  /** Whether somebody holds the lock, in whichever thread. */
  isTaken(): boolean {
    return this.holder !== undefined;
  }

  /**
   * Makes a caller that came through `lock` the holder if the lock is free and nobody is in line.
   *
   * @returns the number of the acquisition, or 0
   */
  tryEnter(lock: LineLock): number {
    if (this.holder) return 0;
    if (this.#inUse) {
      // First, because a caller's own store may throw.
      this.#inUse.store.set(this.#key, lock);
      this.#inUse.size++;
    }
    this.holder = lock;
    return ++this.acquisition;
  }

  /**
   * The holder releases the lock.
   *
   * A stack that runs out throws before anything has changed, so that the lock can be released again. What a caller's own
   * store throws comes when the lock is released: the key stays in the store, with a lock that is free.
   */
  leave(): void {
    const next = this.first;
    this.holder = next?.lock;
    if (next) {
      this.acquisition++;
      try {
        this.withdraw(next);
        next.admit(this.acquisition);
      } catch {
        // In variables of this block, which cost those nothing that do not get here.
        const self = this;
        const waiter = next;
        const {acquisition} = this;
        void nativeThen.call(READY, () => self.admitLate(waiter, acquisition));
      }
    } else if (this.#inUse) {
      this.#inUse.size--;
      this.#inUse.store.delete(this.#key);
    }
  }

  /** The stack ran out while `waiter`, which has the lock, left the line. */
  protected admitLate(waiter: Waiter, acquisition: number): void {
    waiter.admit(acquisition);
    this.tidy();
  }

  /** What the error of a wait that ends now should tell. */
  timeoutDetails(): LockTimeoutDetails | undefined {
    return this.#inUse && {key: this.#key};
  }

  /** Why `lock` cannot be released: no caller that came through it holds it. */
  notHeldError(_lock: LineLock): LockError {
    return nothingHeldError();
  }

  /** Who holds the lock, for those who read a log. */
  describe(): string {
    return this.holder ? 'held' : 'free';
  }
}
