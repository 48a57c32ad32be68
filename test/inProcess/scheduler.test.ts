// Every order of calls, settlements, releases, timeouts, aborts and pool(): fast-check decides
// which of them happens next.
import {getEventListeners} from 'node:events';
import FakeTimers from '@sinonjs/fake-timers';
import test from 'ava';
import fc from 'fast-check';
import {createLock, type LockError} from '../../src/index.js';

const TIMEOUT = 10;

interface Plan {
  readonly how:
    | 'withLock'
    | 'withLock that throws'
    | 'withLock of a synchronous function'
    | 'acquireLock'
    | 'acquire';
  /** How many awaits its critical section has. */
  readonly awaits: number;
}

const plans = fc.array(
  fc.record<Plan>({
    how: fc.constantFrom(
      'withLock',
      'withLock that throws',
      'withLock of a synchronous function',
      'acquireLock',
      'acquire',
    ),
    awaits: fc.integer({min: 0, max: 2}),
  }),
  {minLength: 2, maxLength: 7},
);

for (const timeout of [undefined, TIMEOUT]) {
  test.serial(
    `whatever comes first, createLock(${timeout}) admits one caller at a time and forgets none`,
    async (t) => {
      await fc.assert(
        fc.asyncProperty(fc.scheduler(), plans, fc.boolean(), async (scheduler, all, pools) => {
          const clock = FakeTimers.install({toFake: ['setTimeout', 'clearTimeout', 'performance']});
          try {
            const lock = createLock(timeout);
            const entered: number[] = [];
            const rejected: number[] = [];
            const called: number[] = [];
            // One for all: it ends the waits of those who have come so far, and keeps others out.
            const controller = new AbortController();
            let inside = 0;

            const section = async (caller: number, {awaits}: Plan) => {
              if (++inside > 1)
                throw new Error(`Caller ${caller} entered while another was inside`);
              if (rejected.includes(caller))
                throw new Error(`Caller ${caller} ran after it was rejected`);
              entered.push(caller);
              for (let n = 0; n < awaits; n++)
                await scheduler.schedule(Promise.resolve(), 'section');
              inside--;
            };

            const call = async (caller: number, plan: Plan): Promise<unknown> => {
              called.push(caller);
              switch (plan.how) {
                case 'withLock':
                  return lock.withLock(section, caller, plan);
                case 'withLock that throws':
                  return lock
                    .withLock(async () => {
                      await section(caller, plan);
                      throw new Error('mine');
                    })
                    .catch((reason: unknown) => {
                      const error = reason as Error;
                      if (error.message !== 'mine') throw error;
                    });
                case 'withLock of a synchronous function':
                  return lock.withLock(() => void section(caller, {...plan, awaits: 0}));
                case 'acquireLock':
                  await lock.acquireLock();
                  await section(caller, plan);
                  await scheduler.schedule(Promise.resolve(), 'release');
                  lock.releaseLock();
                  return undefined;
                case 'acquire': {
                  using _guard = await lock.acquire({signal: controller.signal});
                  await section(caller, plan);
                  return undefined;
                }
              }
            };

            const calls = all.map(async (plan, caller) => {
              await scheduler.schedule(Promise.resolve(), 'call');
              await call(caller, plan).catch((reason: unknown) => {
                const error = reason as LockError;
                const expected = ['ERR_LOCK_TIMEOUT', 'ERR_LOCK_POOLED'];
                if (reason === 'aborted' ? plan.how !== 'acquire' : !expected.includes(error.code))
                  throw error;
                rejected.push(caller);
              });
            });
            const aborts = scheduler.schedule(Promise.resolve(), 'abort').then(() => {
              controller.abort('aborted');
            });
            const pool = scheduler
              .schedule(Promise.resolve(), 'pool')
              .then(() => (pools ? lock.pool() : undefined))
              .catch((reason: unknown) => {
                const error = reason as LockError;
                if (error.code !== 'ERR_LOCK_TIMEOUT') throw error;
              });
            const time = [1, 2, 3].map(() =>
              scheduler.schedule(Promise.resolve(), 'time').then(() => clock.tick(TIMEOUT / 2)),
            );

            await scheduler.waitIdle();
            await Promise.all([...calls, pool, aborts, ...time]);

            const inOrder = called.filter((caller) => entered.includes(caller));
            if (entered.join() !== inOrder.join()) {
              throw new Error(`Called in the order ${called.join()}, entered ${entered.join()}`);
            }
            if (entered.length + rejected.length !== all.length) {
              throw new Error(
                `Entered ${entered.join()}, rejected ${rejected.join()} of ${all.length}`,
              );
            }
            const forgotten = rejected.filter((caller) => all[caller]?.how !== 'acquire');
            if (timeout === undefined && !pools && forgotten.length > 0) {
              throw new Error(`Rejected ${forgotten.join()} without a reason`);
            }
            if (clock.countTimers() > 0) throw new Error('A timer is left over');
            if (getEventListeners(controller.signal, 'abort').length > 0)
              throw new Error('A listener is left over');
          } finally {
            clock.uninstall();
          }
        }),
        {numRuns: 3000},
      );
      t.pass();
    },
  );
}
