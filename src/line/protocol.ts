/**
 * What a lock object, its line and its waiters know about each other. This file imports nothing.
 *
 * These names are also a wire format, because several copies of this package in one thread, such as
 * the ES module and the CommonJS copy, may share a line. `shared/registry.ts` makes sure that only
 * copies with the same names and the same meanings do.
 */

/** Somebody who can stand in a queue. The queue passes over whoever no longer waits. */
export interface Waiting {
  readonly isWaiting: boolean;
}

/** Called if the thread with this id ended while it held the lock, or the lock of `key`. */
export type OnAbandoned = (abandonment: {threadId: number; key?: unknown}) => void;

/** The way into a line through one lock object. It stands for that object in the line. */
export interface LineEntrance {
  readonly lock: object;
  /**
   * Called when a caller that came in through this object inherits the lock of a thread that ended.
   */
  readonly onAbandoned: OnAbandoned | undefined;
  /**
   * What a watcher knows about the holder's acquisition, if the holder came in through this object.
   */
  readonly watched?: object | undefined;
}

/** A caller in line. */
export interface LineWaiter extends Waiting {
  /** The way through which it came in. */
  readonly entrance: LineEntrance;
  /**
   * Makes it the holder, by its line's acquisition of this number. If this throws because the stack
   * ran out, it still waits.
   */
  admit(acquisition: number): void;
}

/**
 * Decides who is next in this thread. It has the callers of one lock in the order in which they
 * asked, and knows which of them holds the lock.
 */
export interface Line {
  /**
   * The way through which the holder came in, or `undefined` if nobody in this thread holds the
   * lock.
   */
  readonly holder: LineEntrance | undefined;

  /**
   * The number of the current acquisition, or of the last one if nobody in this thread holds the
   * lock.
   */
  readonly acquisition: number;

  /** How many callers wait in this thread. */
  readonly waiting: number;

  /** Whether somebody holds the lock, in any thread. */
  isTaken(): boolean;

  /**
   * Makes a caller that came in through `entrance` the holder if the lock is free and nobody is in
   * line.
   *
   * @returns the number of the acquisition, or 0
   */
  tryAcquire(entrance: LineEntrance): number;

  /**
   * Puts `waiter` in line. It is admitted once it is the first and the lock is free, which may be
   * at once.
   */
  enqueue(waiter: LineWaiter): void;

  /** Takes `waiter` out of the line, after its timeout or its signal has ended its wait. */
  withdraw(waiter: LineWaiter): void;

  /**
   * Drops everybody who no longer waits. It repairs a `withdraw` that failed because the stack ran
   * out.
   */
  recount(): void;

  /** Releases the lock for its holder, and admits the next in line. */
  release(): void;

  /** The key whose lock it is, if it is a key's lock, and the thread that owns it. */
  details(): {readonly key?: unknown; readonly ownerThreadId?: number | undefined} | undefined;

  /**
   * The error for a release by somebody who does not hold the lock. `naming` tells the lock's name.
   */
  notHeldError(naming: object | undefined): Error;

  /** Who holds the lock, as text for a log. */
  describe(): string;
}

/** A line that a caller may also enter by blocking its thread. */
export interface BlockingLine extends Line {
  /**
   * Makes a caller that came in through `entrance` the holder, ahead of the callers that wait in
   * this thread: none of them could run while the thread is blocked. Nobody in this thread may hold
   * the lock.
   *
   * @param milliseconds how long the thread may be blocked at most
   * @returns the number of the acquisition, or 0
   */
  acquireBlocking(entrance: LineEntrance, milliseconds: number): number;
}

/**
 * The names of all members of the interfaces above, as values. They are part of the registry's
 * name.
 */
export const PROTOCOL: Readonly<
  Record<keyof BlockingLine | keyof LineWaiter | keyof LineEntrance, true>
> = {
  acquireBlocking: true,
  acquisition: true,
  admit: true,
  describe: true,
  details: true,
  enqueue: true,
  entrance: true,
  holder: true,
  isTaken: true,
  isWaiting: true,
  lock: true,
  notHeldError: true,
  onAbandoned: true,
  recount: true,
  release: true,
  tryAcquire: true,
  waiting: true,
  watched: true,
  withdraw: true,
};
