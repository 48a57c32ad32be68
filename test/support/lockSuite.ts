import {AsyncLocalStorage} from 'node:async_hooks';
import {getEventListeners} from 'node:events';
import FakeTimers from '@sinonjs/fake-timers';
import type {ExecutionContext, TestFn} from 'ava';
import type {AbortSignalLike, Lock, LockGuard} from '../../src/index.js';
import {deferred, settle, until, values, watch} from './async.js';

type CreateLock = (timeoutMilliseconds?: number) => Lock;

interface LockErrorLike extends Error {
  code: string;
  timeoutMilliseconds: number;
}

const timeoutOf50 = {
  name: 'LockTimeoutError',
  code: 'ERR_LOCK_TIMEOUT',
  message: 'Timed out waiting for lock after 50ms',
};
const notHeld = {name: 'LockError', code: 'ERR_LOCK_NOT_HELD'};
const pooled = {
  name: 'LockError',
  code: 'ERR_LOCK_POOLED',
  message: 'Cannot call Lock after returning the object to the pool.',
};

/** Counts who is inside, and fails the test when it is ever more than one. */
function room(t: ExecutionContext) {
  let inside = 0;
  return async (work: () => Promise<unknown> | undefined) => {
    t.is(++inside, 1, 'two holders at once');
    await work();
    inside--;
  };
}

