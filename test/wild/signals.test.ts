// The kind: a signal aborts at a bad moment, or does not behave as the lock's code expects. A
// caller whose signal aborts before its promise has settled never gets the lock, and is told why;
// those behind it get it, and nothing is left over.
import {getEventListeners} from 'node:events';
import {inspect} from 'node:util';
import {AbortController as OldController} from 'abort-controller';
import test from 'ava';
import {createLock, createLocksByKey, type AbortSignalLike, type Lock} from '../../src/index.js';
import {createLock as createSharedLock} from '../../src/shared/index.js';
import {settle, watch} from '../support/async.js';

const KINDS: Record<string, () => Pick<Lock, 'acquire' | 'tryAcquire'>> = {
  'one lock': () => createLock(10_000),
  'a lock by key': () => {
    const locks = createLocksByKey<string>({timeoutMilliseconds: 10_000});
    return {
      acquire: (options) => locks.acquire('key', options),
      tryAcquire: () => locks.tryAcquire('key'),
    };
  },
  'a shared lock': () => createSharedLock(10_000),
};

const isPending = (promise: Promise<unknown>) => inspect(promise).includes('<pending>');

for (const [name, make] of Object.entries(KINDS)) {
  test(`an abort right after a call for ${name} that is free rejects it, and leaves it free`, async (t) => {
    const lock = make();
    const reason = new Error('aborted by the test');
    for (let n = 0; n < 3; n++) {
      const controller = new AbortController();
      const call = lock.acquire({signal: controller.signal});
      controller.abort(reason);
      const behind = watch(lock.acquire());
      t.is(await t.throwsAsync(call), reason);
      await settle();
      const [outcome] = behind;
      if (!outcome || !('value' in outcome)) return t.fail('The next caller did not get the lock.');
      outcome.value.release();
      const guard = lock.tryAcquire();
      t.truthy(guard);
      guard?.release();
      t.is(getEventListeners(controller.signal, 'abort').length, 0);
    }
  });

  for (const moment of ['is free', 'is handed over']) {
    test(`an abort in any microtask in which ${name} ${moment} gives no lock`, async (t) => {
      let aborted = 0;
      for (let delay = 0; delay < 8; delay++) {
        const lock = make();
        const controller = new AbortController();
        const reason = new Error('aborted by the test');
        const holder = moment === 'is free' ? undefined : lock.tryAcquire();
        const call = lock.acquire({signal: controller.signal});
        const outcome = watch(call);
        holder?.release();
        for (let n = 0; n < delay; n++) await Promise.resolve();
        const mayNotGetIt = isPending(call);
        controller.abort(reason);
        const behind = watch(lock.acquire());
        await settle();
        if (mayNotGetIt) {
          aborted++;
          t.deepEqual(outcome, [{error: reason}], `after ${delay} microtasks`);
        } else {
          const [got] = outcome;
          if (!got || !('value' in got)) return t.fail('It had the lock, and lost it.');
          t.deepEqual(behind, []);
          got.value.release();
          await settle();
        }
        t.true(behind[0] && 'value' in behind[0], 'the one behind it gets the lock');
        t.is(getEventListeners(controller.signal, 'abort').length, 0);
      }
      if (moment === 'is free') t.true(aborted > 0, 'a call for a free lock settles at once');
    });
  }

  test(`one that was not told of its abort does not get ${name}`, async (t) => {
    const lock = make();
    const reason = new Error('aborted by the test');
    const controller = new AbortController();
    controller.signal.addEventListener('abort', (event) => event.stopImmediatePropagation());
    const holder = lock.tryAcquire();
    const outcome = watch(lock.acquire({signal: controller.signal}));
    const behind = watch(lock.acquire());
    controller.abort(reason);
    await settle();
    holder?.release();
    await settle();
    t.deepEqual(outcome, [{error: reason}]);
    t.true(behind[0] && 'value' in behind[0], 'the one behind it gets the lock');
    t.is(getEventListeners(controller.signal, 'abort').length, 1);
  });

  test(`one that was not told of its abort does not get ${name} that is free`, async (t) => {
    const lock = make();
    const reason = new Error('aborted by the test');
    const controller = new AbortController();
    controller.signal.addEventListener('abort', (event) => event.stopImmediatePropagation());
    const call = lock.acquire({signal: controller.signal});
    controller.abort(reason);
    t.is(await t.throwsAsync(call), reason);
    await settle();
    t.truthy(lock.tryAcquire());
  });

  test(`an abort without a reason rejects a caller of ${name} with an AbortError`, async (t) => {
    const lock = make();
    const withSignal = (controller: OldController) => {
      t.false('reason' in controller.signal);
      return lock.acquire({signal: controller.signal as unknown as AbortSignalLike});
    };
    const abortedBefore = new OldController();
    abortedBefore.abort();
    await t.throwsAsync(withSignal(abortedBefore), {name: 'AbortError'});

    const abortedSoon = new OldController();
    const soon = withSignal(abortedSoon);
    abortedSoon.abort();
    await t.throwsAsync(soon, {name: 'AbortError'});
    await settle();

    const holder = lock.tryAcquire();
    t.truthy(holder);
    const abortedWaiting = new OldController();
    const waiting = withSignal(abortedWaiting);
    const behind = watch(lock.acquire());
    await settle();
    abortedWaiting.abort();
    await t.throwsAsync(waiting, {name: 'AbortError'});
    holder?.release();
    await settle();
    t.is(behind.length, 1);
  });

  test(`calls for ${name} that ended leave no listener on their signal`, async (t) => {
    const lock = make();
    const controller = new AbortController();
    const {signal} = controller;
    const listeners = () => getEventListeners(signal, 'abort').length;
    const guard = await lock.acquire({signal});
    await settle();
    t.is(listeners(), 0);
    const waiting = lock.acquire({signal});
    t.true(listeners() > 0);
    guard.release();
    const second = await waiting;
    await settle();
    t.is(listeners(), 0);
    const aborted = [1, 2, 3].map(() => watch(lock.acquire({signal})));
    controller.abort();
    await settle();
    t.deepEqual(
      aborted.map((outcome) => outcome.length),
      [1, 1, 1],
    );
    t.is(listeners(), 0);
    second.release();
    t.truthy(lock.tryAcquire());
  });
}
