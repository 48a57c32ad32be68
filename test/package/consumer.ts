// Uses every exported type and signature without any global but the language's own.
import {createLock, createLocksByKey} from '@databases/lock';
import type {
  AbortSignalLike,
  AcquireOptions,
  Lock,
  LockGuard,
  LocksByKey,
  LocksByKeyOptions,
} from '@databases/lock';

const lock: Lock = createLock(30_000);
export const sum: Promise<number> = lock.withLock(async (a: number, b: number) => a + b, 1, 2);

const options: LocksByKeyOptions = {timeoutMilliseconds: undefined};
const locks: LocksByKey<string> = createLocksByKey<string>(options);
export const text: Promise<string> = locks.withLock('key', (s: string) => s, 'text');
export const any: Promise<void> = createLocksByKey().withLock({}, () => undefined);

declare const signal: AbortSignalLike;
const acquireOptions: AcquireOptions = {signal};
export async function guarded(): Promise<boolean> {
  const guard: LockGuard = await lock.acquire(acquireOptions);
  guard.release();
  const maybe: LockGuard | undefined = lock.tryAcquire();
  maybe?.release();
  (await locks.acquire('key', acquireOptions)).release();
  locks.tryAcquire('key')?.release();
  return (
    lock.isLocked ||
    lock.pendingCount + locks.size + locks.pendingCount('key') > 0 ||
    locks.isLocked('key')
  );
}
