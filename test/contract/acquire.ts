/** `acquireLock`, `acquire` and `tryAcquire`, and the guards that the last two give. */
import type {AbortSignalLike, LockGuard} from '../../src/index.js';
import {values, watch} from '../support/async.js';
import {inert, notHeld, type CreateTestedLock, type Reach, type Test} from './common.js';

export function acquire(test: Test, createLock: CreateTestedLock, {settle}: Reach): void {
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
    t.true(await lock.isLocked);
    lock.releaseLock();
  });

  test('a guard declared by using is released at the end of the block, also by a throw', async (t) => {
    const lock = createLock();
    {
      using guard = await lock.acquire();
      t.truthy(guard);
      t.true(await lock.isLocked);
    }
    t.false(await lock.isLocked);
    const fails = async () => {
      using _guard = await lock.acquire();
      throw new Error('mine');
    };
    await t.throwsAsync(fails(), {message: 'mine'});
    t.false(await lock.isLocked);
    {
      using maybe = await lock.tryAcquire();
      t.truthy(maybe);
      using another = await lock.tryAcquire();
      t.is(another, undefined);
    }
    t.false(await lock.isLocked);
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

  test('tryAcquire takes a free lock at once, and gives up at once when it is taken', async (t) => {
    const lock = createLock();
    const guard = await lock.tryAcquire();
    t.truthy(guard);
    t.is(await lock.tryAcquire(), undefined);
    const waiter = watch(lock.acquireLock('waiter'));
    t.is(await lock.tryAcquire(), undefined);
    await settle();
    t.deepEqual(waiter, []);
    guard?.release();
    // The waiter was first, though its code has not gone on yet.
    t.is(await lock.tryAcquire(), undefined);
    await settle();
    t.deepEqual(waiter, [{value: 'waiter'}]);
    lock.releaseLock();
    const again = await lock.tryAcquire();
    t.truthy(again);
    guard?.release();
    t.is(await lock.tryAcquire(), undefined);
    again?.release();
    t.false(await lock.isLocked);
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
    t.false(await lock.isLocked);
    for (const good of [undefined, {}, {signal: undefined}]) (await lock.acquire(good)).release();
  });
}
