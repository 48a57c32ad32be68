import {pooledError} from '../errors.js';
import {READY, resolved, then} from '../intrinsics.js';
import type {AbortSignalLike, AcquireOptions, Lock, LockGuard} from '../types.js';
import {abortReason} from './aborts.js';
import {
  callAdmitted,
  callAtOnce,
  takeOptions,
  watchedCallAtOnce,
  type AnyFunction,
} from './calls.js';
import {Entrance} from './entrance.js';
import {limitsOf, type LockSettings, type WaitLimits} from './limits.js';
import type {Line} from './protocol.js';
import {INSPECT, SELF, unproxied} from './receiver.js';
import {Waiter, createCaller} from './waiter.js';

/**
 * A lock object: the methods that every lock of this package has, over a line.
 *
 * All methods that acquire do the same two steps: `tryAcquire` makes the caller the holder if it
 * can, and otherwise `enqueue` puts a `Waiter` in line.
 */
export class LineLock implements Lock {
  readonly [SELF]: LineLock;
  readonly #entrance: Entrance;

  constructor(line: Line, settings: LockSettings) {
    this[SELF] = this;
    this.#entrance = new Entrance(this, line, settings);
  }

  /** The entrance of a lock that `createLock` made. */
  static entranceOf(lock: Lock): Entrance {
    return unproxied<LineLock>(lock as unknown as LineLock).#entrance;
  }

  withLock<TArgs extends unknown[], TResult>(
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult>;
  withLock<TArgs extends unknown[], TResult>(
    options: AcquireOptions | undefined,
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult>;
  withLock(fn: unknown, ...args: unknown[]): Promise<unknown> {
    let entrance: Entrance | undefined;
    let acquisition = 0;
    try {
      entrance = unproxied<LineLock>(this).#entrance;
      let limits: WaitLimits | undefined;
      if (typeof fn !== 'function') {
        const usage = 'withLock({signal, timeoutMilliseconds}, fn)';
        ({fn, limits} = takeOptions(fn, args, entrance.settings, usage));
      }
      acquisition = entrance.tryAcquire();
      // Both branches keep the caller's async context: `await` does so by itself, and `then` does
      // because it is called here.
      if (acquisition && entrance.watched) {
        return watchedCallAtOnce(entrance.watched)(entrance, acquisition, fn as AnyFunction, args);
      }
      return acquisition
        ? callAtOnce(entrance, acquisition, fn as AnyFunction, args)
        : entrance.enqueue(createCaller(entrance, fn, args), limits, callAdmitted);
    } catch (error) {
      // A variable of this block costs nothing to calls that do not get here. Nothing is called
      // directly, because a stack that ran out has no room for a call.
      const entered = entrance;
      if (entered && acquisition) entered.unclaimed = acquisition;
      return then<undefined, never>(READY, () => {
        entered?.releaseUnclaimed();
        throw error;
      });
    }
  }

  acquireLock(): Promise<void>;
  acquireLock<T>(task: T): Promise<T>;
  acquireLock(task?: unknown): Promise<unknown> {
    let entrance: Entrance | undefined;
    let acquisition = 0;
    try {
      entrance = unproxied<LineLock>(this).#entrance;
      acquisition = entrance.tryAcquire(true);
      return acquisition ? resolved(task) : entrance.enqueue(new Waiter(entrance, task));
    } catch (error) {
      // As in `withLock`.
      const entered = entrance;
      if (entered && acquisition) entered.unclaimed = acquisition;
      return then<undefined, never>(READY, () => {
        entered?.releaseUnclaimed();
        throw error;
      });
    }
  }

  releaseLock(): void {
    const entrance = unproxied<LineLock>(this).#entrance;
    const {line} = entrance;
    if (line.holder !== entrance) {
      const naming = entrance.naming();
      throw entrance.isClosed ? pooledError(naming) : line.notHeldError(naming);
    }
    entrance.release(line.acquisition);
  }

  acquire(options?: AcquireOptions): Promise<LockGuard> {
    return rejecting(() => {
      const entrance = unproxied<LineLock>(this).#entrance;
      if (options === undefined) return entrance.acquireGuard();
      const usage = 'acquire({signal, timeoutMilliseconds})';
      const limits = limitsOf(options, entrance.settings, usage);
      const acquiring = entrance.acquireGuard(limits);
      return limits.signal ? unlessAborted(acquiring, limits.signal) : acquiring;
    });
  }

  tryAcquire(): LockGuard | undefined {
    return unproxied<LineLock>(this).#entrance.tryAcquireGuard();
  }

  get isLocked(): boolean {
    return unproxied<LineLock>(this).#entrance.line.isTaken();
  }

  get pendingCount(): number {
    return unproxied<LineLock>(this).#entrance.line.waiting;
  }

  pool(): Promise<void> {
    return rejecting(() => unproxied<LineLock>(this).#entrance.close());
  }

  get [Symbol.toStringTag](): string {
    return 'Lock';
  }

  [INSPECT](): string {
    const lock = unproxied<LineLock>(this);
    const {isClosed, line} = lock.#entrance;
    const state = isClosed ? 'retired' : line.describe();
    const name = inspectName(lock.#entrance.settings);
    return `${lock[Symbol.toStringTag]}${name} { ${state}, ${line.waiting} waiting }`;
  }
}

/** The name that `util.inspect` shows, if there is one. */
export const inspectName = ({name}: LockSettings): string =>
  name === undefined ? '' : ` "${name}"`;

export async function unlessAborted<TGuard extends LockGuard>(
  acquiring: Promise<TGuard>,
  signal: AbortSignalLike,
): Promise<TGuard> {
  const guard = await acquiring;
  // The signal may have aborted without calling its listener yet. The caller does not have the
  // guard yet either.
  if (!signal.aborted) return guard;
  try {
    guard.release();
  } catch {
    // Somebody has released the lock in the meantime.
  }
  throw abortReason(signal);
}

/**
 * Turns what `call` throws into a rejection. (`withLock` and `acquireLock` do that themselves,
 * because this function would take a tenth of their time.)
 */
export function rejecting<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call();
  } catch (error) {
    return then<undefined, never>(READY, () => {
      throw error;
    });
  }
}
