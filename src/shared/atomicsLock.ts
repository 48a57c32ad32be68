import {LockError, assertOptions, assertType, badTypeError} from '../errors.js';
import {deadlinesAfter, type Deadlines} from '../line/deadlines.js';
import {LineLock} from '../line/lineLock.js';
import type {SharedLock, SharedLockOptions} from '../types.js';
import {createMemory, lineOf} from './lines.js';
import {LockMemory} from './lockMemory.js';
import {assertSupported} from './platform.js';

class AtomicsLock extends LineLock implements SharedLock {
  readonly buffer: SharedArrayBuffer;
  /** For the line alone. */
  readonly onAbandoned: SharedLockOptions['onAbandoned'];

  constructor(
    memory: LockMemory,
    deadlines: Deadlines | undefined,
    onAbandoned: SharedLockOptions['onAbandoned'],
  ) {
    super(lineOf(memory), deadlines);
    this.buffer = memory.buffer;
    this.onAbandoned = onAbandoned;
  }

  override get [Symbol.toStringTag](): string {
    return 'SharedLock';
  }
}

/**
 * Creates a lock that works across the worker threads of a process, or, with `options.buffer`, another object for a lock that
 * exists.
 *
 * Hand the lock's `buffer` to other threads, by `workerData`, `postMessage` or a Piscina task, and create the lock from it there.
 * All lock objects of one buffer are one lock: each thread has one line, and the threads take turns.
 *
 * @param timeoutMilliseconds how long a caller of this object waits for the lock. Without it, or with `Infinity`,
 *   for ever; with `0`, not at all. Other objects of the same lock may have another.
 * @throws `TypeError` when an argument is of the wrong type or `options.buffer` is not a lock's, `RangeError` when
 *   `timeoutMilliseconds` is negative or NaN.
 * @throws `LockError`, `code: 'ERR_LOCK_VERSION'`, when an incompatible version of this package made the buffer;
 *   `code: 'ERR_LOCK_FULL'`, when too many threads use the lock; `code: 'ERR_LOCK_UNSUPPORTED'`, when the platform lacks what it needs.
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
  assertOptions(options, 'createLock(timeoutMilliseconds, {buffer, onAbandoned})', [
    'buffer',
    'onAbandoned',
  ]);
  const {onAbandoned} = options;
  if (onAbandoned !== undefined) {
    assertType(onAbandoned, 'function', 'onAbandoned to be a function');
  }
  // Before anything is claimed in the memory.
  const deadlines = deadlinesAfter(timeoutMilliseconds);
  const memory = 'buffer' in options ? memoryOf(options.buffer) : createMemory();
  return new AtomicsLock(memory, deadlines, onAbandoned);
}

/** The key alone counts, so that a misspelt field of a message does not make a lock that nobody else has. */
function memoryOf(buffer: unknown): LockMemory {
  if (!isSharedArrayBuffer(buffer)) {
    throw badTypeError(
      "options.buffer to be a lock's SharedArrayBuffer",
      buffer,
      ' Write {buffer: lock.buffer}, or send lock.buffer itself to the other thread.',
    );
  }
  if (!LockMemory.isLock(buffer)) {
    throw new TypeError("Expected options.buffer to be a lock's, but no lock made it.");
  }
  if (!LockMemory.isOfThisVersion(buffer)) {
    throw new LockError(
      'ERR_LOCK_VERSION',
      'Expected a lock of this version of @databases/lock, but an incompatible one made the buffer.',
    );
  }
  return new LockMemory(buffer);
}

/** Also where it was made in another realm. */
function isSharedArrayBuffer(value: unknown): value is SharedArrayBuffer {
  return Object.prototype.toString.call(value) === '[object SharedArrayBuffer]';
}
