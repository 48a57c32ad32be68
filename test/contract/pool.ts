/** How `pool` retires a lock object. */
import FakeTimers from '@sinonjs/fake-timers';
import {settle, values, watch} from '../support/async.js';
import {inert, pooled, reason, type CreateLock, type Test} from './common.js';

export function pool(test: Test, createLock: CreateLock): void {
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

  test('a signal that has aborted is told of rather than that the object is retired', async (t) => {
    const lock = createLock();
    await lock.pool();
    const signal = AbortSignal.abort(reason);
    t.is(await t.throwsAsync(lock.acquire({signal})), reason);
    const call = lock.withLock({signal}, () => t.fail('called'));
    t.is(await t.throwsAsync(call), reason);
    for (const options of [undefined, {}, {timeoutMilliseconds: 0}, {signal: inert}]) {
      await t.throwsAsync(lock.acquire(options), pooled);
      await t.throwsAsync(
        lock.withLock(options, () => t.fail('called')),
        pooled,
      );
    }
  });

  test('the timeout of a call does not become that of pool()', async (t) => {
    const clock = FakeTimers.install({toFake: ['setTimeout', 'clearTimeout', 'performance']});
    t.teardown(() => clock.uninstall());
    const lock = createLock(100);
    await lock.acquireLock();
    const patient = watch(lock.acquire({timeoutMilliseconds: 1_000}));
    const pool = watch(lock.pool());
    clock.tick(100);
    await settle();
    t.like(pool, [{error: {code: 'ERR_LOCK_TIMEOUT', timeoutMilliseconds: 100}}]);
    t.deepEqual(patient, []);
    clock.tick(900);
    await settle();
    t.like(patient, [{error: {code: 'ERR_LOCK_TIMEOUT', timeoutMilliseconds: 1_000}}]);
    lock.releaseLock();
    await lock.pool();
  });

  test('pool() does not wait for a caller that failed because of its signal', async (t) => {
    const lock = createLock();
    await lock.acquireLock();
    const addEventListener = () => {
      throw reason;
    };
    await t.throwsAsync(lock.acquire({signal: {...inert, addEventListener}}), {is: reason});
    lock.releaseLock();
    await lock.pool();
    t.pass();
  });
}
