/** What every tested lock is, and the ways in which callers use ours. */
import type {LockGuard, SharedLock} from '../../src/shared/index.js';

export type Section = () => PromiseLike<void> | undefined;

export interface TestedLock {
  /**
   * Runs `section` with the lock. After too long a wait, rejects with an error that `isTimeout`
   * knows.
   */
  withLock(section: Section): Promise<void>;
}

/**
 * What a thread may do with our locks alone: whether it blocks, what it does when it is told of a
 * death, and with keys of the crowd.
 */
export interface Player {
  /** Not so the main thread. */
  readonly mayBlock: boolean;
  /** @param through the lock object; `undefined` if its caller may give up after all */
  told(through: TestedLock | undefined, dead: number): void;
  toldInCrowd(number: number, dead: number): void;
  /** A section with the locks of these keys; without `section` it does something short. */
  inCrowd(numbers: readonly number[], section?: Section): Promise<void> | undefined;
  /** A key that an ended thread has left, if there is one. */
  leftInCrowd(): number | undefined;
}

export const isTimeout = (error: unknown) =>
  (error as {code?: unknown} | undefined)?.code === 'ERR_LOCK_TIMEOUT';

const LATEST_ABORT_MILLISECONDS = 500;

export const timeoutError = () => Object.assign(new Error('Timed out'), {code: 'ERR_LOCK_TIMEOUT'});

type OurLock = Pick<SharedLock, 'acquireLock' | 'releaseLock' | 'acquire' | 'tryAcquire'> & {
  withLock(section: () => Promise<void>): Promise<void>;
  acquireSync(): LockGuard;
};

/** Runs `section` with our lock in one of the ways to do that. */
export async function useLock(
  lock: OurLock,
  {mayBlock}: Player,
  random: () => number,
  section: Section,
): Promise<void> {
  const way = random();
  if (way < 0.15 && mayBlock) {
    using _guard = acquireBlocking(lock);
    return await section();
  }
  if (way < 0.5) return lock.withLock(async () => section());
  if (way < 0.7) {
    await lock.acquireLock();
    try {
      await section();
    } finally {
      lock.releaseLock();
    }
  } else {
    using _guard = await acquire(lock, random() * LATEST_ABORT_MILLISECONDS);
    await section();
  }
}

/** Gives up like a timeout where this thread has the lock, and could wait for ever. */
function acquireBlocking(lock: OurLock): LockGuard {
  try {
    return lock.acquireSync();
  } catch (error) {
    const isDeadlock = (error as {code?: unknown}).code === 'ERR_LOCK_DEADLOCK';
    throw isDeadlock ? timeoutError() : error;
  }
}

/** Gives up like a timeout: at once in a few cases, and otherwise by a signal some time later. */
async function acquire(lock: OurLock, milliseconds: number): Promise<LockGuard> {
  if (milliseconds < LATEST_ABORT_MILLISECONDS / 10) {
    const guard = lock.tryAcquire();
    if (guard === undefined) throw timeoutError();
    return guard;
  }
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(timeoutError()), milliseconds);
  try {
    return await lock.acquire({signal: controller.signal});
  } finally {
    clearTimeout(timer);
  }
}