/** What every lock promises, whichever memory it is in. One test at a time, for the sake of the times in them. */
export function lockSuite({serial: test}: TestFn, createLock: CreateLock): void {
  const isFree = (lock: Lock) => {
    try {
      lock.releaseLock();
      return false;
    } catch (error) {
      return (error as LockErrorLike).code === 'ERR_LOCK_NOT_HELD';
    }
  };

  test('withLock admits one caller at a time, in the order in which they asked', async (t) => {
    const lock = createLock();
    const enter = room(t);
    const order: number[] = [];
    await Promise.all(
      Array.from({length: 50}, (_, caller) =>
        lock.withLock(async () => {
          await enter(async () => {
            order.push(caller);
            if (caller % 3 > 0) await settle();
          });
        }),
      ),
    );
    t.deepEqual(
      order,
      Array.from({length: 50}, (_, caller) => caller),
    );
  });

  test('withLock, acquireLock and acquire queue in one line', async (t) => {
    const lock = createLock();
    const order: string[] = [];
    const calls = [
      lock.withLock(() => order.push('withLock 1')),
      lock.acquireLock().then(() => {
        order.push('acquireLock 2');
        lock.releaseLock();
      }),
      lock.withLock(() => order.push('withLock 3')),
      lock.acquireLock('task').then(() => {
        order.push('acquireLock 4');
        lock.releaseLock();
      }),
      lock.acquire().then((guard) => {
        order.push('acquire 5');
        guard.release();
      }),
      lock.withLock(() => order.push('withLock 6')),
    ];
    await Promise.all(calls);
    t.deepEqual(order, [
      'withLock 1',
      'acquireLock 2',
      'withLock 3',
      'acquireLock 4',
      'acquire 5',
      'withLock 6',
    ]);
  });

  test('fn never runs inside the withLock call, whether the lock is free or not', async (t) => {
    const lock = createLock();
    const called: string[] = [];
    const first = lock.withLock(() => called.push('first'));
    const second = lock.withLock(() => called.push('second'));
    t.deepEqual(called, []);
    await Promise.all([first, second]);
    t.deepEqual(called, ['first', 'second']);
  });

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
    const queueBehind = (lock: Lock) => {
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

  test('acquireLock resolves to its task', async (t) => {
    const lock = createLock();
    const task = {name: 'task'};
    t.is(await lock.acquireLock(task), task);
    const waiting = lock.acquireLock(task);
    const without = lock.acquireLock();
    lock.releaseLock();
    t.is(await waiting, task);
    lock.releaseLock();
    t.is(await without, undefined);
    lock.releaseLock();
  });

  test('200,000 waiters with synchronous functions overflow no stack', async (t) => {
    const lock = createLock();
    let calls = 0;
    const increment = () => {
      calls++;
    };
    const waiters: Array<Promise<void>> = [];
    for (let waiter = 0; waiter < 200_000; waiter++) waiters.push(lock.withLock(increment));
    await Promise.all(waiters);
    t.is(calls, 200_000);
  });

  // In 2.1.0 a waiter that timed out released the lock of the holder. The callers that come after it may
  // themselves time out on a slow machine: what counts is that none of them is admitted.
  test('a withLock that times out admits nobody', async (t) => {
    const lock = createLock(50);
    const enter = room(t);
    const release = deferred();
    const holder = lock.withLock(async () => enter(() => release.promise));
    const called: string[] = [];
    await t.throwsAsync(
      lock.withLock(() => called.push('timed out')),
      timeoutOf50,
    );
    const late = [1, 2, 3].map((n) =>
      watch(lock.withLock(async () => enter(async () => void called.push(`late ${n}`)))),
    );
    await settle();
    t.deepEqual(called, []);
    release.resolve();
    await holder;
    await until(() => late.every((outcome) => outcome.length === 1));
    t.false(called.includes('timed out'));
    t.true(isFree(lock));
  });

  test('an acquireLock that times out admits nobody', async (t) => {
    const lock = createLock(50);
    await lock.acquireLock();
    const error = await t.throwsAsync<LockErrorLike>(lock.acquireLock('task'), timeoutOf50);
    t.is(error.timeoutMilliseconds, 50);
    const later = watch(lock.acquireLock('later'));
    await settle();
    t.deepEqual(values(later), []);
    lock.releaseLock();
    await until(() => later.length === 1);
    if (values(later).length > 0) lock.releaseLock();
    t.true(isFree(lock));
  });

  test('a timeout in the middle of the line leaves the order of the others', async (t) => {
    const lock = createLock(200);
    const order: string[] = [];
    const release = deferred();
    const holder = lock.withLock(() => release.promise);
    await t.throwsAsync(lock.withLock(() => order.push('timed out')));
    const others = ['a', 'b', 'c'].map(async (name) => lock.withLock(() => order.push(name)));
    release.resolve();
    await Promise.all([holder, ...others]);
    t.deepEqual(order, ['a', 'b', 'c']);
  });

  test("the time to a timeout counts from each caller's own call", async (t) => {
    const lock = createLock(100);
    await lock.acquireLock();
    const waits = [];
    for (let waiter = 0; waiter < 5; waiter++) {
      const start = performance.now();
      waits.push(
        lock.acquireLock().then(
          () => t.fail('acquired a lock that is held'),
          () => performance.now() - start,
        ),
      );
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    for (const wait of await Promise.all(waits))
      t.true(wait >= 100, `gave up after ${String(wait)} ms`);
    lock.releaseLock();
  });

  test('100,000 waiters time out together', async (t) => {
    const lock = createLock(50);
    await lock.acquireLock();
    const waiters: Array<Promise<unknown>> = [];
    for (let waiter = 0; waiter < 100_000; waiter++)
      waiters.push(lock.acquireLock().catch((error: unknown) => error));
    const codes = new Set(
      (await Promise.all(waiters)).map((error) => (error as LockErrorLike).code),
    );
    t.deepEqual([...codes], ['ERR_LOCK_TIMEOUT']);
    lock.releaseLock();
    t.true(isFree(lock));
  });

  test('with a timeout of 0 a caller gives up at once when the lock is taken', async (t) => {
    const lock = createLock(0);
    await lock.acquireLock();
    const waiter = watch(lock.withLock(() => 'never'));
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
    t.like(waiter, [
      {error: {code: 'ERR_LOCK_TIMEOUT', message: 'Timed out waiting for lock after 0ms'}},
    ]);
    lock.releaseLock();
    t.is(await lock.withLock(() => 'free'), 'free');
  });

  for (const timeout of [undefined, Infinity, 2_147_483_648, Number.MAX_VALUE]) {
    test(`with a timeout of ${String(timeout)} a caller waits longer than others`, async (t) => {
      const lock = createLock(timeout);
      const other = createLock(50);
      await lock.acquireLock();
      await other.acquireLock();
      const waiter = watch(lock.acquireLock('patient'));
      await t.throwsAsync(other.acquireLock(), timeoutOf50);
      t.deepEqual(waiter, []);
      lock.releaseLock();
      await settle();
      t.deepEqual(waiter, [{value: 'patient'}]);
      lock.releaseLock();
    });
  }

  test('a bad timeout is refused when the lock is made', (t) => {
    for (const bad of [NaN, -1, -Infinity]) {
      t.throws(() => createLock(bad), {
        instanceOf: RangeError,
        message: `Expected timeoutMilliseconds to be 0 or more, but got ${bad}.`,
      });
    }
    for (const bad of ['50', null, {}, 50n]) {
      t.throws(() => createLock(bad as unknown as number), {
        instanceOf: TypeError,
        message: /^Expected timeoutMilliseconds to be a number, but got /,
      });
    }
  });

  test('releasing what is not held throws', async (t) => {
    const lock = createLock();
    t.throws(() => {
      lock.releaseLock();
    }, notHeld);
    await lock.acquireLock();
    lock.releaseLock();
    t.throws(() => {
      lock.releaseLock();
    }, notHeld);
    t.is(await lock.withLock(() => 'still works'), 'still works');
  });

  for (const position of ['at once', 'after waiting']) {
    test(`a withLock that was released from inside leaves the next holder alone, ${position}`, async (t) => {
      const lock = createLock();
      if (position === 'after waiting') void lock.withLock(settle);
      const next = deferred();
      const fnError = new Error('mine');
      const misuse = lock.withLock(async () => {
        lock.releaseLock();
        await settle();
      });
      const misuseAndFail = lock.withLock(async () => {
        lock.releaseLock();
        await settle();
        throw fnError;
      });
      const victim = watch(lock.withLock(() => next.promise));
      const afterVictim = watch(lock.withLock(() => 'after'));
      await t.throwsAsync(misuse, notHeld);
      t.is(await t.throwsAsync(misuseAndFail), fnError);
      await settle();
      t.deepEqual([victim, afterVictim], [[], []]);
      next.resolve();
      await settle();
      t.deepEqual([victim, afterVictim], [[{value: undefined}], [{value: 'after'}]]);
    });
  }

  test('a withLock whose lock is released before fn begins never calls it', async (t) => {
    const lock = createLock();
    const called: string[] = [];
    const misused = [1, 2].map((n) => {
      const call = lock.withLock(() => called.push(`misused ${n}`));
      lock.releaseLock();
      return call;
    });
    const next = lock.withLock(() => called.push('next'));
    for (const call of misused) await t.throwsAsync(call, notHeld);
    await next;
    t.deepEqual(called, ['next']);
  });

  test('after pool() later calls fail at once, earlier ones are served first', async (t) => {
    const lock = createLock();
    await lock.acquireLock();
    const earlier = watch(lock.withLock(() => 'earlier'));
    const pool = watch(lock.pool());
    await t.throwsAsync(
      lock.withLock(() => 'later'),
      pooled,
    );
    await t.throwsAsync(lock.acquireLock(), pooled);
    await t.throwsAsync(lock.pool(), pooled);
    t.deepEqual([earlier, pool], [[], []]);
    lock.releaseLock();
    await settle();
    t.deepEqual([earlier, pool], [[{value: 'earlier'}], [{value: undefined}]]);
    await t.throwsAsync(
      lock.withLock(() => 'later'),
      pooled,
    );
    await t.throwsAsync(lock.acquireLock(), pooled);
    await t.throwsAsync(lock.pool(), pooled);
    t.throws(() => {
      lock.releaseLock();
    }, pooled);
  });

  test('the holder that pool() waits for releases as ever', async (t) => {
    const lock = createLock();
    await lock.acquireLock();
    const pool = watch(lock.pool());
    await settle();
    t.deepEqual(pool, []);
    lock.releaseLock();
    await settle();
    t.deepEqual(pool, [{value: undefined}]);
  });

  test('a free lock is retired from the moment that pool() is called', async (t) => {
    const lock = createLock();
    const pool = lock.pool();
    t.throws(() => {
      lock.releaseLock();
    }, pooled);
    await t.throwsAsync(lock.acquireLock(), pooled);
    await pool;
  });

  for (const timeout of [0, 50]) {
    test(`a pool() that times out after ${timeout} ms leaves the holder its lock and the object usable`, async (t) => {
      const lock = createLock(timeout);
      await lock.acquireLock();
      await t.throwsAsync(lock.pool(), {
        code: 'ERR_LOCK_TIMEOUT',
        message: `Timed out waiting for lock after ${timeout}ms`,
      });
      const next = watch(lock.withLock(() => 'usable'));
      await settle();
      t.deepEqual(values(next), []);
      lock.releaseLock();
      t.is(await lock.withLock(() => 'usable'), 'usable');
      await lock.pool();
      await t.throwsAsync(lock.acquireLock(), pooled);
    });
  }

  test('a retired object drives no other lock', async (t) => {
    const retired = createLock();
    await retired.pool();
    const locks = Array.from({length: 10}, () => createLock());
    await Promise.all(locks.map(async (lock) => lock.acquireLock()));
    t.throws(() => {
      retired.releaseLock();
    }, pooled);
    await t.throwsAsync(retired.acquireLock(), pooled);
    for (const lock of locks) lock.releaseLock();
    t.pass();
  });

  test('a waiter that times out while pool() waits frees it only with the last caller', async (t) => {
    // By the real one both may time out at once.
    const clock = FakeTimers.install({toFake: ['setTimeout', 'clearTimeout', 'performance']});
    t.teardown(() => clock.uninstall());
    const lock = createLock(100);
    await lock.acquireLock();
    const waiter = lock.withLock(() => 'never');
    clock.tick(60);
    const pool = watch(lock.pool());
    clock.tick(60);
    await t.throwsAsync(waiter, {code: 'ERR_LOCK_TIMEOUT'});
    t.deepEqual(pool, []);
    lock.releaseLock();
    await settle();
    t.deepEqual(pool, [{value: undefined}]);
  });

  guards(test, createLock);
  signals(test, createLock);
  tryAcquire(test, createLock);
}

function guards(test: TestFn['serial'], createLock: CreateLock): void {
  test('a guard releases the lock to the next in line, and only once', async (t) => {
    const lock = createLock();
    const first = await lock.acquire();
    const second = watch(lock.acquire());
    const third = watch(lock.acquireLock('third'));
    await settle();
    t.deepEqual([second, third], [[], []]);
    first.release();
    await settle();
    t.is(second.length, 1);
    first.release();
    await settle();
    t.deepEqual(third, []);
    const [guard] = values(second) as LockGuard[];
    guard?.release();
    await settle();
    t.deepEqual(third, [{value: 'third'}]);
    guard?.release();
    first.release();
    t.true(lock.isLocked);
    lock.releaseLock();
  });

  test('a guard declared by using is released at the end of the block, also by a throw', async (t) => {
    const lock = createLock();
    {
      using guard = await lock.acquire();
      t.truthy(guard);
      t.true(lock.isLocked);
    }
    t.false(lock.isLocked);
    const fails = async () => {
      using _guard = await lock.acquire();
      throw new Error('mine');
    };
    await t.throwsAsync(fails(), {message: 'mine'});
    t.false(lock.isLocked);
    {
      using maybe = lock.tryAcquire();
      t.truthy(maybe);
      using another = lock.tryAcquire();
      t.is(another, undefined);
    }
    t.false(lock.isLocked);
  });

  test('a guard under which somebody called releaseLock throws once, and touches nobody', async (t) => {
    const lock = createLock();
    const guard = await lock.acquire();
    lock.releaseLock();
    const victim = await lock.acquire();
    const waiter = watch(lock.acquireLock('waiter'));
    t.throws(() => guard.release(), notHeld);
    guard.release();
    await settle();
    t.deepEqual(waiter, []);
    victim.release();
    await settle();
    t.deepEqual(waiter, [{value: 'waiter'}]);
    lock.releaseLock();
    const disposed = await lock.acquire();
    lock.releaseLock();
    t.throws(() => disposed[Symbol.dispose](), notHeld);
    disposed[Symbol.dispose]();
  });

  test('releaseLock releases what acquire acquired', async (t) => {
    const lock = createLock();
    await lock.acquire();
    const next = lock.withLock(() => 'next');
    lock.releaseLock();
    t.is(await next, 'next');
  });

  test('a guard from before pool() releases as ever; acquire and tryAcquire fail after it', async (t) => {
    const lock = createLock();
    const guard = await lock.acquire();
    const pool = watch(lock.pool());
    await t.throwsAsync(lock.acquire(), pooled);
    t.throws(() => lock.tryAcquire(), pooled);
    await settle();
    t.deepEqual(pool, []);
    guard.release();
    await settle();
    t.deepEqual(pool, [{value: undefined}]);
    guard.release();
    await t.throwsAsync(lock.acquire(), pooled);
    t.throws(() => lock.tryAcquire(), pooled);
    t.false(lock.isLocked);
  });
}

function signals(test: TestFn['serial'], createLock: CreateLock): void {
  const reason = new Error('the reason');

  test('an aborted wait rejects with the reason, wherever in the line it is, and the others keep their places', async (t) => {
    for (const aborted of [[0], [1], [2], [3], [0, 1], [1, 3], [3, 2, 1], [0, 1, 2, 3]]) {
      const lock = createLock();
      const guard = await lock.acquire();
      const controllers = [0, 1, 2, 3].map(() => new AbortController());
      const order: number[] = [];
      const waiters = controllers.map(({signal}, n) =>
        watch(
          lock.acquire({signal}).then((own) => {
            order.push(n);
            own.release();
          }),
        ),
      );
      await settle();
      for (const n of aborted) controllers[n]?.abort(reason);
      for (let microtask = 0; microtask < 10; microtask++) await Promise.resolve();
      const rejected = waiters.flatMap(([outcome], n) =>
        outcome !== undefined && 'error' in outcome && outcome.error === reason ? [n] : [],
      );
      t.deepEqual(rejected, [...aborted].sort());
      t.true(lock.isLocked);
      guard.release();
      await until(() => waiters.every((outcome) => outcome.length === 1));
      t.deepEqual(
        order,
        [0, 1, 2, 3].filter((n) => !aborted.includes(n)),
      );
      t.false(lock.isLocked);
    }
  });

  test('a signal that has aborted rejects, also when the lock is free', async (t) => {
    const lock = createLock();
    for (const thrown of [reason, 'a string', null]) {
      const signal = {...inert, aborted: true, reason: thrown};
      const result = await lock.acquire({signal}).catch((error: unknown) => ({error}));
      t.deepEqual(result, {error: thrown} as unknown as LockGuard);
    }
    // As in the package abort-controller.
    await t.throwsAsync(lock.acquire({signal: {...inert, aborted: true}}), {name: 'AbortError'});
    const aborted = AbortSignal.abort();
    t.is(await lock.acquire({signal: aborted}).catch((error: unknown) => error), aborted.reason);
    t.false(lock.isLocked);
    await lock.acquireLock();
    await t.throwsAsync(lock.acquire({signal: AbortSignal.abort(reason)}), {is: reason});
    t.is(lock.pendingCount, 0);
    lock.releaseLock();
  });

  test('a signal that aborts before the caller has its guard keeps it from it', async (t) => {
    const lock = createLock();
    for (const isFree of [true, false]) {
      const holder = isFree ? undefined : await lock.acquire();
      const controller = new AbortController();
      const call = lock.acquire({signal: controller.signal});
      const behind = watch(lock.acquireLock('behind'));
      holder?.release();
      // The lock is its by now, though its code has not gone on yet.
      controller.abort(reason);
      await t.throwsAsync(call, {is: reason});
      await until(() => behind.length === 1);
      t.deepEqual(behind, [{value: 'behind'}]);
      lock.releaseLock();
      t.is(getEventListeners(controller.signal, 'abort').length, 0);
    }
  });

  test('a wait whose signal nobody told of never gets the lock', async (t) => {
    const lock = createLock();
    const holder = await lock.acquire();
    const controller = new AbortController();
    controller.signal.addEventListener('abort', (event) => event.stopImmediatePropagation());
    const call = lock.acquire({signal: controller.signal});
    controller.abort(reason);
    holder.release();
    await t.throwsAsync(call, {is: reason});
    t.false(lock.isLocked);
  });

  test('once the guard is given the signal means nothing', async (t) => {
    const lock = createLock();
    const controller = new AbortController();
    const guard = await lock.acquire({signal: controller.signal});
    const behind = watch(lock.acquireLock('behind'));
    controller.abort(reason);
    await settle();
    t.deepEqual(behind, []);
    guard.release();
    await settle();
    t.deepEqual(behind, [{value: 'behind'}]);
    lock.releaseLock();
  });

  test('the timeout of the lock applies beside the signal', async (t) => {
    const lock = createLock(50);
    const guard = await lock.acquire();
    const {signal} = new AbortController();
    await t.throwsAsync(lock.acquire({signal}), timeoutOf50);
    t.is(getEventListeners(signal, 'abort').length, 0);
    guard.release();
    const hasty = createLock(0);
    await hasty.acquireLock();
    await t.throwsAsync(hasty.acquire({signal}), {code: 'ERR_LOCK_TIMEOUT'});
    t.is(getEventListeners(signal, 'abort').length, 0);
  });

  test('pool() waits until the last waiter has aborted', async (t) => {
    const lock = createLock();
    const guard = await lock.acquire();
    const controller = new AbortController();
    const waiter = lock.acquire({signal: controller.signal});
    const pool = watch(lock.pool());
    guard.release();
    (await waiter).release();
    await settle();
    t.deepEqual(pool, [{value: undefined}]);
    const another = createLock();
    await another.acquireLock();
    const aborted = another.acquire({signal: controller.signal});
    const closing = watch(another.pool());
    controller.abort(reason);
    await t.throwsAsync(aborted, {is: reason});
    await settle();
    t.deepEqual(closing, []);
    another.releaseLock();
    await settle();
    t.deepEqual(closing, [{value: undefined}]);
  });

  test('100,000 acquires on one signal leave no listener, whether one by one or at once, and no warning', async (t) => {
    const warnings: unknown[] = [];
    const onWarning = (warning: unknown) => warnings.push(warning);
    process.on('warning', onWarning);
    const lock = createLock();
    const {signal} = new AbortController();
    const listeners = () => getEventListeners(signal, 'abort').length;
    let guard = await lock.acquire({signal});
    for (let n = 0; n < 100_000; n++) {
      const next = lock.acquire({signal});
      guard.release();
      guard = await next;
    }
    t.is(listeners(), 0);
    let served = 0;
    const waiters: Array<Promise<void>> = [];
    for (let n = 0; n < 100_000; n++) {
      waiters.push(
        lock.acquire({signal}).then((own) => {
          served++;
          own.release();
        }),
      );
    }
    t.is(listeners(), 1);
    guard.release();
    await Promise.all(waiters);
    t.is(served, 100_000);
    t.is(listeners(), 0);
    process.off('warning', onWarning);
    t.deepEqual(warnings, []);
  });

  test('100,000 waiters of one signal, and 100,000 of a signal each, are aborted in linear time', async (t) => {
    const lock = createLock();
    await lock.acquireLock();
    const one = new AbortController();
    const each = Array.from({length: 100_000}, () => new AbortController());
    const reasons = (waits: Array<Promise<unknown>>) =>
      Promise.all(waits.map((wait) => wait.catch((error: unknown) => error))).then(
        (all) => new Set(all),
      );
    const waitsOfOne = reasons(each.map(() => lock.acquire({signal: one.signal})));
    const waitsOfEach = reasons(each.map(({signal}) => lock.acquire({signal})));
    const last = watch(lock.acquireLock('last'));
    t.is(lock.pendingCount, 200_001);
    one.abort(reason);
    // From both ends towards the middle.
    for (let n = 0; n < 50_000; n++) {
      each[n]?.abort(reason);
      each[99_999 - n]?.abort(reason);
    }
    t.deepEqual([...(await waitsOfOne)], [reason]);
    t.deepEqual([...(await waitsOfEach)], [reason]);
    t.is(getEventListeners(one.signal, 'abort').length, 0);
    t.is(lock.pendingCount, 1);
    lock.releaseLock();
    await settle();
    t.deepEqual(last, [{value: 'last'}]);
    lock.releaseLock();
  });

  test('one signal ends the waits for several locks', async (t) => {
    const locks = [createLock(), createLock(), createLock()];
    await Promise.all(locks.map((lock) => lock.acquireLock()));
    const controller = new AbortController();
    const waits = locks.map((lock) => watch(lock.acquire({signal: controller.signal})));
    t.is(getEventListeners(controller.signal, 'abort').length, 1);
    controller.abort(reason);
    await settle();
    t.deepEqual(
      waits,
      locks.map(() => [{error: reason}]),
    );
    for (const lock of locks) lock.releaseLock();
  });

  test('anything that behaves like an AbortSignal will do', async (t) => {
    const lock = createLock();
    const listeners = new Set<() => void>();
    const signal = {
      aborted: false,
      reason,
      addEventListener: (_: string, listener: () => void) => listeners.add(listener),
      removeEventListener: (_: string, listener: () => void) => listeners.delete(listener),
    };
    await lock.acquireLock();
    const waiter = lock.acquire({signal});
    t.is(listeners.size, 1);
    for (const listener of listeners) listener();
    await t.throwsAsync(waiter, {is: reason});
    t.is(listeners.size, 0);
    lock.releaseLock();
  });

  test('a signal that cannot be listened to rejects, and leaves nothing behind', async (t) => {
    const lock = createLock(10_000);
    await lock.acquireLock();
    const error = new Error('no more listeners');
    const addEventListener = () => {
      throw error;
    };
    await t.throwsAsync(lock.acquire({signal: {...inert, addEventListener}}), {is: error});
    t.is(lock.pendingCount, 0);
    const next = lock.withLock(() => 'next');
    lock.releaseLock();
    t.is(await next, 'next');
    await lock.pool();
  });

  test('acquire with bad options rejects, and queues nothing', async (t) => {
    const lock = createLock();
    for (const [options, message] of [
      [null, 'Expected options to be an object, but got null.'],
      ['signal', 'Expected options to be an object, but got string.'],
      [{signal: null}, 'Expected options.signal to be an AbortSignal, but got null.'],
      [{signal: 500}, 'Expected options.signal to be an AbortSignal, but got number.'],
      [{signal: {}}, 'Expected options.signal to be an AbortSignal, but got object.'],
      [
        {signal: new EventTarget()},
        'Expected options.signal to be an AbortSignal, but got object.',
      ],
      ...(['aborted', 'addEventListener', 'removeEventListener'] as const).map(
        (lacks) =>
          [
            {signal: {...inert, [lacks]: undefined}},
            'Expected options.signal to be an AbortSignal, but got object.',
          ] as const,
      ),
    ] as const) {
      const bad = options as unknown as {signal: AbortSignalLike};
      await t.throwsAsync(lock.acquire(bad), {instanceOf: TypeError, message});
    }
    t.false(lock.isLocked);
    for (const good of [undefined, {}, {signal: undefined}]) (await lock.acquire(good)).release();
  });
}

const inert: AbortSignalLike = {
  aborted: false,
  reason: undefined,
  addEventListener: () => undefined,
  removeEventListener: () => undefined,
};

function tryAcquire(test: TestFn['serial'], createLock: CreateLock): void {
  test('tryAcquire takes a free lock at once, and gives up at once when it is taken', async (t) => {
    const lock = createLock();
    const guard = lock.tryAcquire();
    t.truthy(guard);
    t.is(lock.tryAcquire(), undefined);
    const waiter = watch(lock.acquireLock('waiter'));
    t.is(lock.tryAcquire(), undefined);
    await settle();
    t.deepEqual(waiter, []);
    guard?.release();
    // The waiter was first, though its code has not gone on yet.
    t.is(lock.tryAcquire(), undefined);
    await settle();
    t.deepEqual(waiter, [{value: 'waiter'}]);
    lock.releaseLock();
    const again = lock.tryAcquire();
    t.truthy(again);
    guard?.release();
    t.is(lock.tryAcquire(), undefined);
    again?.release();
    t.false(lock.isLocked);
  });

  test('isLocked tells of a holder, and pendingCount of those behind it', async (t) => {
    const lock = createLock(10_000);
    const state = () => [lock.isLocked, lock.pendingCount];
    t.deepEqual(state(), [false, 0]);
    const call = lock.withLock(settle);
    t.deepEqual(state(), [true, 0]);
    const controller = new AbortController();
    const second = lock.acquireLock();
    const aborted = lock.acquire({signal: controller.signal});
    const last = lock.acquire();
    t.deepEqual(state(), [true, 3]);
    controller.abort(new Error('mine'));
    t.deepEqual(state(), [true, 2]);
    await t.throwsAsync(aborted, {message: 'mine'});
    await call;
    await second;
    t.deepEqual(state(), [true, 1]);
    lock.releaseLock();
    const guard = await last;
    t.deepEqual(state(), [true, 0]);
    guard.release();
    t.deepEqual(state(), [false, 0]);
  });
}
