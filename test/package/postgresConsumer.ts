// Uses every exported type and signature without any global but the language's own.
import {
  LockError,
  LockTimeoutError,
  createPostgresLocks,
  fromPostgresJs,
} from '@databases/lock/postgres';
import type {
  AbortSignalLike,
  AcquireOptions,
  LockErrorCode,
  LockGuard,
  LockHold,
  LockedFunction,
  PostgresClient,
  PostgresJsOptions,
  PostgresJsSql,
  PostgresLock,
  PostgresLockGuard,
  PostgresLocks,
  PostgresLocksOptions,
} from '@databases/lock/postgres';

declare const client: PostgresClient;
declare const postgres: (options: PostgresJsOptions) => PostgresJsSql;

const options: PostgresLocksOptions = {
  connect: () => client,
  namespace: 'billing',
  timeoutMilliseconds: 30_000,
  onLost: ({key, error}) => [key.length, error.message],
  name: 'invoices',
  tokens: true,
  maxKeys: 100,
};
const locks: PostgresLocks = createPostgresLocks(options);
createPostgresLocks({connect: async () => fromPostgresJs(postgres), namespace: 'billing'});

export const sum: Promise<number> = locks.withLock(
  'key',
  async (a: number, b: number) => a + b,
  1,
  2,
);
export const isAborted: Promise<boolean> = locks.withLock('key', ({signal}) => signal.aborted);
export const tokens: Promise<bigint | undefined> = locks.withLock(
  'key',
  {timeoutMilliseconds: 50},
  (n, {token}) => (n > 0 ? token : undefined),
  1,
);
const fn: LockedFunction<[string], number> = (text, {token}: LockHold) =>
  text.length + Number(token);
export const length: Promise<number> = locks.withLock('key', fn, 'text');

declare const save: (user: {id: number}, options?: {force?: boolean}) => void;
// @ts-expect-error the hold is none of its options
export const saved: Promise<void> = locks.withLock('key', save, {id: 1});

export const acquired: Promise<void> = locks.acquireLock('key');
export const task: Promise<{id: number}> = locks.acquireLock('key', {id: 1});
export const guard: Promise<PostgresLockGuard> = locks.acquire('key', {timeoutMilliseconds: 50});
export const plain: Promise<LockGuard> = locks.acquire('key');
export const maybe: Promise<PostgresLockGuard | undefined> = locks.tryAcquire('key');
export const isLocked: Promise<boolean> = locks.isLocked('key');
export const pending: number = locks.pendingCount('key');
export const released: void = locks.releaseLock('key');
export const closed: Promise<void> = locks.close();

export const lock: PostgresLock = locks.lock('key');
export const again: Promise<number> = lock.withLock(
  (a: number, {signal}) => (signal.aborted ? a : 0),
  1,
);
export const signal = (hold: LockHold): AbortSignalLike => hold.signal;
export const limits = (hold: LockHold): AcquireOptions => ({signal: hold.signal});
export const codes: LockErrorCode[] = ['ERR_LOCK_LOST', 'ERR_LOCK_UNAVAILABLE'];
export const reason: string | undefined = new LockTimeoutError(1).unavailable;
export const code: LockErrorCode = new LockError('ERR_LOCK_LOST', 'lost').code;
