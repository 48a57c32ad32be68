/**
 * What a lock object, its line and its waiters know of each other. Imports nothing.
 *
 * These names are also a wire format: the copies of this package in one thread, the ES module and
 * the CommonJS one for example, may share a line. `shared/registry.ts` sees to it that only copies
 * with the same names and the same meanings do.
 */

/** Somebody who can stand in a queue. Whoever no longer waits is passed over. */
export interface Waiting {
  readonly isWaiting: boolean;
}

/** Is told that the thread with this id ended while it held the lock, or that of `key`. */
export type OnAbandoned = (abandonment: {threadId: number; key?: unknown}) => void;

/** The way into a line through one lock object, which stands for that object in the line. */
export interface LineEntrance {
  readonly lock: object;
  /** Whom to tell when a caller that came in here inherits the lock of a thread that ended. */
  readonly onAbandoned: OnAbandoned | undefined;
  /** What a watcher knows of the acquisition of the holder that came in here, if there is one. */
  readonly watched?: object | undefined;
}

/** A caller in line. */
export interface LineWaiter extends Waiting {
  /** How it came in. */
  readonly entrance: LineEntrance;
  /**
   * It holds the lock from now on, by its line's acquisition of this number, unless this throws
   * because the stack ran out. Then it still waits.
   */
  admit(acquisition: number): void;
}

/**
 * Who is next in this thread: the callers of one lock, in the order in which they asked, and the
 * one among them that holds it.
 */
export interface Line {
  /** How the holder came in; `undefined` if nobody in this thread holds the lock. */
  readonly holder: LineEntrance | undefined;

  /** The number of the holder's acquisition, or of the last one. */
  readonly acquisition: number;

  /** How many callers wait in this thread. */
  readonly waiting: number;

  /** Whether somebody holds the lock, in whichever thread. */
  isTaken(): boolean;

  /**
   * Makes a caller that came in by `entrance` the holder if the lock is free and nobody is in line.
   *
   * @returns the number of the acquisition, or 0
   */
  tryAcquire(entrance: LineEntrance): number;

  /** `waiter` gets in line. It is admitted when it is first and the lock is free, maybe at once. */
  enqueue(waiter: LineWaiter): void;

  /** `waiter`, which no longer waits, gave up: its time or its signal ended its wait. */
  withdraw(waiter: LineWaiter): void;

  /**
   * Drops whoever no longer waits, after a stack that ran out kept `withdraw` from its work.
   */
  recount(): void;

  /** The holder releases the lock, and the next is admitted. */
  release(): void;

  /** Which key's lock it is, if it is one, and which thread has it. */
  details(): {readonly key?: unknown; readonly ownerThreadId?: number | undefined} | undefined;

  /** Why somebody whose caller is not the holder cannot release the lock, which is called so. */
  notHeldError(naming: object | undefined): Error;

  /** Who holds the lock, for those who read a log. */
  describe(): string;
}

/** A line for whose lock a caller may block its thread. */
export interface BlockingLine extends Line {
  /**
   * Makes a caller that came in by `entrance` the holder, ahead of those who wait in this thread:
   * none of them could go on while it is blocked. Nobody in this thread may hold the lock.
   *
   * @param milliseconds how long the thread may be blocked
   * @returns the number of the acquisition, or 0
   */
  acquireBlocking(entrance: LineEntrance, milliseconds: number): number;
}

/** Each member of the interfaces above, as values: they are part of the name of the registry. */
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
