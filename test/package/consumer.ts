// Uses every exported type and signature without any global but the language's own.
import {
  createLock,
  createLocksByKey,
  type Lock,
  type LocksByKey,
  type LocksByKeyOptions,
} from '@databases/lock';

const lock: Lock = createLock(30_000);
export const sum: Promise<number> = lock.withLock(async (a: number, b: number) => a + b, 1, 2);

const options: LocksByKeyOptions = {timeoutMilliseconds: undefined};
const locks: LocksByKey<string> = createLocksByKey<string>(options);
export const text: Promise<string> = locks.withLock('key', (s: string) => s, 'text');
export const any: Promise<void> = createLocksByKey().withLock({}, () => undefined);
