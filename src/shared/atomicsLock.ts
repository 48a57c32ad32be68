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
 * Creates a lock that works across the worker threads of a process. With `options.buffer`, it
 * creates another object for an existing lock.
 *
 * Give the lock's `buffer` to the other threads, by `workerData`, by `postMessage` or with a
 * Piscina task, and create the lock from it there. All lock objects of one buffer are the same
 * lock. Each thread has one line, and the threads take turns.
 *
 * @param timeoutMilliseconds how long a caller of this object waits for the lock. Without it, or
 *   with `Infinity`, a caller waits as long as it takes. With `0`, a caller does not wait at all.
 *   Other objects of the same lock may have another timeout.
 * @throws `TypeError` if an argument has the wrong type, or `options.buffer` is not the buffer of a
 *   lock. `RangeError` if `timeoutMilliseconds` is negative or NaN.
 * @throws `LockError`: `ERR_LOCK_VERSION` if an incompatible version of this package made the
 *   buffer, `ERR_LOCK_FULL` if too many threads use the lock, `ERR_LOCK_UNSUPPORTED` if the
 *   platform lacks what the lock needs.
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
  // Before this thread takes a slot of the memory.
  const settings = {...createSettings(timeoutMilliseconds, name), onAbandoned};
  // The key alone counts. Otherwise a misspelt field of a message would make a lock that no other
  // thread has.
  const buffer = 'buffer' in options ? checkBuffer(options.buffer, false) : createLockBuffer();
  return new AtomicsLock(buffer, settings);
}
