/** The lock across the threads of a process. */

export {createLock} from './atomicsLock.js';
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
  SharedLock,
  SharedLockOptions,
} from '../types.js';
