// The kind: a program's tests replace clocks and timers. Callers' timeouts go by those that the
// test controls, each from its own call; what the lock does for its own purposes goes by the real
// ones; and no fake clock, past or present, stops what goes by another.
import {mock} from 'node:test';
import FakeTimers from '@sinonjs/fake-timers';
import test, {type ExecutionContext} from 'ava';
import {createLock, createLocksByKey} from '../../src/index.js';
import {createLock as createSharedLock} from '../../src/shared/index.js';
import {actors} from '../support/actors.js';
import {watch} from '../support/async.js';
import {runFile} from '../support/program.js';
import {commandFile, makeProject} from '../support/project.js';

const real = {setImmediate, setTimeout, now: performance.now.bind(performance)};

/** Everything that could happen without time passing has happened. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => real.setImmediate(resolve));
}

/** Long enough for anything that is not stopped for good. */
const PATIENCE_MILLISECONDS = 3000;

/** Whether `condition` holds in the end. */
async function comes(condition: () => boolean): Promise<boolean> {
  const end = real.now() + PATIENCE_MILLISECONDS;
  while (!condition() && real.now() < end) {
    await new Promise((resolve) => real.setTimeout(resolve, 1));
  }
  return condition();
}

const realSleep = (milliseconds: number) =>
  new Promise((resolve) => real.setTimeout(resolve, milliseconds));

interface Clock {
  tick(milliseconds: number): void;
  uninstall(): void;
}

const nodeClock = (...apis: ('setTimeout' | 'Date')[]): Clock => {
  mock.timers.enable({apis});
  return {
    tick: (milliseconds) => mock.timers.tick(milliseconds),
    uninstall: () => mock.timers.reset(),
  };
};

const CLOCKS: Record<string, () => Clock> = {
  'mock.timers': () => nodeClock('setTimeout'),
  'mock.timers with Date': () => nodeClock('setTimeout', 'Date'),
  'fake-timers': () => FakeTimers.install(),
  'fake-timers of setTimeout': () => FakeTimers.install({toFake: ['setTimeout', 'clearTimeout']}),
};

/**
 * Makes locks of one kind; `acquire` waits for `lock` 0 or 1, which are one where there are no
 * keys.
 */
const LOCKS = {
  'one lock': (timeout: number) => {
    const lock = createLock(timeout);
    return {acquire: () => lock.acquireLock(), release: () => lock.releaseLock()};
  },
  'locks by key': (timeout: number) => {
    const locks = createLocksByKey<number>({timeoutMilliseconds: timeout});
    return {
      acquire: (key = 0) => locks.acquireLock(key),
      release: (key = 0) => locks.releaseLock(key),
    };
  },
  'a shared lock': (timeout: number) => {
    const lock = createSharedLock(timeout);
    return {acquire: () => lock.acquireLock(), release: () => lock.releaseLock()};
  },
};

function install(t: ExecutionContext, clock: () => Clock): Clock {
  const installed = clock();
  let isInstalled = true;
  const uninstall = () => {
    if (isInstalled) installed.uninstall();
    isInstalled = false;
  };
  t.teardown(uninstall);
  return {tick: (milliseconds) => installed.tick(milliseconds), uninstall};
}

