/** Locks that the worker threads of a process share. */

export {createLock} from './atomicsLock.js';
export {createLocksByKey} from './atomicsLocksByKey.js';
export {LockError, LockTimeoutError} from '../errors.js';
export type {LockErrorCode} from '../errors.js';
export type {
  AbortSignalLike,
  AcquireOptions,
  BasicLock,
  BlockingOptions,
  Lock,
  LockGuard,
  LockOptions,
  LocksByKey,
  SharedKey,
  SharedLock,
  SharedLockOptions,
  SharedLocksByKey,
  SharedLocksByKeyOptions,
} from '../types.js';
