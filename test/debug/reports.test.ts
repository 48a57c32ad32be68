// What is reported of locks that are held, or awaited, for long; and what is left when nobody
// watches any more.
import {executionAsyncResource} from 'node:async_hooks';
import {getActiveResourcesInfo} from 'node:process';
import test from 'ava';
import {watchLocks, type LockReport} from '../../src/debug/index.js';
import {createLock, createLocksByKey} from '../../src/index.js';
import {watching} from '../../src/line/watching.js';
import {createLock as createSharedLock} from '../../src/shared/index.js';
import {deferred, settle, until, watch} from '../support/async.js';
import {looksPass, reportsOf, withoutTimes} from '../support/reports.js';

const nothing = () => undefined;

/** Computes for so long: nothing else happens in the thread. */
function compute(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

const kinds = (reports: readonly LockReport[]) => reports.map(({kind}) => kind);

/** The text without times, and without the lines of the callers' callers, which are AVA's. */
const told = ({text}: LockReport): string[] =>
  withoutTimes(text)
    .split('\n')
    .filter((line) => !line.startsWith('    '))
    .map((line) => line.replace(/\((\S*[\\/])?(\w+\.test\.ts):\d+:\d+\)/, '($2)'));

// Held for too long

test.serial(
  'a lock that is held for too long is told with its holder and those who wait',
  async (t) => {
    const reports = reportsOf(t, {heldMilliseconds: 30});
    const lock = createLock(undefined, {name: 'accounts'});
    const end = deferred();
    void (async function pay() {
      await lock.withLock(() => end.promise);
    })();
    void (async function refund() {
      await lock.withLock(nothing);
    })();
    void (async function audit() {
      await lock.acquire();
    })();
    await until(() => reports.length > 0);
    const [report] = reports;
    t.deepEqual(report && told(report), [
      "The lock 'accounts' has been held for … ms; 2 calls wait behind it.",
      '  held for … ms, since …, at pay (reports.test.ts)',
      '  waiting for … ms, since …, at refund (reports.test.ts)',
      '  waiting for … ms, since …, at audit (reports.test.ts)',
    ]);
    t.like(report, {kind: 'held', certainty: 'proved'});
    t.like(report?.calls, [
      {state: 'held', lock: 'accounts', key: undefined, threadId: undefined},
      {state: 'waiting', lock: 'accounts'},
      {state: 'waiting', lock: 'accounts'},
    ]);
    t.true((report?.calls[0]?.milliseconds ?? 0) >= 30);
    await looksPass();
    t.is(reports.length, 1);
    // Each acquisition has a report of its own.
    end.resolve();
    const audit = report?.calls[2]?.at;
    await until(() => reports.slice(1).some(({calls: [held]}) => held?.at === audit));
  },
);

test.serial('the place of a holder is the line and column of its call', async (t) => {
  const reports = reportsOf(t, {heldMilliseconds: 1});
  const lock = createLock();
  const here = /:(\d+):\d+\)/.exec(new Error().stack ?? '')?.[1] ?? '';
  const guard = await lock.acquire();
  await until(() => reports.length > 0);
  guard.release();
  t.regex(
    reports[0]?.calls[0]?.at ?? '',
    new RegExp(String.raw`reports\.test\.ts:${Number(here) + 1}:\d+`),
  );
  t.regex(reports[0]?.calls[0]?.stack ?? '', /^at .*reports\.test\.ts/);
});

