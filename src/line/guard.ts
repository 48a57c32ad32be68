import {releasedUnderGuardError} from '../errors.js';
import type {LockGuard} from '../types.js';
import type {LineLock} from './lineLock.js';

/** The symbol, or the one by which compiled `using` looks for it where the platform has none. */
const DISPOSE: typeof Symbol.dispose =
  (Symbol as Partial<typeof Symbol>).dispose ??
  (Symbol.for('Symbol.dispose') as typeof Symbol.dispose);

/** One acquisition, by the number that it has in its line. Not its waiter, lest the holder keep that for as long. */
export class Guard implements LockGuard {
  /** A function of its own, so that it can be handed on, and be called on a proxy of the guard. */
  readonly release: () => void;

  constructor(lock: LineLock, acquisition: number) {
    /** Until it was released. */
    let held: LineLock | undefined = lock;
    this.release = () => {
      const lock = held;
      if (lock === undefined) return;
      try {
        lock.endAcquisition(acquisition, releasedUnderGuardError);
      } finally {
        // A stack that ran out may have thrown before anything was released.
        if (!lock.isHeldBy(acquisition)) held = undefined;
      }
    };
  }

  [DISPOSE](): void {
    this.release();
  }

  get [Symbol.toStringTag](): string {
    return 'LockGuard';
  }
}
