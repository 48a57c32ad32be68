/** The async context of each caller, where the runtime has `AsyncLocalStorage`. */
import {AsyncLocalStorage} from 'node:async_hooks';
import type {CreateTestedLock, Reach, Test, TestedLock} from './common.js';

export function contexts(test: Test, createLock: CreateTestedLock, {settle}: Reach): void {
  for (const position of ['at once', 'after waiting']) {
    const queueBehind = (lock: TestedLock) => {
      if (position === 'after waiting') void lock.withLock(settle);
    };

    test(`a call keeps its async context, ${position}`, async (t) => {
      const storage = new AsyncLocalStorage<number>();
      const lock = createLock(10_000);
      queueBehind(lock);
      const seen = await Promise.all(
        [1, 2, 3, 4, 5, 6].map(async (id) =>
          storage.run(id, async () => {
            const inFunction = id % 2 === 0 ? await lock.withLock(() => storage.getStore()) : id;
            const inAsyncFunction = await lock.withLock(async () => {
              await settle();
              return storage.getStore();
            });
            await lock.acquireLock();
            const afterAcquire = storage.getStore();
            lock.releaseLock();
            const guard = await lock.acquire({signal: new AbortController().signal});
            const withGuard = storage.getStore();
            guard.release();
            return [id, inFunction, inAsyncFunction, afterAcquire, withGuard];
          }),
        ),
      );
      for (const [id, ...others] of seen) t.deepEqual(others, [id, id, id, id]);
    });
  }

  test('with options, too, fn runs in the async context of its own call', async (t) => {
    const storage = new AsyncLocalStorage<number>();
    const lock = createLock(10_000);
    const {signal} = new AbortController();
    for (const options of [{}, {signal}, {timeoutMilliseconds: 10_000}, undefined]) {
      const seen = await Promise.all(
        [1, 2, 3].map((id) =>
          storage.run(id, () =>
            lock.withLock(options, async () => {
              const before = storage.getStore();
              await settle();
              return [before, storage.getStore()];
            }),
          ),
        ),
      );
      t.deepEqual(seen, [
        [1, 1],
        [2, 2],
        [3, 3],
      ]);
    }
  });
}
