// Every order of calls, settlements, releases, timeouts and pool(): fast-check decides which of them happens next.
import FakeTimers from '@sinonjs/fake-timers';
import test from 'ava';
import fc from 'fast-check';
import {createLock, type LockError} from '../../src/index.js';

const TIMEOUT = 10;

interface Plan {
  readonly how:
    'withLock' | 'withLock that throws' | 'withLock of a synchronous function' | 'acquireLock';
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
              }
            };

            const calls = all.map(async (plan, caller) => {
              await scheduler.schedule(Promise.resolve(), 'call');
              await call(caller, plan).catch((reason: unknown) => {
                const error = reason as LockError;
                if (error.code !== 'ERR_LOCK_TIMEOUT' && error.code !== 'ERR_LOCK_POOLED')
                  throw error;
                rejected.push(caller);
              });
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
            await Promise.all([...calls, pool, ...time]);

            const inOrder = called.filter((caller) => entered.includes(caller));
            if (entered.join() !== inOrder.join()) {
              throw new Error(`Called in the order ${called.join()}, entered ${entered.join()}`);
            }
            if (entered.length + rejected.length !== all.length) {
              throw new Error(
                `Entered ${entered.join()}, rejected ${rejected.join()} of ${all.length}`,
              );
            }
            if (timeout === undefined && !pools && rejected.length > 0) {
              throw new Error(`Rejected ${rejected.join()} without a reason`);
            }
            if (clock.countTimers() > 0) throw new Error('A timer is left over');
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
