// What is held and awaited now, as data and as a table.
import {channel} from 'node:diagnostics_channel';
import path from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';
import test from 'ava';
import {locksSnapshot, watchLocks, type LockState} from '../../src/debug/index.js';
import {createLock, createLocksByKey} from '../../src/index.js';
import {createLock as createSharedLock} from '../../src/shared/index.js';
import {actors} from '../support/actors.js';
import {settle, until} from '../support/async.js';
import {compiledUrl} from '../support/compiled.js';
import {runFile} from '../support/program.js';
import {reportsOf} from '../support/reports.js';

const nothing = () => undefined;

const summary = (states: readonly LockState[]) =>
  states.map(({state, lock, key}) => [state, lock, key]);

test.serial(
  'a snapshot has those who hold, in the order in which they came, and then those who wait',
  async (t) => {
    reportsOf(t);
    const orders = createLock(undefined, {name: 'orders'});
    const users = createLocksByKey<string>({name: 'users'});
    const guard = await orders.acquire();
    const both = await users.acquireAll(['ada', 'bob']);
    const calls = [
      users.withLock('bob', nothing),
      orders.withLock(nothing),
      users.withLocks(['bob', 'ada'], nothing),
    ];
    t.deepEqual(summary(locksSnapshot()), [
      ['held', 'orders', undefined],
      ['held', 'users', "'ada'"],
      ['held', 'users', "'bob'"],
      ['waiting', 'users', "'bob'"],
      ['waiting', 'orders', undefined],
      ['waiting', 'users', "'bob'"],
      ['waiting', 'users', "'ada'"],
    ]);
    guard.release();
    both.release();
    await Promise.all(calls);
    t.deepEqual(locksSnapshot(), []);
  },
);

test.serial('whoever gives up is not in a snapshot any more', async (t) => {
  reportsOf(t);
  const lock = createLock();
  const users = createLocksByKey<string>();
  const guard = await lock.acquire();
  const user = await users.acquire('ada');
  const controller = new AbortController();
  const aborted = lock.acquire({signal: controller.signal});
  const late = users.withLocks(['bob', 'ada'], {timeoutMilliseconds: 20}, nothing);
  t.is(locksSnapshot().length, 5);
  controller.abort(new Error('mine'));
  await t.throwsAsync(aborted, {message: 'mine'});
  await t.throwsAsync(late, {code: 'ERR_LOCK_TIMEOUT'});
  t.deepEqual(
    locksSnapshot().map(({state}) => state),
    ['held', 'held'],
  );
  user.release();
  guard.release();
});

test.serial('each row tells where and since when', async (t) => {
  reportsOf(t);
  const lock = createLock(undefined, {name: 'orders'});
  const begin = Date.now();
  const guard = await (async function placeOrder() {
    return lock.acquire();
  })();
  const wait = (async function shipOrder() {
    await lock.withLock(nothing);
  })();
  const begun = Date.now();
  await until(() => Date.now() >= begun + 20);
  const states = locksSnapshot();
  const end = Date.now();
  guard.release();
  await wait;
  t.deepEqual(
    states.map(({at}) => /^\w+ \(.*snapshot\.test\.ts:\d+:\d+\)$/.test(at ?? '')),
    [true, true],
  );
  t.deepEqual(
    states.map(({at}) => at?.split(' ')[0]),
    ['placeOrder', 'shipOrder'],
  );
  for (const {milliseconds, since, stack, at} of states) {
    // The clock and the timers may differ by a little.
    t.true(milliseconds >= 15 && milliseconds <= end - begin + 5, `${milliseconds} ms`);
    t.true(since.getTime() >= begin - 5 && since.getTime() <= end - 15, since.toISOString());
    t.true(stack?.startsWith(`at ${at ?? ''}`), stack);
  }
});

test.serial('a snapshot can be cloned, whatever the keys are', async (t) => {
  reportsOf(t);
  const locks = createLocksByKey();
  const keys = [nothing, Symbol('key'), {id: 7, deep: {er: {}}}, 'text', 7, null, undefined];
  const guards = await Promise.all(keys.map((key) => locks.acquire(key)));
  const states = locksSnapshot();
  for (const guard of guards) guard.release();
  t.deepEqual(structuredClone(states), states);
  t.deepEqual(
    states.map(({key}) => key),
    [
      '[Function: nothing]',
      'Symbol(key)',
      '{ id: 7, deep: [Object] }',
      "'text'",
      '7',
      'null',
      'undefined',
    ],
  );
});

