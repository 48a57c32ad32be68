import {assertOptions, assertType} from '../errors.js';
import {createSettings, type LockSettings} from '../line/limits.js';
import {LineLock} from '../line/lineLock.js';
import type {BlockingOptions, LockGuard, SharedLock, SharedLockOptions} from '../types.js';
import {acquireBlocking, callBlocking} from './blocking.js';
import {checkBuffer} from './buffers.js';
import {createLockBuffer, findOrCreateLine} from './registry.js';
import {assertSupported} from './runtime/current.js';

class AtomicsLock extends LineLock implements SharedLock {
  readonly buffer: SharedArrayBuffer;

  constructor(buffer: SharedArrayBuffer, settings: LockSettings) {
    super(findOrCreateLine(buffer), settings);
    this.buffer = buffer;
  }

  withLockSync<TArgs extends unknown[], TResult>(
    fn: (...args: TArgs) => TResult,
    ...args: TArgs
  ): TResult;
  withLockSync<TArgs extends unknown[], TResult>(
    options: BlockingOptions | undefined,
    fn: (...args: TArgs) => TResult,
    ...args: TArgs
  ): TResult;
  withLockSync(first: unknown, ...args: unknown[]): unknown {
    return callBlocking(LineLock.entranceOf(this), first, args);
  }

  acquireSync(options?: BlockingOptions): LockGuard {
    return acquireBlocking(LineLock.entranceOf(this), options);
  }

  override get [Symbol.toStringTag](): string {
    return 'SharedLock';
  }
}

/**
 * Creates a lock that works across the worker threads of a process, or, with `options.buffer`,
 * another object for a lock that exists.
 *
 * Hand the lock's `buffer` to other threads, by `workerData`, `postMessage` or a Piscina task, and
 * create the lock from it there. All lock objects of one buffer are one lock: each thread has one
 * line, and the threads take turns.
 *
 * @param timeoutMilliseconds how long a caller of this object waits for the lock. Without it, or
 *   with `Infinity`, as long as it takes; with `0`, not at all. Other objects of the same lock may
 *   have another.
 * @throws `TypeError` when an argument is of the wrong type or `options.buffer` is not a lock's,
 *   `RangeError` when `timeoutMilliseconds` is negative or NaN.
 * @throws `LockError`, `code: 'ERR_LOCK_VERSION'`, when an incompatible version of this package
 *   made the buffer; `code: 'ERR_LOCK_FULL'`, when too many threads use the lock; `code:
 *   'ERR_LOCK_UNSUPPORTED'`, when the platform lacks what it needs.
 *
 * @example
 * // in one thread
 * const lock = createLock(30_000);
 * worker.postMessage({buffer: lock.buffer});
 * // in another
 * const lock = createLock(30_000, {buffer: message.buffer});
 * await lock.withLock(async () => { await onlyOneAtATime(); });
 */
export function createLock(
  timeoutMilliseconds?: number,
  options: SharedLockOptions = {},
): SharedLock {
  assertSupported();
  assertOptions(options, 'createLock(timeoutMilliseconds, {buffer, onAbandoned, name})', [
    'buffer',
    'onAbandoned',
    'name',
  ]);
  const {onAbandoned, name} = options;
  if (onAbandoned !== undefined) {
    assertType(onAbandoned, 'function', 'onAbandoned to be a function');
  }
  // Before a slot of the memory is taken.
  const settings = {...createSettings(timeoutMilliseconds, name), onAbandoned};
  // The key alone counts, so that a message's misspelt field does not make a lock that nobody has.
  const buffer = 'buffer' in options ? checkBuffer(options.buffer, false) : createLockBuffer();
  return new AtomicsLock(buffer, settings);
}
