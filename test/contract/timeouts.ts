/** How long a caller waits, and what its giving up means to the others. */
import {deferred, until, values, watch} from '../support/async.js';
import {
  isFree,
  room,
  timeoutOf50,
  type CreateTestedLock,
  type LockErrorLike,
  type Reach,
  type Test,
} from './common.js';

export function timeouts(test: Test, createLock: CreateTestedLock, {settle}: Reach): void {
  // In 2.1.0 a waiter that timed out released the lock of the holder. The callers that come after
  // it may themselves time out on a slow machine: what counts is that none of them is admitted.
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
}
