// Uses every exported type and signature without any global but the language's own.
import {LockTimeoutError, createLock, createLocksByKey} from '@databases/lock/shared';
import type {
  Lock,
  LockGuard,
  LocksByKey,
  SharedKey,
  SharedLock,
  SharedLockOptions,
  SharedLocksByKey,
  SharedLocksByKeyOptions,
} from '@databases/lock/shared';

const lock: SharedLock = createLock(30_000);
export const sum: Promise<number> = lock.withLock(async (a: number, b: number) => a + b, 1, 2);

const ids: number[] = [];
const options: SharedLockOptions = {
  buffer: lock.buffer,
  onAbandoned: ({threadId}) => ids.push(threadId),
};
export const either: Lock = createLock(undefined, options);
export const guard: Promise<LockGuard> = lock.acquire();
export const owner: number | undefined = new LockTimeoutError(1).ownerThreadId;

const keys: SharedKey[] = [];
const keyOptions: SharedLocksByKeyOptions = {
  maxKeys: 100,
  name: 'files',
  onAbandoned: ({threadId, key}) => ids.push(threadId) + keys.push(key),
};
export const locks: SharedLocksByKey = createLocksByKey(keyOptions);
export const files: LocksByKey<string> = createLocksByKey<string>({buffer: locks.buffer});
export const both: Promise<number> = locks.withLocks(['a', 1, 2n], async (a: number) => a, 1);
export const blocked: number = locks.withLockSync('a', (a: number) => a, 1);
export const held: LockGuard = locks.acquireSync(1, {timeoutMilliseconds: 10});
