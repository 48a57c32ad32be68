/**
 * The errors a caller can meet. Recognise them by `code`, not by `instanceof`: the ES module and
 * the CommonJS copy of this package have classes of their own, and both can be loaded in one
 * process.
 */

/**
 * - `ERR_LOCK_TIMEOUT`: the lock was not free within `timeoutMilliseconds`.
 * - `ERR_LOCK_NOT_HELD`: something released a lock that it did not hold, or the lock of a
 *   `withLock` or a guard was released under it.
 * - `ERR_LOCK_POOLED`: the lock object was used after `pool()`.
 *
 * And of the lock across threads:
 *
 * - `ERR_LOCK_VERSION`: an incompatible version of this package made the buffer.
 * - `ERR_LOCK_FULL`: too many threads use the lock, or too many keys are in use.
 * - `ERR_LOCK_UNSUPPORTED`: the platform lacks what the lock needs.
 * - `ERR_LOCK_DEADLOCK`: a call would have blocked the thread that holds the lock.
 * - `ERR_LOCK_MAIN_THREAD`: a call would have blocked the main thread, which did not allow it.
 *
 * And of the locks on PostgreSQL:
 *
 * - `ERR_LOCK_LOST`: the connection broke while the lock was held.
 * - `ERR_LOCK_UNAVAILABLE`: there is no connection by which anybody could lock.
 */
export type LockErrorCode =
  | 'ERR_LOCK_TIMEOUT'
  | 'ERR_LOCK_NOT_HELD'
  | 'ERR_LOCK_POOLED'
  | 'ERR_LOCK_VERSION'
  | 'ERR_LOCK_FULL'
  | 'ERR_LOCK_UNSUPPORTED'
  | 'ERR_LOCK_DEADLOCK'
  | 'ERR_LOCK_MAIN_THREAD'
  | 'ERR_LOCK_LOST'
  | 'ERR_LOCK_UNAVAILABLE';

/**
 * What every lock of this package fails with by itself. Bad arguments are a `TypeError` or a
 * `RangeError`, and what a caller's own function, signal or store fails with comes through as it
 * is.
 *
 * Its `cause` repeats what the error's own properties say, as far as it can be cloned: an error
 * that crosses a thread, out of a Piscina task for example, keeps `message`, `stack` and `cause`
 * and nothing else. (Of the locks on PostgreSQL, `ERR_LOCK_LOST` and `ERR_LOCK_UNAVAILABLE` have what
 * happened to the connection for a cause.)
 */
export class LockError extends Error {
  override readonly name: string = 'LockError';
  declare readonly code: LockErrorCode;

  /** The name that the lock was given, if it was. */
  declare readonly lockName?: string | undefined;

  constructor(code: LockErrorCode, message: string, facts: LockErrorFacts = {}) {
    const {key, ...others} = facts;
    // Functions and symbols never are cloneable, and objects may not be.
    const isCloneable = !/object|function|symbol/.test(typeof key);
    super(message + nameLock(facts, isCloneable), {
      cause: {code, ...(isCloneable ? facts : others)},
    });
    Object.assign(this, {code}, facts);
  }
}

/** Which lock it is, for those who gave it a name: the messages of the others are as in 2.1.0. */
const nameLock = ({lockName, key}: LockErrorFacts, isKeyCloneable: boolean): string => {
  if (lockName === undefined) return '';
  const shown = isKeyCloneable ? `"${String(key)}"` : typeOf(key);
  const ofKey = key === undefined ? '' : `, key ${shown}`;
  return ` (lock "${lockName}"${ofKey})`;
};

/** What a lock tells about itself and a wait that ended, each a property of the error. */
export interface LockDetails {
  readonly lockName?: string | undefined;
  readonly key?: unknown;
  readonly ownerThreadId?: number | undefined;
  readonly unavailable?: string | undefined;
}

interface LockErrorFacts extends LockDetails {
  readonly timeoutMilliseconds?: number;
}

/**
 * A caller, or `pool()`, waited for `timeoutMilliseconds` and waits no more; nobody else is
 * affected.
 */
export class LockTimeoutError extends LockError {
  override readonly name = 'LockTimeoutError';
  declare readonly code: 'ERR_LOCK_TIMEOUT';

  declare readonly timeoutMilliseconds: number;

  /** The key whose lock was waited for; only on errors of `LocksByKey`. */
  declare readonly key?: unknown;