const PLACES: Record<string, (fn: () => unknown) => Promise<unknown>> = {
  'withLock of a lock': async function caller(fn) {
    await createLock().withLock(fn);
  },
  'withLock with options': async function caller(fn) {
    await createLock().withLock({timeoutMilliseconds: 1000}, fn);
  },
  'acquireLock of a lock': async function caller(fn) {
    await createLock().acquireLock();
    await fn();
  },
  'tryAcquire of a lock': async function caller(fn) {
    createLock().tryAcquire();
    await fn();
  },
  'withLock by key': async function caller(fn) {
    await createLocksByKey<string>().withLock('key', fn);
  },
  'withLocks by key': async function caller(fn) {
    await createLocksByKey<string>().withLocks(['key'], fn);
  },
  'acquire by key': async function caller(fn) {
    await createLocksByKey<string>().acquire('key');
    await fn();
  },
  'acquireAll by key': async function caller(fn) {
    await createLocksByKey<string>().acquireAll(['key']);
    await fn();
  },
  'tryAcquire by key': async function caller(fn) {
    createLocksByKey<string>().tryAcquire('key');
    await fn();
  },
  'withLock of a shared lock': async function caller(fn) {
    await createSharedLock().withLock(fn);
  },
  'acquire of a shared lock after a wait': async function caller(fn) {
    const lock = createSharedLock();
    void lock.withLock(settle);
    await lock.acquire();
    await fn();
  },
  'withLock after a wait': async function caller(fn) {
    const lock = createLock();
    void lock.withLock(settle);
    await lock.withLock(fn);
  },
};

for (const [title, call] of Object.entries(PLACES)) {
  test.serial(`the first frame is the caller's: ${title}`, async (t) => {
    const reports = reportsOf(t, {heldMilliseconds: 1});
    const end = deferred();
    const done = call(() => end.promise);
    await until(() => reports.some(({calls: [held]}) => held?.milliseconds !== undefined));
    await looksPass();
    end.resolve();
    await done;
    for (const {calls} of reports)
      t.regex(calls[0]?.at ?? '', /^caller \(\S*reports\.test\.ts:\d+:\d+\)$/);
  });
}

test.serial('a lock by key is told with its key', async (t) => {
  const reports = reportsOf(t, {heldMilliseconds: 1});
  const locks = createLocksByKey({name: 'users'});
  const guard = await locks.acquire({id: 7});
  await until(() => reports.length > 0);
  guard.release();
  t.regex(
    reports[0]?.text ?? '',
    /^The lock 'users' \(key \{ id: 7 \}\) has been held for \d+ ms; nobody waits behind it\.\n/,
  );
  t.like(reports[0]?.calls, [{lock: 'users', key: '{ id: 7 }'}]);
});

test.serial('unnamed locks are told from each other by numbers that stay', async (t) => {
  const reports = reportsOf(t, {heldMilliseconds: 1});
  const [first, second] = [createLock(), createLock()];
  const names: (string | undefined)[] = [];
  for (const lock of [first, second, first]) {
    const before = reports.length;
    const guard = await lock.acquire();
    await until(() => reports.length > before);
    guard.release();
    names.push(reports.at(-1)?.calls[0]?.lock);
  }
  t.regex(names[0] ?? '', /^unnamed lock \d+$/);
  t.not(names[0], names[1]);
  t.is(names[0], names[2]);
  t.regex(reports[0]?.text ?? '', new RegExp(`^The ${names[0] ?? ''} has been held`));
});

for (const [kind, make] of Object.entries({createLock, 'shared createLock': createSharedLock})) {
  test.serial(
    `a holder of ${kind} that computed for too long is told when it releases`,
    async (t) => {
      const reports = reportsOf(t, {heldMilliseconds: 150});
      const lock = make(undefined, {name: 'busy'});
      await lock.withLock(() => compute(200));
      t.deepEqual(kinds(reports), ['held']);
      t.regex(
        reports[0]?.text ?? '',
        /^The lock 'busy' was held for \d+ ms; nobody waits behind it\.\n/,
      );
      await lock.withLock(nothing);
      await looksPass();
      t.is(reports.length, 1);
    },
  );
}

test.serial(
  'only the one who held it for too long is told, and not those before and after',
  async (t) => {
    const reports = reportsOf(t, {heldMilliseconds: 1000});
    const lock = createLock();
    for (let turn = 0; turn < 20; turn++) await lock.withLock(settle);
    t.deepEqual(reports, []);
  },
);

// Waiting for too long

