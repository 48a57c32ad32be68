/** Calls that block their thread until they have the lock. */
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
  // First: a stack that runs out must not leave the lock acquired without a guard. The number is
  // right, because nobody else of this thread can acquire the lock meanwhile.
  const guard = guardOf(entrance, entrance.line.acquisition + 1);
  acquire(entrance, milliseconds, true);
  return guard;
}

/**
 * `withLockSync` of the lock behind `entrance`.
 *
 * @param first options, which the function follows in `args`, or the function
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
      // Released before, by somebody else, or the stack ran out. The error of `fn` comes first.
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
    'Expected the function of withLockSync to be done when it returns, but it returns a promise, ' +
      'which would go on without the lock. Use withLock.',
  );

/** @returns for how long a call may block */
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

/** The way into a line by blocking its thread. (Closures here were most of what a call allocates.) */
class BlockingWay {
  readonly #line: BlockingLine;
  /** For how long at most. */
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
  // Another copy of this package may have the lock for this thread, in a line of its own.
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
