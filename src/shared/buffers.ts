import {LockError, badTypeError} from '../errors.js';
import {isForKeys, isLockBuffer, isOfThisVersion} from './memory/layout.js';

/**
 * @param isWantedForKeys whether it must be the buffer of locks by key
 * @throws `TypeError` or `LockError` if it is not such a buffer
 */
export function checkBuffer(buffer: unknown, isWantedForKeys: boolean): SharedArrayBuffer {
  if (!isSharedArrayBuffer(buffer)) {
    throw badTypeError(
      "options.buffer to be a lock's SharedArrayBuffer",
      buffer,
      ' Write {buffer: lock.buffer}, or send lock.buffer itself to the other thread.',
    );
  }
  if (!isLockBuffer(buffer)) {
    throw new TypeError("Expected options.buffer to be a lock's buffer, but no lock made it.");
  }
  if (!isOfThisVersion(buffer)) {
    throw new LockError(
      'ERR_LOCK_VERSION',
      'An incompatible version of @databases/lock made the buffer. Use one version in all threads.',
    );
  }
  if (isForKeys(new Int32Array(buffer)) !== isWantedForKeys) {
    throw new TypeError(
      isWantedForKeys
        ? "Expected the buffer of locks by key, but options.buffer is a single lock's. Use createLock."
        : 'Expected the buffer of a single lock, but options.buffer is of locks by key. Use createLocksByKey.',
    );
  }
  return buffer;
}

/** Recognises one that was made in another realm, too. */
function isSharedArrayBuffer(value: unknown): value is SharedArrayBuffer {
  return Object.prototype.toString.call(value) === '[object SharedArrayBuffer]';
}
