// Uses `using`, and the platform's own AbortSignal.
import {createLock, createLocksByKey} from '@databases/lock';
import {createLock as createSharedLock} from '@databases/lock/shared';

const lock = createLock();
const shared = createSharedLock();
const locks = createLocksByKey<string>();

export async function work(): Promise<void> {
  using guard = await lock.acquire({signal: AbortSignal.timeout(500)});
  using another = await shared.acquire({signal: new AbortController().signal});
  using byKey = await locks.acquire('key', {signal: AbortSignal.timeout(500)});
  using maybe = lock.tryAcquire();
  if (maybe) maybe.release();
  for (const each of [guard, another, byKey]) each.release();
}
