/** Releasing a lock that is not held, or that another caller holds. */
import {deferred, watch} from '../support/async.js';
import {notHeld, type CreateTestedLock, type Reach, type Test} from './common.js';

export function misuse(
  test: Test,
  createLock: CreateTestedLock,
  {settle, isSynchronous}: Reach,
): void {
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
    // A free lock that a server has is not acquired within the call.
    for (const isFree of isSynchronous ? [true, false] : [false]) {
      const lock = createLock();
      const called: string[] = [];
      const misused = [];
      for (const n of [1, 2]) {
        if (!isFree) await lock.acquireLock();
        const call = lock.withLock(() => called.push(`misused ${n}`));
        if (!isFree) lock.releaseLock();
        lock.releaseLock();
        misused.push(t.throwsAsync(call, notHeld));
      }
      const next = lock.withLock(() => called.push('next'));
      await Promise.all(misused);
      await next;
      t.deepEqual(called, ['next']);
    }
  });
}
