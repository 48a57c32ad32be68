/**
 * The errors a caller can meet. Recognise them by `code`, not by `instanceof`: the ES module and the
 * CommonJS copy of this package have classes of their own, and both can be loaded in one process.
 */

/**
 * - `ERR_LOCK_TIMEOUT`: the lock was not free within `timeoutMilliseconds`.
 * - `ERR_LOCK_NOT_HELD`: something released a lock that it did not hold, or the lock of a `withLock` or a guard was
 *   released under it.
 * - `ERR_LOCK_POOLED`: the lock object was used after `pool()`.
 *
 * And of the lock across threads:
 *
 * - `ERR_LOCK_VERSION`: an incompatible version of this package made the buffer.
 * - `ERR_LOCK_FULL`: too many threads use the lock.
 * - `ERR_LOCK_UNSUPPORTED`: the platform lacks what the lock needs.
 */
export type LockErrorCode =
  | 'ERR_LOCK_TIMEOUT'
  | 'ERR_LOCK_NOT_HELD'
  | 'ERR_LOCK_POOLED'
  | 'ERR_LOCK_VERSION'
  | 'ERR_LOCK_FULL'
  | 'ERR_LOCK_UNSUPPORTED';

/**
 * What every lock of this package fails with by itself. Bad arguments are a `TypeError` or a `RangeError`, and what a
 * caller's own function, signal or store fails with comes through as it is.
 */
export class LockError extends Error {
  override readonly name: string = 'LockError';
  declare readonly code: LockErrorCode;

  constructor(code: LockErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** What else a lock tells about a wait that ended, each a property of the error. */
export interface LockTimeoutDetails {
  readonly key?: unknown;
  readonly ownerThreadId?: number | undefined;
}

/** A caller, or `pool()`, waited for `timeoutMilliseconds` and waits no more; nobody else is affected. */
export class LockTimeoutError extends LockError {
  override readonly name = 'LockTimeoutError';
  declare readonly code: 'ERR_LOCK_TIMEOUT';

  declare readonly timeoutMilliseconds: number;

  /** The key whose lock was waited for; only on errors of `LocksByKey`. */
  declare readonly key?: unknown;

  /**
   * The thread that held the lock when the wait ended, `undefined` if none did; only on errors of the lock across
   * threads.
   */
  declare readonly ownerThreadId?: number | undefined;

  constructor(timeoutMilliseconds: number, details?: LockTimeoutDetails) {
    super('ERR_LOCK_TIMEOUT', `Timed out waiting for lock after ${timeoutMilliseconds}ms`);
    this.timeoutMilliseconds = timeoutMilliseconds;
    Object.assign(this, details);
  }
}

export const notHeldError = () =>
  new LockError('ERR_LOCK_NOT_HELD', 'Cannot release a lock that is not held.');

export const pooledError = () =>
  new LockError('ERR_LOCK_POOLED', 'Cannot call Lock after returning the object to the pool.');

/** `expected` completes the sentence "Expected ...". */
export const badValueError = (
  Type: typeof TypeError | typeof RangeError,
  expected: string,
  came: string | number,
) => new Type(`Expected ${expected}, but got ${came}.`);

/** What came is named by its type. */
export const badTypeError = (expected: string, came: unknown) =>
  badValueError(TypeError, expected, came === null ? 'null' : typeof came);

/** @throws {@link badTypeError} if `value` is not of the type, or `null` */
export function assertType(
  value: unknown,
  type: 'boolean' | 'function' | 'number' | 'object',
  expected: string,
  came: unknown = value,
): void {
  if (typeof value !== type || value === null) throw badTypeError(expected, came);
}
