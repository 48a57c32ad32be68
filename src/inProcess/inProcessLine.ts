import {nothingHeldError, type LockDetails} from '../errors.js';
import type {Line, LineEntrance, LineWaiter} from '../line/protocol.js';
import {WaitQueue, admit} from '../line/waitQueue.js';
import type {Lock} from '../types.js';

/** The locks that are held, by their keys, and how many they are. */
export interface LocksInUse {
  readonly store: {set(key: unknown, lock: Lock): unknown; delete(key: unknown): unknown};
  /** Whether the store is the caller's, whose methods may throw. */
  readonly isCallersOwn: boolean;
  size: number;
}

/**
 * The line of a lock that only this thread has. With nobody else to contend with, the first in line
 * becomes the holder as soon as there is none: while there is no holder, nobody waits.
 */
export class InProcessLine implements Line {
  holder: LineEntrance | undefined;
  acquisition = 0;

  /** Made when somebody waits: many lines never have a waiter. */
  #queue: WaitQueue<LineWaiter> | undefined;
  readonly #inUse: LocksInUse | undefined;
  readonly #key: unknown;

  /**
   * @param inUse for the line of a key: has the key's lock exactly while somebody holds it. (A
   *   subclass would make each call on a line slower.)
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

  /** Where it throws because the stack ran out, nothing has changed: it can be released again. */
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
    // A caller's own store may throw. The lock is free nevertheless, and the key stays in the
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
