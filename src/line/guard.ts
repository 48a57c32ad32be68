import {releasedUnderGuardError, type LockDetails} from '../errors.js';
import type {LockGuard} from '../types.js';
import type {WatchedAcquisition} from './watching.js';

/**
 * `Symbol.dispose`, or the symbol that a compiled `using` looks for where the platform does not
 * have it.
 */
const DISPOSE: typeof Symbol.dispose =
  (Symbol as Partial<typeof Symbol>).dispose ??
  (Symbol.for('Symbol.dispose') as typeof Symbol.dispose);

/** One acquisition, to be released once. */
export class Guard implements LockGuard {
  /**
   * A function of its own, so that it can be passed on by itself and called on a proxy of the
   * guard.
   */
  readonly release: () => void;

  constructor(release: () => void) {
    this.release = release;
  }

  [DISPOSE](): void {
    this.release();
  }

  get [Symbol.toStringTag](): string {
    return 'LockGuard';
  }
}

/** The `task` of a waiter that is to get a guard. */
export const GUARD = {};

/** Knows whether an acquisition is over, and can end it. */
export interface Holding {
  /**
   * Whether this acquisition is still current. It may be over because anybody may call
   * `releaseLock`.
   */
  isHeldBy(acquisition: number): boolean;
  /**
   * @throws `notHeldError` if the acquisition is over already; by default the error of a call of
   *   `withLock`
   */
  release(acquisition: number, notHeldError?: (lock?: LockDetails) => Error): void;
  /** What a watcher knows about the current acquisition. */
  readonly watched: WatchedAcquisition | undefined;
}

/**
 * Makes a guard. It keeps the number of the acquisition instead of the waiter, which would
 * otherwise live as long as the guard.
 */
export function guardOf(holding: Holding, acquisition: number): Guard {
  let held: Holding | undefined = holding;
  return new Guard(() => {
    const current = held;
    if (current === undefined) return;
    try {
      current.release(acquisition, releasedUnderGuardError);
    } finally {
      // If the stack ran out, nothing may have been released yet.
      if (!current.isHeldBy(acquisition)) held = undefined;
    }
  });
}
