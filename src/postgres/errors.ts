/** What can become of a connection. */
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
    `The lock was lost while it was held: ${messageOf(cause)} ` +
      'Another process may have acquired it since.',
    lock,
  );

export const unavailableError = (cause: unknown, lock?: LockDetails): LockError =>
  causedBy(cause, 'ERR_LOCK_UNAVAILABLE', `Cannot lock on PostgreSQL: ${messageOf(cause)}`, lock);

/** Of a connection that will do as little the next time: nobody waits for another one. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}
