/** Options of one call: `withLock(options, fn, ...args)` and `acquire(options)`. */
import {getEventListeners} from 'node:events';
import FakeTimers from '@sinonjs/fake-timers';
import type {ExecutionContext} from 'ava';
import type {AbortSignalLike, AcquireOptions} from '../../src/index.js';
import {deferred, watch} from '../support/async.js';
import {
  inert,
  reason,
  type CreateTestedLock,
  type LockErrorLike,
  type Reach,
  type Test,
  type TestedLock,
} from './common.js';

/** The methods that take options, as calls that release the lock at once. */
const WAYS: Record<
  string,
  (lock: TestedLock, options: AcquireOptions | undefined, enter: () => unknown) => Promise<unknown>
> = {
  withLock: (lock, options, enter) => lock.withLock(options, enter),
  acquire: async (lock, options, enter) => {
    using _guard = await lock.acquire(options);
    return enter();
  },
};

/** In a test the timers of the callers fire when it says so. */
function clockOf(t: ExecutionContext) {
  const clock = FakeTimers.install({toFake: ['setTimeout', 'clearTimeout', 'performance']});
  t.teardown(() => clock.uninstall());
  return clock;
}

const timedOut = (timeoutMilliseconds: number) => ({
  name: 'LockTimeoutError',
  code: 'ERR_LOCK_TIMEOUT',
  message: `Timed out waiting for lock after ${timeoutMilliseconds}ms`,
  timeoutMilliseconds,
});

/** What has ended a call so far, if anything has. */
function endOf(outcome: ReturnType<typeof watch>[number] | undefined): unknown {
  if (outcome === undefined || 'value' in outcome) return outcome;
  if (outcome.error === reason) return 'signal';
  const {code} = outcome.error as LockErrorLike;
  return code === 'ERR_LOCK_TIMEOUT' ? 'timeout' : outcome.error;
}

const listenersOf = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

/** What is no options, and what is said of it. */
const BAD_OPTIONS: ReadonlyArray<
  readonly [options: unknown, Type: ErrorConstructor, message: string | RegExp]
