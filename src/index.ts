/**
 * Locks for one thread. This entry imports no other package and no module of the platform, so it
 * runs wherever JavaScript does.
 */

export {
  createLock,
  /** @deprecated use `createLock` */
  createLock as getLock,
} from './inProcess/lock.js';
export {
  createLocksByKey,
  /** @deprecated use `createLocksByKey` */
  createLocksByKey as getLocksByKey,
} from './inProcess/locksByKey.js';
export {LockError, LockTimeoutError} from './errors.js';
export type {LockErrorCode} from './errors.js';
export type {
  AbortSignalLike,
  AcquireOptions,
  BasicLock,
  Lock,
  LockGuard,
  LockOptions,
  LocksByKey,
  LocksByKeyOptions,
} from './types.js';
