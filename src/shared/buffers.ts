import {LockError, badTypeError} from '../errors.js';
import {isForKeys, isLockBuffer, isOfThisVersion} from './memory/layout.js';

/**
 * @param isWantedForKeys whether it is to be the buffer of locks by key
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
    throw new TypeError("Expected options.buffer to be a lock's, but no lock made it.");
  }
  if (!isOfThisVersion(buffer)) {
    throw new LockError(
      'ERR_LOCK_VERSION',
      'Expected a lock of this version of @databases/lock, but an incompatible one made the buffer.',
    );
  }
  if (isForKeys(new Int32Array(buffer)) !== isWantedForKeys) {
    throw new TypeError(
      isWantedForKeys
        ? "Expected options.buffer to be that of locks by key, but it is a single lock's. Use createLock."
        : "Expected options.buffer to be a single lock's, but it is that of locks by key. Use createLocksByKey.",
    );
  }
  return buffer;
}

/** Also one that was made in another realm. */
function isSharedArrayBuffer(value: unknown): value is SharedArrayBuffer {
  return Object.prototype.toString.call(value) === '[object SharedArrayBuffer]';
}