for (const [clockName, makeClock] of Object.entries(CLOCKS)) {
  for (const [lockName, makeLock] of Object.entries(LOCKS)) {
    test.serial(`two that wait for ${lockName} both time out in time: ${clockName}`, async (t) => {
      const clock = install(t, makeClock);
      const lock = makeLock(100);
      await lock.acquire();
      const waiters = [watch(lock.acquire()), watch(lock.acquire())];
      const timedOut = () => waiters.map((outcome) => outcome.length);
      clock.tick(99);
      await settle();
      t.deepEqual(timedOut(), [0, 0]);
      clock.tick(1);
      await settle();
      t.deepEqual(timedOut(), [1, 1]);
    });

    test.serial(`one that comes later for ${lockName} times out later: ${clockName}`, async (t) => {
      const clock = install(t, makeClock);
      const lock = makeLock(100);
      await lock.acquire();
      const waiters = [watch(lock.acquire())];
      const timedOut = () => waiters.map((outcome) => outcome.length);
      clock.tick(50);
      await settle();
      waiters.push(watch(lock.acquire()));
      clock.tick(49);
      await settle();
      t.deepEqual(timedOut(), [0, 0]);
      clock.tick(1);
      await settle();
      t.deepEqual(timedOut(), [1, 0]);
      clock.tick(49);
      await settle();
      t.deepEqual(timedOut(), [1, 0]);
      clock.tick(1);
      await settle();
      t.deepEqual(timedOut(), [1, 1]);
    });

    test.serial(
      `timeouts of ${lockName} go on after a fake clock is gone: ${clockName}`,
      async (t) => {
        const clock = install(t, makeClock);
        const lock = makeLock(50);
        await lock.acquire();
        void watch(lock.acquire());
        clock.tick(10);
        clock.uninstall();
        const later = watch(lock.acquire());
        t.true(await comes(() => later.length > 0), 'a later waiter never times out');
        const again = install(t, makeClock);
        const latest = watch(lock.acquire());
        again.tick(50);
        await settle();
        t.is(latest.length, 1, 'a waiter under the next fake clock does not time out');
      },
    );

    test.serial(
      `real waiters for ${lockName} time out under a later fake clock: ${clockName}`,
      async (t) => {
        const lock = makeLock(60);
        await lock.acquire();
        const waiters = [watch(lock.acquire())];
        await realSleep(20);
        waiters.push(watch(lock.acquire()));
        install(t, makeClock);
        t.true(await comes(() => waiters.every((outcome) => outcome.length > 0)));
      },
    );

    test.serial(`fake time ends no real wait for ${lockName}: ${clockName}`, async (t) => {
      const lock = makeLock(100_000);
      await lock.acquire();
      const waiter = watch(lock.acquire());
      const clock = install(t, makeClock);
      const fake = watch(lock.acquire());
      clock.tick(100_000);
      await settle();
      t.deepEqual([waiter.length, fake.length], [0, 1]);
      lock.release();
      await settle();
      t.deepEqual(waiter, [{value: undefined}]);
    });
  }

  test.serial(
    `a waiter of a past fake clock stops no timeout of another key: ${clockName}`,
    async (t) => {
      const clock = install(t, makeClock);
      const locks = createLocksByKey<string>({timeoutMilliseconds: 50});
      await locks.acquireLock('left');
      void watch(locks.acquireLock('left'));
      clock.uninstall();
      await locks.acquireLock('other');
      const other = watch(locks.acquireLock('other'));
      t.true(await comes(() => other.length > 0));
    },
  );

  test.serial(`one gets the lock of a thread that ends: ${clockName}`, async (t) => {
    const [actor] = actors(t, 1);
    if (!actor) throw new Error('There is no actor.');
    const lock = createSharedLock();
    await actor.tell({do: 'attach', buffer: lock.buffer});
    await actor.tell({do: 'acquire'});
    install(t, makeClock);
    const heir = watch(lock.acquireLock());
    await actor.worker.terminate();
    t.true(await comes(() => heir.length > 0));
    t.deepEqual(heir, [{value: undefined}]);
  });

  test.serial(`one gets the lock that another thread releases: ${clockName}`, async (t) => {
    const [actor] = actors(t, 1);
    if (!actor) throw new Error('There is no actor.');
    const lock = createSharedLock(1000);
    await actor.tell({do: 'attach', buffer: lock.buffer});
    await actor.tell({do: 'acquire'});
    const clock = install(t, makeClock);
    const timesOut = watch(lock.acquireLock());
    clock.tick(500);
    const waiter = watch(lock.acquireLock());
    clock.tick(500);
    await settle();
    t.deepEqual([timesOut.length, waiter.length], [1, 0]);
    await actor.tell({do: 'release'});
    t.true(await comes(() => waiter.length > 0));
    t.deepEqual(waiter, [{value: undefined}]);
  });
}

for (const [name, timeout] of [
  ['without a timeout waits', undefined],
  ['with a timeout times out', 1000],
] as const) {
  test.serial(
    `all fake timers run out while another thread holds the lock, and one ${name}`,
    async (t) => {
      const [actor] = actors(t, 1);
      if (!actor) throw new Error('There is no actor.');
      const lock = createSharedLock(timeout);
      await actor.tell({do: 'attach', buffer: lock.buffer});
      await actor.tell({do: 'acquire'});
      const clock = FakeTimers.install();
      t.teardown(() => clock.uninstall());
      const waiter = watch(lock.acquireLock());
      clock.runAll();
      await settle();
      t.is(waiter.length, timeout === undefined ? 0 : 1);
      await actor.tell({do: 'release'});
      if (timeout === undefined) t.true(await comes(() => waiter.length > 0));
    },
  );
}

