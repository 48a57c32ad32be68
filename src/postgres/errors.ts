/** The errors of a connection. */
import {LockError, type LockDetails, type LockErrorCode} from '../errors.js';

/** The message of whatever was thrown. */
export const messageOf = (thrown: unknown): string =>
  thrown instanceof Error && thrown.message !== '' ? thrown.message : String(thrown);

function causedBy(
  cause: unknown,
  code: LockErrorCode,
  message: string,
  lock: LockDetails | undefined,
): LockError {
  const error = new LockError(code, message, lock);
  error.cause = cause;
  return error;
}

export const lostError = (cause: unknown, lock?: LockDetails): LockError =>
  causedBy(
    cause,
    'ERR_LOCK_LOST',
    `The lock was lost while it was held, and another process may have it by now: ${messageOf(cause)}`,
    lock,
  );

export const closedError = (lock?: LockDetails): LockError =>
  new LockError('ERR_LOCK_POOLED', 'These locks cannot be used after close().', lock);

export const unavailableError = (cause: unknown, lock?: LockDetails): LockError =>
  causedBy(cause, 'ERR_LOCK_UNAVAILABLE', `Cannot lock on PostgreSQL: ${messageOf(cause)}`, lock);

export const tableFullError = (cause: unknown, lock?: LockDetails): LockError =>
  causedBy(
    cause,
    'ERR_LOCK_FULL',
    'The lock table of the server is full. Raise its max_locks_per_transaction, or let fewer keys be ' +
      `held or awaited at one time: ${messageOf(cause)}`,
    lock,
  );

/** A connection cannot be used for locks, and the next one could not either. So nobody waits for it. */
export class Refusal extends Error {
  override readonly name = 'Refusal';

  /** Whether the next one may be usable after all, if an earlier one was. */
  readonly isTransient: boolean;

  constructor(message: string, isTransient = false) {
    super(message);
    this.isTransient = isTransient;
  }
}
