import {releasedUnderGuardError, type LockDetails} from '../errors.js';
import type {LockGuard} from '../types.js';
import type {WatchedAcquisition} from './watching.js';

/** The symbol, or the one by which compiled `using` looks for it where the platform has none. */
const DISPOSE: typeof Symbol.dispose =
  (Symbol as Partial<typeof Symbol>).dispose ??
  (Symbol.for('Symbol.dispose') as typeof Symbol.dispose);

/** One acquisition, to be released once. */
export class Guard implements LockGuard {
  /** A function of its own, so that it can be handed on, and be called on a proxy of the guard. */
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

/** The task of a caller that waits for a guard. */
export const GUARD = {};

/** Whoever knows whether an acquisition is over, and can end it. */
export interface Holding {
  /** Whether this acquisition is not over: anybody may call `releaseLock`. */
  isHeldBy(acquisition: number): boolean;
  /** @throws `notHeldError` if it is over already: of a call of `withLock`, unless it says so */
  release(acquisition: number, notHeldError?: (lock?: LockDetails) => Error): void;
  /** What a watcher knows of the acquisition that is current. */
  readonly watched: WatchedAcquisition | undefined;
}

/** It keeps the number of the acquisition, not its waiter, which would live as long. */
export function guardOf(holding: Holding, acquisition: number): Guard {
  let held: Holding | undefined = holding;
  return new Guard(() => {
    const current = held;
    if (current === undefined) return;
    try {
      current.release(acquisition, releasedUnderGuardError);
    } finally {
      // A stack that ran out may have thrown before anything was released.
      if (!current.isHeldBy(acquisition)) held = undefined;
    }
  });
}