test.serial('one report tells of all who wait in a line for too long', async (t) => {
  const reports = reportsOf(t, {waitingMilliseconds: 30});
  const lock = createLock(undefined, {name: 'accounts'});
  const end = deferred();
  void (async function pay() {
    await lock.withLock(() => end.promise);
  })();
  const waits = ['refund', 'audit', 'close'].map(async () => lock.withLock(nothing));
  await until(() => reports.length > 0);
  const [report] = reports;
  t.deepEqual(report && told(report).map((line) => line.replace(/at (?!pay).*/, 'at …')), [
    "A call has been waiting for the lock 'accounts' for … ms; 2 calls wait behind it.",
    '  waiting for … ms, since …, at …',
    '  held for … ms, since …, at pay (reports.test.ts)',
    '  waiting for … ms, since …, at …',
    '  waiting for … ms, since …, at …',
  ]);
  t.like(report, {kind: 'waiting', certainty: 'proved'});
  t.deepEqual(
    report?.calls.map(({state}) => state),
    ['waiting', 'held', 'waiting', 'waiting'],
  );
  await looksPass();
  t.is(reports.length, 1);
  end.resolve();
  await Promise.all(waits);
  t.is(reports.length, 1);
});

test.serial('another line gets a report of its own', async (t) => {
  const reports = reportsOf(t, {waitingMilliseconds: 20});
  const locks = createLocksByKey<string>({name: 'users'});
  const guard = await locks.acquireAll(['ada', 'bob']);
  const waits = ['ada', 'bob', 'bob'].map((key) => locks.withLock(key, nothing));
  await until(() => reports.length > 1);
  await looksPass();
  guard.release();
  await Promise.all(waits);
  t.deepEqual(kinds(reports), ['waiting', 'waiting']);
  t.deepEqual(reports.map(({calls: [first]}) => first?.key).sort(), ["'ada'", "'bob'"]);
});

test.serial('ten of those who wait behind are listed, and the others counted', async (t) => {
  const reports = reportsOf(t, {waitingMilliseconds: 10});
  const lock = createLock();
  const guard = await lock.acquire();
  const waits = Array.from({length: 25}, () => lock.withLock(nothing));
  await until(() => reports.length > 0);
  guard.release();
  await Promise.all(waits);
  const lines = reports[0] ? told(reports[0]) : [];
  t.regex(lines[0] ?? '', /; 24 calls wait behind it\.$/);
  t.is(lines.filter((line) => line.startsWith('  waiting')).length, 11);
  t.is(lines.at(-1), '  and 14 more.');
  t.is(reports[0]?.calls.length, 26);
});

test.serial('who held the lock before the watch began is not known', async (t) => {
  const lock = createLock();
  const guard = await lock.acquire();
  const reports = reportsOf(t, {waitingMilliseconds: 10});
  const wait = lock.withLock(nothing);
  await until(() => reports.length > 0);
  guard.release();
  await wait;
  t.regex(reports[0]?.text ?? '', /^ {2}held since before the watch began\.$/m);
  t.is(reports[0]?.calls.length, 1);
});

test.serial('where a holder called before the watch began is not known, either', async (t) => {
  const lock = createLock(undefined, {name: 'accounts'});
  const guard = await lock.acquire();
  const second = lock.acquire();
  const reports = reportsOf(t, {heldMilliseconds: 10});
  guard.release();
  await until(() => reports.length > 0);
  (await second).release();
  // Least of all where the one before it released the lock.
  t.like(reports, [{kind: 'held', calls: [{lock: 'accounts', at: undefined, stack: undefined}]}]);
});

