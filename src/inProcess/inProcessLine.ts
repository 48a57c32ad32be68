import {nothingHeldError, type LockDetails} from '../errors.js';
import type {Line, LineEntrance, LineWaiter} from '../line/protocol.js';
import {WaitQueue, admit} from '../line/waitQueue.js';
import type {Lock} from '../types.js';

/** The locks that are held, by key, and their number. */
export interface LocksInUse {
  readonly store: {set(key: unknown, lock: Lock): unknown; delete(key: unknown): unknown};
  /** Whether the store is the caller's own, whose methods may throw. */
  readonly isCallersOwn: boolean;
  size: number;
}

/**
 * The line of a lock that only this thread uses. There is nobody to contend with, so the first in
 * line becomes the holder as soon as the lock is free. While there is no holder, nobody waits.
 */
export class InProcessLine implements Line {
  holder: LineEntrance | undefined;
  acquisition = 0;

  /** Made when somebody first waits: many lines never have a waiter. */
  #queue: WaitQueue<LineWaiter> | undefined;
  readonly #inUse: LocksInUse | undefined;
  readonly #key: unknown;

  /**
   * @param inUse for the line of a key: it contains the key's lock exactly while somebody holds
   *   that. (A subclass would make every call on a line slower.)
   */
  constructor(inUse?: LocksInUse, key?: unknown) {
    this.#inUse = inUse;
    this.#key = key;
  }

  get waiting(): number {
    return this.#queue?.size ?? 0;
  }

  isTaken(): boolean {
    return this.holder !== undefined;
  }

  tryAcquire(entrance: LineEntrance): number {
    if (this.holder) return 0;
    if (this.#inUse) {
      // First, because a caller's own store may throw.
      this.#inUse.store.set(this.#key, entrance.lock as Lock);
      this.#inUse.size++;
    }
    this.holder = entrance;
    return ++this.acquisition;
  }

  enqueue(waiter: LineWaiter): void {
    (this.#queue ??= new WaitQueue()).enqueue(waiter);
  }

  withdraw(waiter: LineWaiter): void {
    this.#queue?.dequeue(waiter);
  }

  recount(): void {
    this.#queue?.recount();
  }

  /**
   * If it throws because the stack ran out, nothing has changed, and the caller can release again.
   */
  release(): void {
    const queue = this.#queue;
    const next = queue?.first;
    if (queue && next) {
      const {holder} = this;
      this.holder = next.entrance;
      this.acquisition++;
      try {
        admit(next, queue, this.acquisition);
      } catch (error) {
        this.holder = holder;
        this.acquisition--;
        throw error;
      }
    } else if (this.#inUse) this.#remove(this.#inUse);
    else this.holder = undefined;
  }

  #remove(inUse: LocksInUse): void {
    // A caller's own store may throw. The lock is free all the same, and the key stays in the
    // store.
    let isFree = inUse.isCallersOwn;
    try {
      inUse.store.delete(this.#key);
      isFree = true;
    } finally {
      if (isFree) {
        inUse.size--;
        this.holder = undefined;
      }
    }
  }

  details() {
    return this.#inUse && {key: this.#key};
  }

  notHeldError(naming: LockDetails | undefined): Error {
    return nothingHeldError(naming);
  }

  describe(): string {
    return this.holder ? 'held' : 'free';
  }
}