> = [
  [null, TypeError, 'Expected options to be an object, but got null.'],
  ['signal', TypeError, 'Expected options to be an object, but got string.'],
  [500, TypeError, 'Expected options to be an object, but got number.'],
  [[], TypeError, /^Expected options to be an object, but got Array\. Write /],
  [AbortSignal.timeout(0), TypeError, /, but got AbortSignal\. Write .+\{signal, /],
  [{timeout: 50}, TypeError, /^Unknown option "timeout"\. Write .+\{signal, .+\.$/],
  [{signal: undefined, name: 'mine'}, TypeError, /^Unknown option "name"\./],
  [
    {timeoutMilliseconds: '50'},
    TypeError,
    'Expected timeoutMilliseconds to be a number, but got string.',
  ],
  [
    {timeoutMilliseconds: null},
    TypeError,
    'Expected timeoutMilliseconds to be a number, but got null.',
  ],
  [
    {timeoutMilliseconds: NaN},
    RangeError,
    'Expected timeoutMilliseconds to be 0 or more, but got NaN.',
  ],
  [
    {timeoutMilliseconds: -1},
    RangeError,
    'Expected timeoutMilliseconds to be 0 or more, but got -1.',
  ],
  [{signal: null}, TypeError, 'Expected options.signal to be an AbortSignal, but got null.'],
  [{signal: 500}, TypeError, 'Expected options.signal to be an AbortSignal, but got number.'],
  [
    {signal: new AbortController()},
    TypeError,
    /^Expected options\.signal to be an AbortSignal, but got /,
  ],
];

export function callOptions(
  test: Test,
  createLock: CreateTestedLock,
  {settle, isSynchronous}: Reach,
): void {
  test('withLock takes its function alone, behind options, or behind undefined', async (t) => {
    const lock = createLock();
    const subtract = (a: number, b: number) => a - b;
    const calls = () => [
      lock.withLock(subtract, 5, 3),
      lock.withLock({}, subtract, 6, 3),
      lock.withLock(undefined, subtract, 7, 3),
      lock.withLock({signal: inert, timeoutMilliseconds: 10_000}, subtract, 8, 3),
    ];
    // The first is alone, and the others wait.
    t.deepEqual(await Promise.all(calls()), [2, 3, 4, 5]);
    t.is(await lock.withLock({}, subtract, 6, 3), 3);
    t.is(await lock.withLock(undefined, subtract, 7, 3), 4);
    t.is(await lock.withLock({signal: inert}, subtract, 8, 3), 5);
    t.is(await lock.withLock({}, () => 'no arguments'), 'no arguments');
    t.false(await lock.isLocked);
  });

  test('a function that has properties like options is the function', async (t) => {
    const lock = createLock();
    await lock.acquireLock();
    const fn = Object.assign((given: string) => given, {timeoutMilliseconds: 0});
    const call = lock.withLock(fn, 'given');
    t.is(lock.pendingCount, 1);
    lock.releaseLock();
    t.is(await call, 'given');
  });

  test('with options, too, the lock is released when fn fails, and what it throws comes through', async (t) => {
    const lock = createLock();
    const error = new Error('mine');
    const {signal} = new AbortController();
    for (const isFree of [true, false]) {
      const holder = isFree ? undefined : await lock.tryAcquire();
      const calls = [
        lock.withLock({signal}, () => {
          throw error;
        }),
        lock.withLock({timeoutMilliseconds: 10_000}, async () => Promise.reject(error)),
      ];
      holder?.release();
      for (const call of calls) t.is(await t.throwsAsync(call), error);
      t.false(await lock.isLocked);
    }
  });

  test('acquireLock takes no options: what looks like them is its task', async (t) => {
    const lock = createLock();
    const tasks = [
      {signal: AbortSignal.abort(reason), timeoutMilliseconds: 0},
      {timeoutMilliseconds: -1},
    ];
    for (const task of tasks) {
      t.is(await lock.acquireLock(task), task);
      const waiting = watch(lock.acquireLock(task));
      await settle();
      t.deepEqual(waiting, []);
      lock.releaseLock();
      await settle();
      t.deepEqual(waiting, [{value: task}]);
      lock.releaseLock();
    }
  });

  test('withLock with options, but without a function, rejects and queues nothing', async (t) => {
    const lock = createLock();
    const withLock = lock.withLock.bind(lock) as (...args: unknown[]) => Promise<unknown>;
    for (const isFree of [true, false]) {
      if (!isFree) await lock.acquireLock();
      for (const [args, came] of [
        [[], 'undefined'],
        [[{}], 'object'],
        [[undefined], 'undefined'],
        [[null], 'null'],
        [[{timeoutMilliseconds: 50}], 'object'],
        [[{}, undefined], 'undefined'],
        [[{}, {}, () => undefined], 'object'],
        [[undefined, 'fn'], 'string'],
      ] as const) {
        const message = `Expected a function to call, but got ${came}.`;
        await t.throwsAsync(withLock(...args), {instanceOf: TypeError, message});
        t.deepEqual([lock.pendingCount, await lock.isLocked], [0, !isFree]);
      }
    }
    lock.releaseLock();
  });

  for (const [way, call] of Object.entries(WAYS)) {
    const never = (t: ExecutionContext) => () => t.fail('entered');
    const enter = () => 'entered';

    test(`the timeout of a call of ${way} replaces a longer one of the lock, for that call alone`, async (t) => {
      const clock = clockOf(t);
      const lock = createLock(1_000);
      await lock.acquireLock();
      const hasty = watch(call(lock, {timeoutMilliseconds: 50}, never(t)));
      const other = watch(call(lock, {}, never(t)));
      clock.tick(49);
      await settle();
      t.deepEqual(hasty, []);
      clock.tick(1);
      await settle();
      t.like(hasty, [{error: timedOut(50)}]);
      clock.tick(949);
      await settle();
      t.deepEqual(other, []);
      clock.tick(1);
      await settle();
      t.like(other, [{error: timedOut(1_000)}]);
      lock.releaseLock();
      t.false(await lock.isLocked);
    });

    test(`the timeout of a call of ${way} replaces a shorter one of the lock, for that call alone`, async (t) => {
      const clock = clockOf(t);
      const lock = createLock(50);
      await lock.acquireLock();
      const patient = watch(call(lock, {timeoutMilliseconds: 1_000}, never(t)));
      const others = [undefined, {}, {timeoutMilliseconds: undefined}].map((options) =>
        watch(call(lock, options, never(t))),
      );
      clock.tick(50);
      await settle();
      for (const other of others) t.like(other, [{error: timedOut(50)}]);
      t.is(lock.pendingCount, 1);
      clock.tick(949);
      await settle();
      t.deepEqual(patient, []);
      clock.tick(1);
      await settle();
      t.like(patient, [{error: timedOut(1_000)}]);
      lock.releaseLock();
      t.false(await lock.isLocked);
    });

    test(`with a timeout of Infinity a call of ${way} waits longer than the lock lets others`, async (t) => {
      const clock = clockOf(t);
      const lock = createLock(50);
      await lock.acquireLock();
      const patient = watch(call(lock, {timeoutMilliseconds: Infinity}, enter));
      t.is(clock.countTimers(), 0);
      clock.tick(10_000_000);
      await settle();
      t.deepEqual(patient, []);
      lock.releaseLock();
      await settle();
      t.deepEqual(patient, [{value: 'entered'}]);
    });

    test(`a call of ${way} may have a timeout where the lock has none`, async (t) => {
      const clock = clockOf(t);
      const lock = createLock();
      await lock.acquireLock();
      const hasty = watch(call(lock, {timeoutMilliseconds: 50}, never(t)));
      const other = watch(call(lock, undefined, enter));
      clock.tick(50);
      await settle();
      t.like(hasty, [{error: timedOut(50)}]);
      t.deepEqual(other, []);
      lock.releaseLock();
      await settle();
      t.deepEqual(other, [{value: 'entered'}]);
    });

    test(`with a timeout of 0 a call of ${way} gets the lock only if it is free at once`, async (t) => {
      const lock = createLock(10_000);
      const atOnce = {timeoutMilliseconds: 0};
      await lock.acquireLock();
      const waiter = lock.acquireLock();
      const refused = watch(call(lock, atOnce, never(t)));
      t.is(lock.pendingCount, 1);
      await settle();
      t.like(refused, [{error: timedOut(0)}]);
      lock.releaseLock();
      // The waiter was first, though its code has not gone on yet.
      await t.throwsAsync(call(lock, atOnce, never(t)), {code: 'ERR_LOCK_TIMEOUT'});
      await waiter;
      lock.releaseLock();
      t.is(await call(lock, atOnce, enter), 'entered');
      t.false(await lock.isLocked);
    });

    test(`a call of ${way} that is served in time, though late, is not timed out`, async (t) => {
      const clock = clockOf(t);
      const lock = createLock();
      await lock.acquireLock();
      const served = watch(call(lock, {timeoutMilliseconds: 50}, enter));
      clock.tick(49);
      lock.releaseLock();
      clock.tick(1);
      await settle();
      t.deepEqual(served, [{value: 'entered'}]);
    });

    test(`calls of ${way} that end early, by a timeout or a signal, leave the others their places`, async (t) => {
      const clock = clockOf(t);
      const ends: Array<Record<number, 'timeout' | 'signal'>> = [
        {0: 'timeout'},
        {0: 'signal'},
        {1: 'timeout', 2: 'signal'},
        {3: 'signal', 2: 'timeout', 1: 'signal'},
        {0: 'timeout', 3: 'timeout'},
        {0: 'signal', 1: 'timeout', 2: 'timeout', 3: 'signal'},
      ];
      for (const end of ends) {
        const lock = createLock(10_000);
        await lock.acquireLock();
        const controller = new AbortController();
        const order: number[] = [];
        const options = {
          timeout: {timeoutMilliseconds: 50},
          signal: {signal: controller.signal},
        };
        const calls = [0, 1, 2, 3].map((n) =>
          watch(call(lock, end[n] && options[end[n]], () => order.push(n))),
        );
        controller.abort(reason);
        clock.tick(50);
        await settle();
        t.deepEqual(
          calls.map(([outcome]) => endOf(outcome)),
          [0, 1, 2, 3].map((n) => end[n]),
        );
        const left = [0, 1, 2, 3].filter((n) => end[n] === undefined);
        t.is(lock.pendingCount, left.length);
        lock.releaseLock();
        await settle();
        t.deepEqual(order, left);
        t.false(await lock.isLocked);
      }
    });

    test(`a signal that aborts in line ends the wait of ${way} with its reason`, async (t) => {
      const lock = createLock();
      await lock.acquireLock();
      for (const thrown of [reason, 'a string', null]) {
        const controller = new AbortController();
        const aborted = watch(call(lock, {signal: controller.signal}, never(t)));
        t.is(lock.pendingCount, 1);
        controller.abort(thrown);
        t.is(lock.pendingCount, 0);
        await settle();
        t.deepEqual(aborted, [{error: thrown}]);
      }
      t.true(await lock.isLocked);
      lock.releaseLock();
      t.false(await lock.isLocked);
    });

    test(`a signal that has aborted before the call of ${way} rejects it, though the lock is free`, async (t) => {
      const lock = createLock();
      const signal = AbortSignal.abort(reason);
      t.is(await t.throwsAsync(call(lock, {signal}, never(t))), reason);
      t.false(await lock.isLocked);
      t.is(await t.throwsAsync(call(lock, {signal, timeoutMilliseconds: 0}, never(t))), reason);
      await t.throwsAsync(call(lock, {signal: {...inert, aborted: true}}, never(t)), {
        name: 'AbortError',
      });
      await lock.acquireLock();
      const aborted = call(lock, {signal}, never(t));
      t.is(lock.pendingCount, 0);
      t.is(await t.throwsAsync(aborted), reason);
      lock.releaseLock();
    });

    for (const isFree of [true, false]) {
      const when = isFree ? 'a call for a free lock' : 'the admission';

      test(`a signal that aborts right after ${when} keeps ${way} from beginning, and the next gets the lock`, async (t) => {
        const lock = createLock();
        const holder = isFree ? undefined : await lock.tryAcquire();
        const controller = new AbortController();
        const aborted = watch(call(lock, {signal: controller.signal}, never(t)));
        const next = watch(lock.acquireLock('next'));
        holder?.release();
        // The lock is its by now, though its code has not gone on yet.
        controller.abort(reason);
        await settle();
        t.deepEqual(aborted, [{error: reason}]);
        t.deepEqual(next, [{value: 'next'}]);
        lock.releaseLock();
        t.false(await lock.isLocked);
        t.is(listenersOf(controller.signal), 0);
      });

      test(`a signal that aborts some microtasks after ${when} of ${way} keeps it from beginning, or has no effect`, async (t) => {
        const results = new Set<string>();
        for (let delay = 0; delay < 8; delay++) {
          const lock = createLock();
          const holder = isFree ? undefined : await lock.tryAcquire();
          const controller = new AbortController();
          const begun: string[] = [];
          const outcome = watch(
            call(lock, {signal: controller.signal}, () => begun.push('entered')),
          );
          const next = watch(lock.acquireLock('next'));
          holder?.release();
          for (let n = 0; n < delay; n++) await Promise.resolve();
          const hadBegun = begun.length > 0;
          controller.abort(reason);
          await settle();
          const hasBegun = begun.length > 0;
          t.deepEqual(outcome, [hasBegun ? {value: 1} : {error: reason}]);
          if (hadBegun) results.add('began before');
          if (!hasBegun) results.add('never began');
          t.deepEqual(next, [{value: 'next'}]);
          t.is(listenersOf(controller.signal), 0);
          lock.releaseLock();
        }
        // A server does not answer within some microtasks.
        const isSooner = isSynchronous || !isFree;
        t.deepEqual([...results].sort(), [...(isSooner ? ['began before'] : []), 'never began']);
      });
    }

    test(`a call of ${way} that was not told that its signal aborted does not begin`, async (t) => {
      const lock = createLock();
      await lock.acquireLock();
      const controller = new AbortController();
      controller.signal.addEventListener('abort', (event) => event.stopImmediatePropagation());
      const aborted = call(lock, {signal: controller.signal}, never(t));
      controller.abort(reason);
      lock.releaseLock();
      t.is(await t.throwsAsync(aborted), reason);
      t.false(await lock.isLocked);
    });

    test(`${way} with bad options rejects, whether the lock is free or not, and queues nothing`, async (t) => {
      const lock = createLock();
      for (const isFree of [true, false]) {
        if (!isFree) await lock.acquireLock();
        for (const [bad, instanceOf, message] of BAD_OPTIONS) {
          const refusing = call(lock, bad as AcquireOptions, never(t));
          const refused = t.throwsAsync(refusing, {instanceOf, message});
          t.deepEqual([lock.pendingCount, await lock.isLocked], [0, !isFree]);
          await refused;
          t.deepEqual([lock.pendingCount, await lock.isLocked], [0, !isFree]);
        }
      }
      lock.releaseLock();
    });

    test(`a call of ${way} leaves neither a listener nor a timer, however it ends`, async (t) => {
      const clock = clockOf(t);
      const lock = createLock(1_000);
      const controller = new AbortController();
      const {signal} = controller;
      const options = {signal, timeoutMilliseconds: 50};
      const left = () => ({listeners: listenersOf(signal), timers: clock.countTimers()});
      const nothing = {listeners: 0, timers: 0};

      t.is(await call(lock, options, enter), 'entered');
      t.deepEqual(left(), nothing, 'the lock was free');

      await lock.acquireLock();
      const served = call(lock, options, enter);
      t.deepEqual(left(), {listeners: 1, timers: 1});
      lock.releaseLock();
      t.deepEqual(left(), nothing, 'it was admitted');
      t.is(await served, 'entered');

      await lock.acquireLock();
      const hasty = watch(call(lock, options, never(t)));
      clock.tick(50);
      t.deepEqual(left(), nothing, 'it timed out');
      await settle();
      t.like(hasty, [{error: timedOut(50)}]);

      await t.throwsAsync(call(lock, {signal, timeoutMilliseconds: 0}, never(t)));
      t.deepEqual(left(), nothing, 'it did not wait');

      const aborted = watch(call(lock, options, never(t)));
      controller.abort(reason);
      t.deepEqual(left(), nothing, 'it was aborted');
      await settle();
      t.deepEqual(aborted, [{error: reason}]);
      lock.releaseLock();
    });

    test(`many calls of ${way} with one timeout and one signal share a timer and a listener`, async (t) => {
      const clock = clockOf(t);
      const lock = createLock();
      await lock.acquireLock();
      const {signal} = new AbortController();
      const codes = Array.from({length: 1_000}, () =>
        call(lock, {signal, timeoutMilliseconds: 50}, never(t)).catch(
          (error: unknown) => (error as LockErrorLike).code,
        ),
      );
      t.deepEqual([clock.countTimers(), listenersOf(signal)], [1, 1]);
      clock.tick(50);
      t.deepEqual([...new Set(await Promise.all(codes))], ['ERR_LOCK_TIMEOUT']);
      t.deepEqual([clock.countTimers(), listenersOf(signal)], [0, 0]);
      lock.releaseLock();
    });

    test(`a signal that cannot be listened to rejects a call of ${way}, and leaves nothing behind`, async (t) => {
      const clock = clockOf(t);
      const lock = createLock();
      await lock.acquireLock();
      const error = new Error('no more listeners');
      const signal: AbortSignalLike = {
        ...inert,
        addEventListener: () => {
          throw error;
        },
      };
      const refused = call(lock, {signal, timeoutMilliseconds: 50}, never(t));
      t.is(await t.throwsAsync(refused), error);
      t.deepEqual([lock.pendingCount, clock.countTimers()], [0, 0]);
      lock.releaseLock();
      t.false(await lock.isLocked);
    });
  }

  test('a signal that aborts once fn has begun has no effect', async (t) => {
    const lock = createLock();
    for (const isFree of [true, false]) {
      const holder = isFree ? undefined : await lock.tryAcquire();
      const controller = new AbortController();
      const work = deferred<string>();
      let hasBegun = false;
      const call = watch(
        lock.withLock({signal: controller.signal}, () => {
          hasBegun = true;
          return work.promise;
        }),
      );
      const next = watch(lock.acquireLock('next'));
      holder?.release();
      await settle();
      t.true(hasBegun);
      controller.abort(reason);
      await settle();
      t.deepEqual([call, next], [[], []]);
      work.resolve('done');
      await settle();
      t.deepEqual([call, next], [[{value: 'done'}], [{value: 'next'}]]);
      lock.releaseLock();
    }
    // In fn itself, too.
    const controller = new AbortController();
    const inside = lock.withLock({signal: controller.signal}, async () => {
      controller.abort(reason);
      await settle();
      return 'done';
    });
    t.is(await inside, 'done');
  });

  test('a call whose lock is released before fn begins is told that, and not of its signal', async (t) => {
    // A free lock that a server has is not acquired within the call.
    for (const isFree of isSynchronous ? [true, false] : [false]) {
      const lock = createLock();
      if (!isFree) await lock.acquireLock();
      const controller = new AbortController();
      const misused = lock.withLock({signal: controller.signal}, () => t.fail('called'));
      if (!isFree) lock.releaseLock();
      lock.releaseLock();
      const next = lock.withLock(() => 'next');
      await t.throwsAsync(misused, {code: 'ERR_LOCK_NOT_HELD'});
      t.is(await next, 'next');
    }
  });
}
