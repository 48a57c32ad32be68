/** What a call of `withLock` or `withLocks` does, from the acquisition to the release. */
import {assertType} from '../errors.js';
import {READY} from '../intrinsics.js';
import type {AbortSignalLike, AcquireOptions} from '../types.js';
import {abortReason} from './aborts.js';
import type {Holding} from './guard.js';
import {limitsOf, type WaitLimits} from './limits.js';
import type {Waiter} from './waiter.js';
import type {WatchedAcquisition} from './watching.js';

export type AnyFunction = (...args: unknown[]) => unknown;

/** Only an object or a function can be a thenable. `await` finds out whether it is one. */
export const mayBeThenable = (value: unknown): value is PromiseLike<unknown> =>
  (typeof value === 'object' && value !== null) || typeof value === 'function';

// Arguments

interface Call {
  readonly limits: WaitLimits;
  readonly fn: AnyFunction;
}

/**
 * Checks a call whose first argument is no function, and so should be options. Takes the function
 * from `args`, the arguments after `options`.
 *
 * @param own the limits of the lock, for a call without a timeout of its own
 * @param usage how the call is written
 */
export function takeOptions(
  options: unknown,
  args: unknown[],
  own: WaitLimits,
  usage: string,
): Call {
  const fn = takeFunction(options, args);
  const limits = limitsOf(options as AcquireOptions | undefined, own, usage);
  return {limits, fn: limits.signal ? unlessAborted(limits.signal, fn) : fn};
}

/** Takes the function of a call with options from `args`, the arguments after `options`. */
export function takeFunction(options: unknown, args: unknown[]): AnyFunction {
  const came = args.length > 0 ? args[0] : options;
  const fn = args.shift() as AnyFunction;
  assertType(fn, 'function', 'a function to call', came);
  return fn;
}

/** Because the signal may abort after the call was admitted and before its function begins. */
const unlessAborted =
  (signal: AbortSignalLike, fn: AnyFunction): AnyFunction =>
  (...args) => {
    if (signal.aborted) throw abortReason(signal);
    return fn(...args);
  };

// Calling

// Each watched acquisition gets a function of its own, which stack traces can tell from the others.

const createCallAtOnce = () =>
  async function withLock(
    holding: Holding,
    acquisition: number,
    fn: AnyFunction,
    args: unknown[],
  ): Promise<unknown> {
    await READY;
    let result: unknown;
    try {
      result = begin(holding, acquisition, fn, args);
      if (mayBeThenable(result)) result = await result;
    } catch (error) {
      fail(holding, acquisition, error);
    }
    holding.release(acquisition);
    return result;
  };

/**
 * For a caller that did not wait. It does what `callAdmitted` does, but without the extra promise
 * that `then` makes for an asynchronous function: that saves a quarter of the time in the row
 * `withLock, async fn`. With callers in line, `callAdmitted` is up to three times faster.
 */
export const callAtOnce = createCallAtOnce();

export const watchedCallAtOnce = (watched: WatchedAcquisition): typeof callAtOnce =>
  (watched.frame = createCallAtOnce());

/** For a caller that waited. It runs in a microtask after the caller was admitted. */
export function callAdmitted(admitted: unknown): unknown {
  const waiter = admitted as Waiter & {readonly entrance: Holding};
  const {entrance: holding, acquisition, task, args} = waiter;
  let result: unknown;
  try {
    result = begin(holding, acquisition, task as AnyFunction, args as unknown[]);
  } catch (error) {
    fail(holding, acquisition, error);
  }
  if (mayBeThenable(result)) {
    const {watched} = holding;
    const settling = watched ? (watched.frame = createSettle()) : settle;
    return settling(holding, acquisition, result);
  }
  holding.release(acquisition);
  return result;
}

/**
 * It uses `await`, because that is all that nobody can replace: a replaced `then` might release the
 * lock while the function still runs.
 */
const createSettle = () =>
  async function withLock(
    holding: Holding,
    acquisition: number,
    promise: PromiseLike<unknown>,
  ): Promise<unknown> {
    let result: unknown;
    try {
      result = await promise;
    } catch (error) {
      fail(holding, acquisition, error);
    }
    holding.release(acquisition);
    return result;
  };

const settle = createSettle();

export function begin(
  holding: Holding,
  acquisition: number,
  fn: AnyFunction,
  args: unknown[],
): unknown {
  // Somebody has released the lock in the meantime, so this throws.
  if (!holding.isHeldBy(acquisition)) holding.release(acquisition);
  // Spreading takes a tenth of an uncontended call, even if there are no arguments.
  return args.length === 0 ? fn() : fn(...args);
}

function fail(holding: Holding, acquisition: number, error: unknown): never {
  try {
    holding.release(acquisition);
  } catch {
    // Somebody else has released the lock, or the caller's own store has failed, too. The error of
    // `fn` comes first.
  }
  throw error;
}