test.serial(
  'without stacks a row counts from when it was first seen, and has no place',
  async (t) => {
    reportsOf(t, {stacks: false});
    const lock = createLock();
    const guard = await lock.acquire();
    const before = Date.now();
    await until(() => Date.now() >= before + 20);
    t.like(locksSnapshot(), [{state: 'held', milliseconds: 0, at: undefined, stack: undefined}]);
    await until(() => (locksSnapshot()[0]?.milliseconds ?? 0) > 0);
    guard.release();
  },
);

test.serial(
  'a row of a shared lock names the thread that holds it, also another one',
  async (t) => {
    reportsOf(t);
    const lock = createSharedLock(undefined, {name: 'everybody'});
    const [first] = actors(t, 1);
    await first?.tell({do: 'attach', buffer: lock.buffer});
    await first?.tell({do: 'acquire'});
    const wait = lock.acquire();
    await settle();
    t.like(locksSnapshot(), [{state: 'waiting', lock: 'everybody', threadId: first?.threadId}]);
    await first?.tell({do: 'release'});
    const guard = await wait;
    t.like(locksSnapshot(), [{state: 'held', lock: 'everybody', threadId: 0}]);
    guard.release();
  },
);

test.serial('without a watcher nothing is known, and that is an error', (t) => {
  const error = {
    instanceOf: Error,
    message: 'Nobody is watching the locks. Call watchLocks() when the program starts.',
  };
  t.throws(() => locksSnapshot(), error);
  watchLocks()();
  t.throws(() => locksSnapshot(), error);
});

test.serial('what was held before the watch began is not in it', async (t) => {
  const lock = createLock();
  const guard = await lock.acquire();
  reportsOf(t);
  t.deepEqual(locksSnapshot(), []);
  guard.release();
  t.deepEqual(locksSnapshot(), []);
});

test.serial(
  'a message on the channel gives onSnapshot what there is, until the watch stops',
  async (t) => {
    const snapshots: LockState[][] = [];
    const stop = watchLocks({
      snapshotChannel: 'show the locks',
      onSnapshot: (states) => snapshots.push(states),
    });
    const asking = channel('show the locks');
    const lock = createLock(undefined, {name: 'orders'});
    const guard = await lock.acquire();
    asking.publish('now');
    guard.release();
    asking.publish('now');
    stop();
    asking.publish('now');
    t.deepEqual(snapshots.map(summary), [[['held', 'orders', undefined]], []]);
    t.false(asking.hasSubscribers);
  },
);

// As a table

const program = fileURLToPath(new URL('programs/snapshots.js', import.meta.url));

/** The cells of a table, with `…` for those that are different each time. */
const cells = (table: string) =>
  table
    .split('\n')
    .filter((line) => line.startsWith('│'))
    .map((line) =>
      line
        .split('│')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll(`${pathToFileURL(path.dirname(program)).href}/`, ''))
        .map((cell, column) => (column === 4 && /^\d+$/.test(cell) ? '…' : cell)),
    );

for (const [how, watch] of [
  ['signal', 'snapshotSignal=SIGUSR2'],
  ['channel', 'snapshotChannel=locks/show'],
] as const) {
  test(`a ${how} makes a program print a table of what is held and awaited`, async (t) => {
    const {stdout, stderr, exit} = await runFile(program, {
      flags: ['--import', compiledUrl('src/debug/register')],
      args: [compiledUrl('src/index'), compiledUrl('src/shared/index'), how],
      env: {DATABASES_LOCK_WATCH: watch},
    });
    t.deepEqual(cells(stderr), [
      ['(index)', 'lock', 'key', 'state', 'milliseconds', 'at', 'threadId'],
      [
        '0',
        "'orders'",
        'undefined',
        "'held'",
        '…',
        "'placeOrder (snapshots.js:13:17)'",
        'undefined',
      ],
      ['1', "'users'", `"'ada'"`, "'held'", '…', "'renameUser (snapshots.js:22:16)'", 'undefined'],
      ['2', "'everybody'", 'undefined', "'held'", '…', "'countUsers (snapshots.js:26:17)'", '0'],
      [
        '3',
        "'orders'",
        'undefined',
        "'waiting'",
        '…',
        "'shipOrder (snapshots.js:17:30)'",
        'undefined',
      ],
    ]);
    t.is(stdout, '', 'it is printed to the standard error output');
    t.is(exit, '0');
  });
}
