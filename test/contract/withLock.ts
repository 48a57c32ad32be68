/** What `withLock` does with the function that it is given. */
import {isFree, type CreateTestedLock, type Reach, type Test, type TestedLock} from './common.js';

export function withLock(
  test: Test,
  createLock: CreateTestedLock,
  {settle, isSynchronous}: Reach,
): void {
  test('fn never runs inside the withLock call, whether the lock is free or not', async (t) => {
    const lock = createLock();
    const called: string[] = [];
    const first = lock.withLock(() => called.push('first'));
    const second = lock.withLock(() => called.push('second'));
    t.deepEqual(called, []);
    await Promise.all([first, second]);
    t.deepEqual(called, ['first', 'second']);
  });

  if (isSynchronous) {
    test('fn runs in a microtask when the lock is free', async (t) => {
      const lock = createLock();
      let called = false;
      void lock.withLock(() => {
        called = true;
      });
      await Promise.resolve();
      await Promise.resolve();
      t.true(called);
    });
  }

  test('withLock passes on the arguments, and what fn returns', async (t) => {
    const lock = createLock();
    const subtract = (a: number, b: number) => a - b;
    const object = {};
    t.is(await lock.withLock(subtract, 5, 3), 2);
    t.is(await lock.withLock(async (a: number, b: number) => Promise.resolve(a - b), 5, 3), 2);
    t.is(await lock.withLock(() => object), object);
    t.is(await lock.withLock(() => null), null);
    t.is(await lock.withLock(() => undefined), undefined);
    const [first, second] = await Promise.all([
      lock.withLock(() => subtract),
      lock.withLock((o: object) => o, object),
    ]);
    t.is(first, subtract);
    t.is(second, object);
  });

  for (const position of ['at once', 'after waiting']) {
    const queueBehind = (lock: TestedLock) => {
      if (position === 'after waiting') void lock.withLock(settle);
    };

    test(`a thenable that fn returns is awaited, ${position}`, async (t) => {
      const lock = createLock();
      queueBehind(lock);
      let isInside = true;
      const thenable = {
        then(resolve: (value: string) => void) {
          setImmediate(() => {
            isInside = false;
            resolve('from the thenable');
          });
        },
      } as unknown as PromiseLike<string>;
      const results = await Promise.all([
        lock.withLock(() => thenable),
        lock.withLock(() => isInside),
      ]);
      t.deepEqual(results, ['from the thenable', false]);
    });

    test(`a promise with a "then" of its own is awaited like any other, ${position}`, async (t) => {
      const lock = createLock();
      queueBehind(lock);
      const promise = Promise.resolve('awaited');
      promise.then = () => Promise.reject(new Error('never called'));
      t.is(await lock.withLock(() => promise), 'awaited');
      t.true(isFree(lock));
    });

    test(`fn is called with no "this", ${position}`, async (t) => {
      const lock = createLock();
      queueBehind(lock);
      const self = await lock.withLock(function (this: unknown) {
        return this;
      });
      t.is(self, undefined);
    });

    test(`what fn throws comes through unchanged, ${position}`, async (t) => {
      const lock = createLock();
      queueBehind(lock);
      const error = new Error('mine');
      const throws = () => {
        throw error;
      };
      t.is(await t.throwsAsync(lock.withLock(throws)), error);
      queueBehind(lock);
      t.is(await t.throwsAsync(lock.withLock(async () => Promise.reject(error))), error);
      queueBehind(lock);
      const thrown = await lock
        .withLock(async () => Promise.reject('a string'))
        .catch((reason: unknown) => reason);
      t.is(thrown, 'a string');
      t.is(await lock.withLock(() => 'still works'), 'still works');
    });

    test(`a result whose "then" throws releases the lock, ${position}`, async (t) => {
      const lock = createLock();
      queueBehind(lock);
      const error = new Error('from the getter');
      const result = {
        get then() {
          throw error;
        },
      };
      t.is(await t.throwsAsync(lock.withLock(() => result as unknown)), error);
      t.is(await lock.withLock(() => 'still works'), 'still works');
    });

    test(`the lock has been released when withLock resolves or rejects, ${position}`, async (t) => {
      const lock = createLock();
      for (const fn of [
        () => 1,
        async () => settle(),
        async () => Promise.reject(new Error('async')),
        () => {
          throw new Error('sync');
        },
      ]) {
        queueBehind(lock);
        const call: Promise<unknown> = lock.withLock<[], unknown>(fn);
        const free = await call.then(
          () => isFree(lock),
          () => isFree(lock),
        );
        t.true(free);
      }
    });
  }

  test('withLock with something that is not a function rejects and queues nothing', async (t) => {
    const lock = createLock();
    const notAFunction = 'not a function' as unknown as () => void;
    const message = 'Expected a function to call, but got string.';
    await t.throwsAsync(lock.withLock(notAFunction), {instanceOf: TypeError, message});
    t.true(isFree(lock));
    await lock.acquireLock();
    await t.throwsAsync(lock.withLock(notAFunction), {instanceOf: TypeError, message});
    lock.releaseLock();
    t.true(isFree(lock));
  });
}
