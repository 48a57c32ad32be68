/** Waits that a signal ends. */
import {getEventListeners} from 'node:events';
import type {LockGuard} from '../../src/index.js';
import {until, watch} from '../support/async.js';
import {
  inert,
  reason,
  timeoutOf50,
  type CreateTestedLock,
  type Reach,
  type Test,
} from './common.js';

export function signals(test: Test, createLock: CreateTestedLock, {settle}: Reach): void {
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
      t.true(await lock.isLocked);
      guard.release();
      await until(() => waiters.every((outcome) => outcome.length === 1));
      t.deepEqual(
        order,
        [0, 1, 2, 3].filter((n) => !aborted.includes(n)),
      );
      t.false(await lock.isLocked);
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
    t.false(await lock.isLocked);
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
    t.false(await lock.isLocked);
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
  });
}