test.serial(
  'a million milliseconds of fake time do not make a living holder look dead',
  async (t) => {
    const [actor] = actors(t, 1);
    if (!actor) throw new Error('There is no actor.');
    const lock = createSharedLock();
    await actor.tell({do: 'attach', buffer: lock.buffer});
    await actor.tell({do: 'acquire'});
    const clock = FakeTimers.install();
    t.teardown(() => clock.uninstall());
    const waiter = watch(lock.acquireLock());
    for (let n = 0; n < 10; n++) {
      clock.tick(100_000);
      await settle();
    }
    t.deepEqual(waiter, []);
    await actor.tell({do: 'release'});
    t.true(await comes(() => waiter.length > 0));
  },
);

const VITEST = `
import {Worker} from 'node:worker_threads';
import {afterEach, beforeEach, expect, test, vi} from 'vitest';
import {createLock, createLocksByKey} from '@databases/lock';
import {createLock as createSharedLock} from '@databases/lock/shared';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const makers = {
  'one lock': () => createLock(100),
  'locks by key': () => {
    const locks = createLocksByKey({timeoutMilliseconds: 100});
    return {acquireLock: () => locks.acquireLock('key')};
  },
  'a shared lock': () => createSharedLock(100),
};

for (const [name, make] of Object.entries(makers)) {
  test(\`\${name}: two waiters time out, each in its time\`, async () => {
    const lock = make();
    await lock.acquireLock();
    const codes = [];
    const wait = () => lock.acquireLock().catch((error) => codes.push(error.code));
    wait();
    await vi.advanceTimersByTimeAsync(50);
    wait();
    await vi.advanceTimersByTimeAsync(49);
    expect(codes.length).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(codes.length).toBe(1);
    await vi.advanceTimersByTimeAsync(49);
    expect(codes.length).toBe(1);
    vi.advanceTimersByTime(1);
    await vi.advanceTimersByTimeAsync(0);
    expect(codes).toEqual(['ERR_LOCK_TIMEOUT', 'ERR_LOCK_TIMEOUT']);
  });
}

const hold = async (lock) => {
  const worker = new Worker(
    \`
      const {parentPort, workerData} = require('node:worker_threads');
      const {createLock} = require('@databases/lock/shared');
      const lock = createLock(undefined, {buffer: workerData});
      lock.acquireLock().then(() => parentPort.postMessage('held'));
      parentPort.once('message', () => lock.releaseLock());
    \`,
    {eval: true, execArgv: [], workerData: lock.buffer},
  );
  await new Promise((resolve) => worker.once('message', resolve));
  return worker;
};

test('all timers run in the end while another thread holds the lock, and its death is found', async () => {
  const lock = createSharedLock();
  const worker = await hold(lock);
  let entered = false;
  const waiter = lock.withLock(() => {
    entered = true;
  });
  vi.runAllTimers();
  await vi.runAllTimersAsync();
  expect(entered).toBe(false);
  await worker.terminate();
  await waiter;
  expect(entered).toBe(true);
});

test('a lock that another thread releases is acquired', async () => {
  const lock = createSharedLock(1000);
  const worker = await hold(lock);
  const waiter = lock.withLock(() => 'entered');
  vi.advanceTimersByTime(999);
  worker.postMessage('release');
  expect(await waiter).toBe('entered');
});
`;

test.serial(
  'Vitest: fake timers end waits, each in its time, and stop no lock across threads',
  async (t) => {
    const project = makeProject({'lock.test.mjs': VITEST}, ['vitest']);
    const {stdout, exit} = await runFile(commandFile('vitest'), {
      args: ['run', '--reporter=tap-flat', '--testTimeout=8000', '--no-color'],
      cwd: project,
      env: {NODE_OPTIONS: ''},
    });
    const failed = stdout.split('\n').filter((line) => line.startsWith('not ok'));
    t.deepEqual(failed, []);
    t.regex(stdout, /^1\.\.5$/m);
    t.is(exit, '0');
  },
);
