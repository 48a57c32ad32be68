/** Locks for one thread. Imports nothing from outside, so that it runs wherever JavaScript does. */

export {createLock} from './inProcess/lock.js';
export {createLocksByKey} from './inProcess/locksByKey.js';
export {LockError, LockTimeoutError} from './errors.js';
export type {LockErrorCode} from './errors.js';
export type {
  AbortSignalLike,
  AcquireOptions,
  Lock,
  LockGuard,
  LocksByKey,
  LocksByKeyOptions,
} from './types.js';

import {createLock} from './inProcess/lock.js';
import {createLocksByKey} from './inProcess/locksByKey.js';

/** @deprecated use `createLock` */
export const getLock = createLock;

/** @deprecated use `createLocksByKey` */
export const getLocksByKey = createLocksByKey;
