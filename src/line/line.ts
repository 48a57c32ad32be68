import type {LockTimeoutDetails} from '../errors.js';
import type {LineLock} from './lineLock.js';
import {Queue} from './queue.js';

/** The lines that have a holder, by their keys. */
export interface LinesInUse {
  add(key: unknown, lock: LineLock): void;
  delete(key: unknown): void;
}

/**
 * The callers of one thread, in the order in which they asked, and the one among them that holds the lock.
 *
 * As it stands it is the line of a lock that only this thread has: whoever is first becomes the holder as soon as nobody
 * else is, so that while there is no holder, nobody is in line.
 */
export class Line extends Queue {
  readonly #inUse: LinesInUse | undefined;
  readonly #key: unknown;
  /** The object through which whoever holds the lock came. */
  holder: LineLock | undefined;
  /** The number of the holder's acquisition, or of the last one: how often the lock was acquired. */
  acquisition = 0;

  /** @param inUse where the line is, with its key, exactly while it has a holder. (Not a subclass: two kinds of lines would make each call of one slower.) */
  constructor(inUse?: LinesInUse, key?: unknown) {
    super();
    this.#inUse = inUse;
    this.#key = key;
  }

  /** Whether somebody holds the lock, in whichever thread. */
  isTaken(): boolean {
    return this.holder !== undefined;
  }

  /** Makes a caller that came through `lock` the holder if the lock is free and nobody is in line. */
  tryEnter(lock: LineLock): boolean {
    if (this.holder !== undefined) return false;
    this.#inUse?.add(this.#key, lock);
    this.holder = lock;
    this.acquisition++;
    return true;
  }

  /** The holder releases the lock. */
  leave(): void {
    const next = this.first;
    this.holder = next?.lock;
    if (next === undefined) {
      this.#inUse?.delete(this.#key);
      return;
    }
    this.withdraw(next);
    next.admit(++this.acquisition);
  }

  /** What the error of a wait that ends now should tell. */
  timeoutDetails(): LockTimeoutDetails | undefined {
    return this.#inUse && {key: this.#key};
  }
}
