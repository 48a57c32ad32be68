// Uses every exported type and signature without any global but the language's own.
import {LockTimeoutError, createLock} from '@databases/lock/shared';
import type {Lock, LockGuard, SharedLock, SharedLockOptions} from '@databases/lock/shared';

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
