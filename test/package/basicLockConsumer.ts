// Makes locks with the methods that locks of 2.1.0 had, as a mock or a decorator does, and takes them beside real ones.
import {createLock} from '@databases/lock';
import {createLock as createSharedLock} from '@databases/lock/shared';
import type {BasicLock, Lock} from '@databases/lock';
import type {BasicLock as SharedEntrysBasicLock} from '@databases/lock/shared';

/** With the types as 2.1.0 declared them. */
class MockLock implements BasicLock {
  withLock<TArgs extends any[], TResult>(
    fn: (...args: TArgs) => Promise<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult> {
    return Promise.resolve(fn(...args));
  }
  acquireLock(): Promise<void>;
  acquireLock<T>(task: T): Promise<T>;
  acquireLock(task?: unknown): Promise<unknown> {
    return Promise.resolve(task);
  }
  releaseLock(): void {}
  pool(): Promise<void> {
    return Promise.resolve();
  }
}

export class CountingLock implements SharedEntrysBasicLock {
  count = 0;
  withLock: BasicLock['withLock'];
  acquireLock: BasicLock['acquireLock'];
  pool: BasicLock['pool'];
  private readonly lock: BasicLock;

  constructor(lock: BasicLock) {
    this.lock = lock;
    this.withLock = lock.withLock.bind(lock);
    this.acquireLock = lock.acquireLock.bind(lock);
    this.pool = lock.pool.bind(lock);
  }
  releaseLock(): void {
    this.count++;
    this.lock.releaseLock();
  }
}

const work = async (lock: BasicLock): Promise<number> => {
  const task: {n: number} = await lock.acquireLock({n: 1});
  lock.releaseLock();
  const sum: number = await lock.withLock(async (a: number, b: number) => a + b, 1, task.n);
  await lock.pool();
  return sum;
};

const lock: Lock = createLock();
const locks = [new MockLock(), lock, createSharedLock(), new CountingLock(lock)];
export const all: Promise<number[]> = Promise.all(locks.map(work));

// @ts-expect-error `Lock` has more methods now.
export const lacking: Lock = new MockLock();