  /**
   * The thread that held the lock when the wait ended, `undefined` if none did; only on errors of
   * the lock across threads.
   */
  declare readonly ownerThreadId?: number | undefined;

  /**
   * Why there was no connection to the server when the wait ended, `undefined` if there was one; only
   * on errors of the locks on PostgreSQL.
   */
  declare readonly unavailable?: string | undefined;

  constructor(timeoutMilliseconds: number, details?: LockDetails) {
    super('ERR_LOCK_TIMEOUT', `Timed out waiting for lock after ${timeoutMilliseconds}ms`, {
      timeoutMilliseconds,
      ...details,
    });
  }
}

const notHeldError = (what: string, lock: LockDetails | undefined) =>
  new LockError('ERR_LOCK_NOT_HELD', what, lock);

export const nothingHeldError = (lock?: LockDetails) =>
  notHeldError(
    'Cannot release a lock that is not held. ' +
      'Call releaseLock exactly once for each acquireLock that resolved.',
    lock,
  );

export const heldElsewhereError = (where: string, lock?: LockDetails) =>
  notHeldError(`Cannot release a lock that is not held here: ${where}.`, lock);

export const releasedUnderCallError = (lock?: LockDetails) =>
  notHeldError(
    'The lock was released before the function of withLock was done. ' +
      'Do not call releaseLock for withLock, which releases by itself.',
    lock,
  );

export const releasedUnderGuardError = (lock?: LockDetails) =>
  notHeldError(
    'The lock of this guard was released before. ' +
      'Do not call releaseLock for a guard: release the guard.',
    lock,
  );

export const deadlockError = (lock?: LockDetails) =>
  new LockError(
    'ERR_LOCK_DEADLOCK',
    'Cannot block for a lock that this thread holds: its holder could not go on to release it. ' +
      'Look for a withLock, an acquireLock or a guard of this thread that is not over yet, ' +
      'and await it first, or wait with withLock.',
    lock,
  );

export const fullError = (expected: string) => new LockError('ERR_LOCK_FULL', expected);

export const mainThreadError = (call: string, lock?: LockDetails) =>
  new LockError(
    'ERR_LOCK_MAIN_THREAD',
    `Cannot call ${call} on the main thread, where it would stop everything while it waits. ` +
      'Use withLock, or call it in a worker. If the main thread may stand still, say so: ' +
      '{allowMainThread: true}.',
    lock,
  );

export const pooledError = (lock?: LockDetails) =>
  new LockError(
    'ERR_LOCK_POOLED',
    'Cannot call Lock after returning the object to the pool.',
    lock,
  );

/** `expected` completes the sentence "Expected ...". */
export const badValueError = (
  Type: typeof TypeError | typeof RangeError,
  expected: string,
  came: string | number,
) => new Type(`Expected ${expected}, but got ${came}.`);

const typeOf = (value: unknown): string => (value === null ? 'null' : typeof value);

/**
 * What an object calls itself, `Int32Array` or `AbortSignal` or `Lock` say; of anything else the
 * type.
 */
const nameOf = (value: unknown): string => {
  const tag = {}.toString.call(value).slice(8, -1);
  return typeof value !== 'object' || value === null || tag === 'Object' ? typeOf(value) : tag;
};

/** @param hint what to write, where a slip is likely */
export const badTypeError = (expected: string, came: unknown, hint = '') =>
  new TypeError(`Expected ${expected}, but got ${nameOf(came)}.${hint}`);

/** @throws `TypeError` if `value` is not of the type, or `null` */
export function assertType(
  value: unknown,
  type: 'boolean' | 'function' | 'number' | 'object' | 'string',
  expected: string,
  came: unknown = value,
): void {
  if (typeof value !== type || value === null) {
    throw badValueError(TypeError, expected, typeOf(came));
  }
}

/**
 * @param usage how the call is written, with the options that there are
 * @param hint what to write, where a slip is likely
 * @throws `TypeError` if `options` is no object, or has a key that is not among `known`
 */
export function assertOptions(
  options: unknown,
  usage: string,
  known: readonly string[],
  hint = '',
): void {
  const expected = 'options to be an object';
  assertType(options, 'object', expected);
  // What has a name of its own is a value without its braces.
  if (nameOf(options) !== 'object')
    throw badTypeError(expected, options, ` Write ${usage}.${hint}`);
  for (const key in options as object) {
    if (!known.includes(key)) {
      throw new TypeError(`Expected options as in ${usage}, but got "${key}".${hint}`);
    }
  }
}