test.serial('a call for several keys is told where it waits', async (t) => {
  const reports = reportsOf(t, {waitingMilliseconds: 10});
  const locks = createLocksByKey<string>({name: 'users'});
  const guard = await locks.acquire('bob');
  const wait = (async function both() {
    await locks.withLocks(['ada', 'bob'], nothing);
  })();
  await until(() => reports.length > 0);
  await looksPass();
  guard.release();
  await wait;
  t.like(reports, [{kind: 'waiting', calls: [{key: "'bob'"}, {state: 'held', key: "'bob'"}]}]);
  t.regex(reports[0]?.calls[0]?.at ?? '', /^both \(/);
});

// Options

test.serial('without stacks there are times and names, and no places', async (t) => {
  const reports = reportsOf(t, {heldMilliseconds: 20, waitingMilliseconds: 20, stacks: false});
  const lock = createLock(undefined, {name: 'accounts'});
  const guard = await lock.acquire();
  const wait = lock.withLock(nothing);
  await until(() => reports.length > 1);
  t.deepEqual(kinds(reports).sort(), ['held', 'waiting']);
  guard.release();
  await wait;
  const held = reports.find(({kind}) => kind === 'held');
  t.deepEqual(held && told(held), [
    "The lock 'accounts' has been held for … ms; 1 call waits behind it.",
    '  held for … ms, since ….',
    '  waiting for … ms, since ….',
  ]);
  t.like(held?.calls, [
    {at: undefined, stack: undefined},
    {at: undefined, stack: undefined},
  ]);
});

test.serial('without stacks, too, a nested call waits for itself', async (t) => {
  const reports = reportsOf(t, {stacks: false});
  const lock = createLock();
  void lock.withLock(async () => {
    await lock.withLock(nothing);
  });
  await until(() => reports.length > 0);
  t.like(reports, [{kind: 'waits-for-itself', certainty: 'proved'}]);
});

test.serial('what onReport throws is an uncaught error, and changes nothing', async (t) => {
  const uncaught: unknown[] = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => uncaught.push(error.message));
  t.teardown(() => {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  });
  const stop = watchLocks({
    heldMilliseconds: 10,
    onReport: ({kind}) => {
      throw new Error(`from onReport of ${kind}`);
    },
  });
  t.teardown(stop);
  const others = reportsOf(t, {heldMilliseconds: 10});
  const lock = createLock();
  t.is(await lock.withLock(() => (compute(20), 'done')), 'done');
  await until(() => uncaught.length > 0);
  t.deepEqual(uncaught, ['from onReport of held']);
  t.deepEqual(kinds(others), ['held']);
  t.is(await lock.withLock(() => 'goes on'), 'goes on');
});

test.serial('without onReport the text is a warning on the console', async (t) => {
  const {warn} = console;
  const warnings: unknown[] = [];
  console.warn = (text: unknown) => warnings.push(text);
  t.teardown(() => {
    console.warn = warn;
  });
  t.teardown(watchLocks({heldMilliseconds: 10}));
  await createLock(undefined, {name: 'accounts'}).withLock(() => compute(20));
  t.is(warnings.length, 1);
  t.regex(String(warnings[0]), /^The lock 'accounts' was held for \d+ ms; /);
});

test.serial('each of several watchers has its own limits, and is told for itself', async (t) => {
  const patient = reportsOf(t, {heldMilliseconds: 80});
  const hasty = reportsOf(t, {heldMilliseconds: 10});
  const waiting = reportsOf(t, {waitingMilliseconds: 10});
  const lock = createLock();
  const guard = await lock.acquire();
  const wait = lock.withLock(nothing);
  await until(() => hasty.length > 0);
  await until(() => patient.length > 0);
  await until(() => waiting.length > 0);
  t.deepEqual([kinds(hasty), kinds(patient), kinds(waiting)], [['held'], ['held'], ['waiting']]);
  t.true((patient[0]?.calls[0]?.milliseconds ?? 0) >= 80);
  guard.release();
  await wait;
});

test.serial('a watcher that stops ends no other', async (t) => {
  const left = reportsOf(t, {heldMilliseconds: 20});
  const ended: LockReport[] = [];
  const stop = watchLocks({heldMilliseconds: 1, onReport: (report) => ended.push(report)});
  const lock = createLock();
  const guard = await lock.acquire();
  stop();
  stop();
  await until(() => left.length > 0);
  guard.release();
  t.deepEqual(ended, []);
  t.deepEqual(kinds(left), ['held']);
});

// The end of a watch

