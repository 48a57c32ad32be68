/** The errors that a caller can meet. */

/**
 * The `code` of a {@link LockError}. Recognise errors by it, not by `instanceof`: the ES module and
 * the CommonJS copy of this package each have their own classes, and a process may load both.
 *
 * - `ERR_LOCK_TIMEOUT`: the lock was not free within `timeoutMilliseconds`.
 * - `ERR_LOCK_NOT_HELD`: `releaseLock` was called while nobody held the lock, or through the wrong
 *   lock object. A `withLock` and a guard fail with it, too, if somebody called `releaseLock` while
 *   they held the lock.
 * - `ERR_LOCK_POOLED`: the lock object was used after `pool()`, or after `close()` on PostgreSQL.
 * - `ERR_LOCK_FULL`: too many keys are held or awaited, across threads or on PostgreSQL, or the lock
 *   table of the server is full; or too many threads use the lock.
 *
 * Only locks across threads have these:
 *
 * - `ERR_LOCK_VERSION`: an incompatible version of this package made the buffer.
 * - `ERR_LOCK_UNSUPPORTED`: the platform lacks what the lock needs.
 * - `ERR_LOCK_DEADLOCK`: `withLockSync` or `acquireSync` was called in the thread that holds the
 *   lock.
 * - `ERR_LOCK_MAIN_THREAD`: `withLockSync` or `acquireSync` was called on the main thread, without
 *   `allowMainThread`.
 *
 * Only on PostgreSQL:
 *
 * - `ERR_LOCK_LOST`: the connection broke while the lock was held.
 * - `ERR_LOCK_UNAVAILABLE`: no connection could be made, or it led to a standby or a pooler.
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
 * The error with which the locks of this package fail. A bad argument is a `TypeError` or a
 * `RangeError` instead, and an error of the caller's own function, signal or store comes through
 * unchanged.
 *
 * Its `cause` repeats the error's own properties that can be cloned. An error that crosses to
 * another thread, as out of a Piscina task, keeps nothing but its `message`, `stack` and `cause`:
 * read `error.cause.code` there. (On PostgreSQL, the `cause` of `ERR_LOCK_LOST`, of
 * `ERR_LOCK_UNAVAILABLE` and of a lock table that is full is what happened to the connection, or what
 * the server said.)
 */
export class LockError extends Error {
  override readonly name: string = 'LockError';

  /** What went wrong. */
  declare readonly code: LockErrorCode;

  /** The name of the lock, if it has one. */
  declare readonly lockName?: string | undefined;

  /** @internal */
  constructor(code: LockErrorCode, message: string, facts: LockErrorFacts = {}) {
    const {key, ...others} = facts;
    // Functions and symbols can never be cloned, and some objects cannot.
    const isCloneable = !/object|function|symbol/.test(typeof key);
    super(message + nameLock(facts, isCloneable), {
      cause: {code, ...(isCloneable ? facts : others)},
    });
    Object.assign(this, {code}, facts);
  }
}

/** Tells which lock it is, if it has a name. Without a name, messages are those of 2.1.0. */
const nameLock = ({lockName, key}: LockErrorFacts, isKeyCloneable: boolean): string => {
  if (lockName === undefined) return '';
  const shown = isKeyCloneable ? `"${String(key)}"` : typeOf(key);
  const ofKey = key === undefined ? '' : `, key ${shown}`;
  return ` (lock "${lockName}"${ofKey})`;
};

/** What an error tells about its lock. Each becomes a property of the error. */
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
 * The error of a caller, or of `pool()`, that waited for `timeoutMilliseconds` in vain. It has left
 * the line, and nobody else is affected. Its `code` is `ERR_LOCK_TIMEOUT`.
 */
export class LockTimeoutError extends LockError {
  override readonly name = 'LockTimeoutError';
  declare readonly code: 'ERR_LOCK_TIMEOUT';

  /** How long the caller waited at most. */
  declare readonly timeoutMilliseconds: number;

  /** The key whose lock the caller waited for. Only locks by key and those on PostgreSQL set it. */
  declare readonly key?: unknown;

  /**
   * The thread that held the lock when the wait ended, or `undefined` if none did. Only locks
   * across threads set it.
   */
  declare readonly ownerThreadId?: number | undefined;

  /**
   * Why there was no connection to the server when the wait ended, or `undefined` if there was one.
   * Only locks on PostgreSQL set it.
   */
  declare readonly unavailable?: string | undefined;

  /** @internal */
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
    'The lock was released before the function of withLock had finished. ' +
      'Do not call releaseLock: withLock releases the lock itself.',
    lock,
  );

export const releasedUnderGuardError = (lock?: LockDetails) =>
  notHeldError(
    "This guard's lock was already released. Do not call releaseLock: release the guard.",
    lock,
  );

export const deadlockError = (lock?: LockDetails) =>
  new LockError(
    'ERR_LOCK_DEADLOCK',
    'Cannot block for a lock that this thread already holds: the holder could never release it. ' +
      'Find the withLock, the acquireLock or the guard of this thread that still holds it, ' +
      'and let it finish first. Or wait with withLock, which does not block.',
    lock,
  );

export const fullError = (message: string) => new LockError('ERR_LOCK_FULL', message);

export const mainThreadError = (call: string, lock?: LockDetails) =>
  new LockError(
    'ERR_LOCK_MAIN_THREAD',
    `Cannot call ${call} on the main thread, where it would stop the whole program while it ` +
      'waits. Use withLock, or call it in a worker. To block the main thread all the same, pass ' +
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
 * The name that an object gives itself, such as `Int32Array`, `AbortSignal` or `Lock`. For anything
 * else, its type.
 */
const nameOf = (value: unknown): string => {
  const tag = {}.toString.call(value).slice(8, -1);
  return typeof value !== 'object' || value === null || tag === 'Object' ? typeOf(value) : tag;
};

/** @param hint what to write instead, where a slip is likely */
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
  // A value with a name of its own, such as a signal, was probably passed without its braces.
  if (nameOf(options) !== 'object')
    throw badTypeError(expected, options, ` Write ${usage}.${hint}`);
  for (const key in options as object) {
    if (!known.includes(key)) {
      throw new TypeError(`Unknown option "${key}". Write ${usage}.${hint}`);
    }
  }
}
