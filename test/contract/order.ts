/** One holder at a time, in the order of the calls, and what the lock says about them. */
import {room, type CreateTestedLock, type Reach, type Test} from './common.js';

export function order(test: Test, createLock: CreateTestedLock, {settle}: Reach): void {
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

  test('isLocked tells of a holder, and pendingCount of those behind it', async (t) => {
    const lock = createLock(10_000);
    const state = async () => [await lock.isLocked, lock.pendingCount];
    t.deepEqual(await state(), [false, 0]);
    const call = lock.withLock(settle);
    t.deepEqual(await state(), [true, 0]);
    const controller = new AbortController();
    const second = lock.acquireLock();
    const aborted = lock.acquire({signal: controller.signal});
    const last = lock.acquire();
    t.deepEqual(await state(), [true, 3]);
    controller.abort(new Error('mine'));
    t.deepEqual(await state(), [true, 2]);
    await t.throwsAsync(aborted, {message: 'mine'});
    await call;
    await second;
    t.deepEqual(await state(), [true, 1]);
    lock.releaseLock();
    const guard = await last;
    t.deepEqual(await state(), [true, 0]);
    guard.release();
    t.deepEqual(await state(), [false, 0]);
  });
}