test.serial(
  'once the last watcher has stopped, nothing is watched, and calls settle as ever',
  async (t) => {
    const reports: LockReport[] = [];
    const timers = () => getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const events = () =>
      ['beforeExit', 'exit', 'SIGUSR2'].map((event) => process.listenerCount(event));
    const before = {timers: timers(), events: events()};
    const stop = watchLocks({
      heldMilliseconds: 20,
      waitingMilliseconds: 20,
      onReport: (report) => reports.push(report),
      snapshotSignal: 'SIGUSR2',
    });
    t.is(timers(), before.timers, 'no timer of its own keeps the process alive');
    const lock = createLock();
    const locks = createLocksByKey<string>();
    const guard = await lock.acquire();
    const group = await locks.acquireAll(['x', 'y']);
    const calls = [
      lock.withLock(() => 'withLock'),
      lock.acquireLock('acquireLock'),
      locks.withLocks(['y', 'x'], () => 'withLocks'),
    ].map(watch);
    await settle();
    const toldBefore = reports.length;
    stop();
    t.is(watching.watcher, undefined);
    t.deepEqual({timers: timers(), events: events()}, before);
    await looksPass();
    guard.release();
    group.release();
    await until(() => calls.every(({length}) => length > 0));
    t.deepEqual(calls, [[{value: 'withLock'}], [{value: 'acquireLock'}], [{value: 'withLocks'}]]);
    lock.releaseLock();
    t.is(await lock.withLock(() => 'free'), 'free');
    t.is(reports.length, toldBefore);
  },
);

test.serial(
  'whoever has stopped to watch leaves nothing in the async contexts of the process',
  async (t) => {
    // What Node.js attaches to each timer, and to each promise, for every store that is in use.
    const stores = () =>
      new Promise((resolve) =>
        setImmediate(() => {
          const {length} = Object.getOwnPropertySymbols(executionAsyncResource());
          resolve(length);
        }),
      );
    const before = await stores();
    for (let watch = 0; watch < 5; watch++) {
      const stop = watchLocks();
      const lock = createLock();
      (await lock.acquire()).release();
      stop();
    }
    t.is(await stores(), before);
  },
);

// Slips

const SLIPS: [
  options: unknown,
  error: {instanceOf: typeof TypeError | typeof RangeError; message: string | RegExp},
][] = [
  ...['heldMilliseconds', 'waitingMilliseconds'].flatMap((name): typeof SLIPS => [
    [
      {[name]: '5000'},
      {instanceOf: TypeError, message: `Expected ${name} to be a number, but got string.`},
    ],
    [
      {[name]: null},
      {instanceOf: TypeError, message: `Expected ${name} to be a number, but got null.`},
    ],
    [
      {[name]: 0},
      {instanceOf: RangeError, message: `Expected ${name} to be more than 0, but got 0.`},
    ],
    [
      {[name]: NaN},
      {instanceOf: RangeError, message: `Expected ${name} to be more than 0, but got NaN.`},
    ],
  ]),
  [
    {stacks: 'yes'},
    {instanceOf: TypeError, message: 'Expected stacks to be a boolean, but got string.'},
  ],
  [
    {onReport: {}},
    {instanceOf: TypeError, message: 'Expected onReport to be a function, but got object.'},
  ],
  [
    {onSnapshot: true},
    {instanceOf: TypeError, message: 'Expected onSnapshot to be a function, but got boolean.'},
  ],
  [
    {snapshotSignal: 12},
    {instanceOf: TypeError, message: 'Expected snapshotSignal to be a string, but got number.'},
  ],
  [
    {snapshotSignal: 'USR2'},
    {
      instanceOf: RangeError,
      message: 'Expected snapshotSignal to be a signal such as SIGUSR2, but got USR2.',
    },
  ],
  [
    {snapshotChannel: Symbol('channel')},
    {instanceOf: TypeError, message: 'Expected snapshotChannel to be a string, but got symbol.'},
  ],
  [
    {held: 5000},
    {
      instanceOf: TypeError,
      message: /^Unknown option "held"\. Write .*heldMilliseconds, waitingMilliseconds, /,
    },
  ],
  [5000, {instanceOf: TypeError, message: /^Expected options to be an object, but got number\./}],
  [null, {instanceOf: TypeError, message: /^Expected options to be an object, but got null\./}],
];

test.serial('a bad option is refused by its name, and begins no watch', (t) => {
  for (const [options, error] of SLIPS) {
    t.throws(() => watchLocks(options as Parameters<typeof watchLocks>[0]), error);
    t.is(watching.watcher, undefined);
  }
});

test.serial('a snapshotSignal that no process can catch begins no watch', (t) => {
  const exits = process.listenerCount('exit');
  t.throws(() => watchLocks({snapshotSignal: 'SIGKILL'}), {code: 'EINVAL'});
  t.is(watching.watcher, undefined);
  t.is(process.listenerCount('exit'), exits);
});
