/** Locks across processes and machines, on PostgreSQL. For Node.js, Bun and Deno. */

export {createPostgresLocks} from './postgresLocks.js';
export {fromPostgresJs} from './postgresJs.js';
export type {PostgresJsOptions, PostgresJsSql} from './postgresJs.js';
export {LockError, LockTimeoutError} from '../errors.js';
export type {LockErrorCode} from '../errors.js';
export type {
  LockHold,
  LockedFunction,
  PostgresClient,
  PostgresLock,
  PostgresLockGuard,
  PostgresLocks,
  PostgresLocksOptions,
} from './types.js';
export type {AbortSignalLike, AcquireOptions, LockGuard} from '../types.js';
