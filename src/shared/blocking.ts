/** The calls that block their thread until they have the lock. */
import {
  LockTimeoutError,
  assertOptions,
  assertType,
  deadlockError,
  mainThreadError,
} from '../errors.js';
import {begin, mayBeThenable, takeFunction, type AnyFunction} from '../line/calls.js';
import {findDeadlines} from '../line/deadlines.js';
import type {Entrance} from '../line/entrance.js';
import {guardOf, type Guard} from '../line/guard.js';
import type {BlockingLine, LineEntrance} from '../line/protocol.js';
import {watchTurnedAway} from '../line/watching.js';
import type {BlockingOptions} from '../types.js';
import {runtime} from './runtime/current.js';

const OPTIONS = ['timeoutMilliseconds', 'allowMainThread'] as const;
const WRITTEN_OPTIONS = `{${OPTIONS.join(', ')}}`;

/** `acquireSync` of the lock behind `entrance`. */
export function acquireBlocking(entrance: Entrance, options?: BlockingOptions): Guard {
  const milliseconds = patienceOf(
    entrance,
    options,
    'acquireSync',
    `acquireSync(${WRITTEN_OPTIONS})`,
  );
  // First, because if the stack runs out, it must not leave the lock acquired without a guard. The
  // number is right, because nobody else in this thread can acquire the lock in the meantime.
  const guard = guardOf(entrance, entrance.line.acquisition + 1);
  acquire(entrance, milliseconds, true);
  return guard;
}

/**
 * `withLockSync` of the lock behind `entrance`.
 *
 * @param first the function, or options; in that case the function is the first of `args`
 */
export function callBlocking(entrance: Entrance, first: unknown, args: unknown[]): unknown {
  const isPlain = typeof first === 'function';
  const fn = isPlain ? (first as AnyFunction) : takeFunction(first, args);
  const options = isPlain ? undefined : (first as BlockingOptions | undefined);
  const usage = `withLockSync(${WRITTEN_OPTIONS}, fn)`;
  const milliseconds = patienceOf(entrance, options, 'withLockSync', usage);
  if ({}.toString.call(fn) === '[object AsyncFunction]') throw asynchronousError();
  const acquisition = acquire(entrance, milliseconds, false);
  let result: unknown;
  try {
    result = begin(entrance, acquisition, fn, args);
  } catch (error) {
    try {
      entrance.release(acquisition);
    } catch {
      // Somebody else has released the lock, or the stack ran out. The error of `fn` comes first.
      entrance.unclaimed = acquisition;
    }
    throw error;
  }
  try {
    entrance.release(acquisition);
  } catch (error) {
    entrance.unclaimed = acquisition;
    throw error;
  }
  if (mayBeThenable(result) && typeof result.then === 'function') throw asynchronousError();
  return result;
}

const asynchronousError = () =>
  new TypeError(
    'Expected the function of withLockSync to be synchronous, but it returns a promise, whose ' +
      'work would go on without the lock. Use withLock.',
  );

/** @returns how long a call may block */
function patienceOf(
  entrance: Entrance,
  options: BlockingOptions | undefined,
  call: string,
  usage: string,
): number {
  if (options !== undefined) assertOptions(options, usage, OPTIONS);
  const {timeoutMilliseconds, allowMainThread = false} = options ?? {};
  assertType(allowMainThread, 'boolean', 'allowMainThread to be a boolean');
  const deadlines =
    timeoutMilliseconds === undefined
      ? entrance.settings.deadlines
      : findDeadlines(timeoutMilliseconds);
  if (runtime.isMainThread && !allowMainThread) throw mainThreadError(call, entrance.naming());
  return deadlines?.timeoutMilliseconds ?? Infinity;
}

/**
 * The way into a line for a call that blocks its thread. (It is a class because closures made up
 * most of what a call allocated.)
 */
class BlockingWay {
  readonly #line: BlockingLine;
  /** How long it may block at most. */
  milliseconds = 0;

  constructor(line: BlockingLine) {
    this.#line = line;
  }

  tryAcquire(entrance: LineEntrance): number {
    return this.#line.acquireBlocking(entrance, this.milliseconds);
  }
}

/** @returns the number of the acquisition */
function acquire(entrance: Entrance, milliseconds: number, lasts: boolean): number {
  const line = entrance.line as BlockingLine;
  entrance.assertOpen();
  if (entrance.unclaimed) entrance.releaseUnclaimed();
  if (line.holder !== undefined) throw deadlockError(entrance.naming());
  const blocking = new BlockingWay(line);
  let acquisition = entrance.tryAcquire(lasts, undefined, blocking);
  // This thread may have the lock through another copy of this package, which has its own line.
  const {threadId} = runtime;
  if (!acquisition && threadId !== undefined && line.details()?.ownerThreadId === threadId) {
    throw deadlockError(entrance.naming());
  }
  if (!acquisition && milliseconds > 0) {
    blocking.milliseconds = milliseconds;
    acquisition = entrance.tryAcquire(lasts, undefined, blocking);
  }
  if (!acquisition) {
    watchTurnedAway(entrance);
    throw new LockTimeoutError(milliseconds, entrance.details());
  }
  return acquisition;
}
