// `createLocksByKey` across threads: what is its own beside the contract of each key's lock.
import {AsyncLocalStorage} from 'node:async_hooks';
import {setTimeout as sleep} from 'node:timers/promises';
import {inspect} from 'node:util';
import test, {type ExecutionContext} from 'ava';
import {createLocksByKey as createInOneThread} from '../../src/index.js';
import {
  createLock,
  createLocksByKey,
  type LockTimeoutError,
  type SharedLocksByKey,
} from '../../src/shared/index.js';
import {actors} from '../support/actors.js';
import {settle, until, values, watch} from '../support/async.js';

const full = {name: 'LockError', code: 'ERR_LOCK_FULL'};
const timedOut = {name: 'LockTimeoutError', code: 'ERR_LOCK_TIMEOUT'};

/** Threads that have a lock for the same key each, or for one of several. */
async function threadsOf(
  t: ExecutionContext,
  {buffer}: SharedLocksByKey,
  keys: ReadonlyArray<string | number>,
) {
  const threads = actors(t, keys.length);
  await Promise.all(threads.map((thread, n) => thread.tell({do: 'attach', buffer, key: keys[n]})));
  return threads;
}

// Keys

test('strings, numbers and bigints are keys, and different ones of different types', async (t) => {
  const locks = createLocksByKey();
  const keys = ['1', 1, 1n, 'key', '', 0, 1.5, -1, Infinity, NaN, 2 ** 53, 2n ** 70n, '\ud800'];
  const other = createLocksByKey({buffer: locks.buffer});
  for (const key of keys) {
    t.false(other.isLocked(key), inspect(key));
    await locks.acquireLock(key);
    t.true(other.isLocked(key), inspect(key));
  }
  t.is(locks.size, keys.length);
  for (const [key, same] of [
    [0, -0],
    [NaN, Number('not a number')],
  ] as const) {
    t.true(locks.isLocked(same), inspect(key));
  }
  for (const key of keys) locks.releaseLock(key);
  t.is(locks.size, 0);
});

test('the same key means the same lock in every thread', async (t) => {
  const locks = createLocksByKey();
  const keys = ['a key of some length, with ünïcödé', -0.5, 7];
  const threads = await threadsOf(t, locks, keys);
  for (const [n, key] of keys.entries()) {
    await threads[n]?.tell({do: 'acquire'});
    t.deepEqual(
      keys.map((each) => locks.isLocked(each)),
      keys.map((each) => each === key),
    );
    await threads[n]?.tell({do: 'release'});
    t.false(locks.isLocked(key));
  }
});

test('what means nothing in another thread is no key, and is told of at once', async (t) => {
  const locks = createLocksByKey() as unknown as SharedLocksByKey<never>;
  for (const key of [undefined, null, true, {}, [], Symbol('key'), () => 1] as never[]) {
    const error = {instanceOf: TypeError, message: /a string, a number or a bigint.*Other threads/};
    await t.throwsAsync(
      locks.withLock(key, () => t.fail()),
      error,
    );
    await t.throwsAsync(locks.acquireLock(key), error);
    await t.throwsAsync(locks.acquire(key), error);
    await t.throwsAsync(
      locks.withLocks([key], () => t.fail()),
      error,
    );
    await t.throwsAsync(locks.acquireAll([key, key]), error);
    t.throws(() => locks.tryAcquire(key), error);
    t.throws(() => locks.isLocked(key), error);
    t.throws(() => locks.acquireSync(key, {allowMainThread: true}), error);
  }
  t.is(locks.size, 0);
});

// Making them

test('bad options are told of at once', (t) => {
  const make = createLocksByKey as (options?: unknown) => unknown;
  for (const [options, message] of [
    [null, /options/],
    [30_000, /options/],
    [
      new Map(),
      /Write createLocksByKey\({timeoutMilliseconds, buffer, onAbandoned, maxKeys, name}\)/,
    ],
    [{store: new Map()}, /"store"/],
    [{timeoutMilliseconds: '1'}, /timeoutMilliseconds/],
    [{onAbandoned: 1}, /onAbandoned/],
    [{name: 1}, /name/],
    [{maxKeys: '10'}, /maxKeys/],
    [{buffer: undefined}, /options\.buffer/],
    [{buffer: new SharedArrayBuffer(64)}, /no lock made it/],
    [{buffer: createLock().buffer}, /single lock's\. Use createLock\./],
  ] as const) {
    t.throws(() => make(options), {instanceOf: TypeError, message}, inspect(options));
  }
  for (const maxKeys of [0, -1, 1.5, 131_073, NaN, Infinity]) {
    t.throws(() => make({maxKeys}), {instanceOf: RangeError, message: /from 1 to 131072/});
  }
  const {buffer} = createLocksByKey({maxKeys: 10});
  t.notThrows(() => createLocksByKey({buffer, maxKeys: 10}));
  const differs = {instanceOf: RangeError, message: /maxKeys to be 10, as in the buffer/};
  t.throws(() => createLocksByKey({buffer, maxKeys: 11}), differs);
  const single = {instanceOf: TypeError, message: /Use createLocksByKey\./};
  t.throws(() => createLock(undefined, {buffer}), single);
});

test('locks by key of another version are told from other buffers', (t) => {
  const {buffer} = createLocksByKey();
  new Int32Array(buffer)[1] = 3;
  t.throws(() => createLocksByKey({buffer}), {code: 'ERR_LOCK_VERSION'});
});

test('the objects of one buffer have timeouts and names of their own, and one line a key', async (t) => {
  const locks = createLocksByKey({name: 'accounts', timeoutMilliseconds: 0});
  const patient = createLocksByKey({buffer: locks.buffer});
  const guard = await patient.acquire('key');
  const error = await t.throwsAsync<LockTimeoutError>(locks.acquire('key'), timedOut);
  t.like(error, {key: 'key', lockName: 'accounts', ownerThreadId: 0});
  const waits = watch(patient.withLock('key', () => 'waited'));
  t.is(locks.pendingCount('key'), 1);
  t.throws(() => locks.releaseLock('key'), {code: 'ERR_LOCK_NOT_HELD'});
  guard.release();
  await settle();
  t.deepEqual(values(waits), ['waited']);
  t.regex(inspect(locks), /^SharedLocksByKey "accounts" \{ 0 held \}$/);
});

// Sides by side

test.serial('callers of each key take turns across threads, and lose nothing', async (t) => {
  const locks = createLocksByKey();
  const keys = ['a', 'b', 'a', 'b'];
  const threads = await threadsOf(t, locks, keys);
  const counters = {a: new SharedArrayBuffer(4), b: new SharedArrayBuffer(4)};
  await Promise.all(
    threads.map((thread, n) => {
      const counter = counters[keys[n] as 'a' | 'b'];
      return thread.tell({do: 'count', times: 200, callers: 8, turn: n < 2, counter});
    }),
  );
  for (const counter of Object.values(counters)) t.is(new Int32Array(counter)[0], 3_200);
  t.is(locks.size, 0);
});

test.serial('a key that is held keeps no other key waiting, whatever the table has', async (t) => {
  for (const maxKeys of [40, 65_536]) {
    const locks = createLocksByKey({maxKeys});
    const [holder] = await threadsOf(t, locks, ['held']);
    await holder?.tell({do: 'acquire'});
    for (let key = 0; key < 1_000; key++) {
      t.is(await locks.withLock(key, () => locks.size), 2);
    }
    t.deepEqual([locks.isLocked('held'), locks.size], [true, 1]);
  }
});

test.serial('many more keys than there are places are used one after the other', async (t) => {
  const locks = createLocksByKey({maxKeys: 7});
  const threads = actors(t, 3);
  const results = await Promise.all(
    threads.map((thread, n) =>
      thread.tell({do: 'use keys', buffer: locks.buffer, from: n, count: 4_000}),
    ),
  );
  t.deepEqual(results, [4_000, 4_000, 4_000]);
  t.is(locks.size, 0);
});

test('a full table refuses a new key at once, and those in use go on', async (t) => {
  const locks = createLocksByKey({maxKeys: 3});
  const guards = await Promise.all([1, 2, 3].map((key) => locks.acquire(key)));
  const waits = watch(locks.withLock(2, () => 'waited'));
  for (const call of [
    () => locks.withLock(4, () => t.fail()),
    () => locks.acquireLock(4),
    () => locks.acquire(4, {timeoutMilliseconds: 1_000}),
    () => locks.withLocks([4, 5], () => t.fail()),
    async () => locks.tryAcquire(4),
    async () => locks.acquireSync(4, {allowMainThread: true}),
  ]) {
    const error = await t.throwsAsync(call, full);
    t.regex(error.message, /at most 3 keys/);
  }
  t.false(locks.isLocked(4));
  t.is(locks.size, 3);
  guards[1]?.release();
  await settle();
  t.deepEqual(values(waits), ['waited']);
  t.is(await locks.withLock(4, () => 'there is room'), 'there is room');
  for (const guard of guards) guard.release();
  t.is(locks.size, 0);
});

test.serial('20,000 keys are held at once by four threads', async (t) => {
  const locks = createLocksByKey({maxKeys: 20_000});
  const threads = actors(t, 4);
  await Promise.all(
    threads.map((thread, n) =>
      thread.tell({do: 'acquire keys', buffer: locks.buffer, from: n * 5_000, count: 5_000}),
    ),
  );
  t.is(locks.size, 20_000);
  t.throws(() => locks.tryAcquire('one more'), full);
});

// Several keys

test.serial(
  'calls for several keys in several threads do not wait for each other in a circle',
  async (t) => {
    const locks = createLocksByKey();
    const threads = actors(t, 4);
    const counter = new SharedArrayBuffer(4);
    const orders = [
      ['a', 1, 'b'],
      ['b', 'a', 1],
      [1, 'b', 'a', 'a'],
      ['b', 1, 'a'],
    ];
    await Promise.all(
      threads.map((thread, n) =>
        thread.tell({
          do: 'count with several',
          buffer: locks.buffer,
          keys: orders[n] ?? [],
          times: 150,
          callers: 4,
          counter,
        }),
      ),
    );
    t.is(new Int32Array(counter)[0], 4 * 150 * 4);
    t.is(locks.size, 0);
  },
);

test('a call for several keys gets all or none, in whatever order it names them', async (t) => {
  const locks = createLocksByKey<string | number>();
  const held = await locks.acquire('b');
  const call = watch(locks.withLocks(['c', 'b', 'a', 'b'], () => locks.size));
  await settle();
  t.deepEqual(
    ['a', 'b', 'c'].map((key) => locks.isLocked(key)),
    [true, true, false],
    'in the order of the keys, as far as the first that is held',
  );
  await t.throwsAsync(locks.acquireAll(['b', 'a'], {timeoutMilliseconds: 20}), timedOut);
  const controller = new AbortController();
  const aborted = locks.acquireAll(['c', 'b'], {signal: controller.signal});
  const reason = new Error('the reason');
  controller.abort(reason);
  await t.throwsAsync(aborted, {is: reason});
  t.false(locks.isLocked('c'));
  held.release();
  await settle();
  t.deepEqual(values(call), [3]);
  t.is(locks.size, 0);
});

test('a call for several keys that meets a full table half way leaves nothing behind', async (t) => {
  const locks = createLocksByKey({maxKeys: 3});
  const held = await locks.acquire('b');
  const call = watch(locks.withLocks(['a', 'b', 'c'], () => t.fail()));
  await settle();
  const last = await locks.acquire('z');
  held.release();
  await settle();
  t.deepEqual(
    call.map((outcome) => 'error' in outcome && (outcome.error as {code: unknown}).code),
    ['ERR_LOCK_FULL'],
  );
  t.is(locks.size, 1);
  last.release();
  t.is(locks.size, 0);
});

test('callers keep their async context', async (t) => {
  const locks = createLocksByKey();
  const storage = new AsyncLocalStorage<number>();
  const seen = await Promise.all(
    [1, 2, 3].map((id) =>
      storage.run(id, () => locks.withLocks(['a', id], () => storage.getStore())),
    ),
  );
  t.deepEqual(seen, [1, 2, 3]);
});

// Deaths

test.serial(
  'each key of a thread that ended is inherited by those who wait for it, and they are told',
  async (t) => {
    const told: unknown[] = [];
    const locks = createLocksByKey<string>({onAbandoned: (info) => told.push(info)});
    const [holder, living] = await threadsOf(t, locks, ['a', 'living']);
    for (const key of ['b', 'c']) {
      await holder?.tell({do: 'attach', as: key, key, buffer: locks.buffer});
      await holder?.tell({do: 'acquire', as: key});
    }
    await holder?.tell({do: 'acquire'});
    await living?.tell({do: 'acquire'});
    const waits = ['a', 'b'].map((key) => locks.withLock(key, () => [key, ...told]));
    const stays = watch(locks.acquire('living'));
    await settle();
    await holder?.worker.terminate();
    const threadId = holder?.threadId;
    const [a, b] = await Promise.all(waits);
    t.deepEqual(
      a?.filter((each) => typeof each === 'object' && (each as {key: string}).key === 'a'),
      [{threadId, key: 'a'}],
    );
    t.true(b?.length === 2 || b?.length === 3);
    // Nobody had waited for this one.
    t.is(await locks.withLock('c', () => told.length), 3);
    t.deepEqual(told.slice(2), [{threadId, key: 'c'}]);
    t.deepEqual(stays, [], 'a thread that lives keeps its keys');
  },
);

test.serial('a thread that ends with 10,000 keys leaves them to whoever asks', async (t) => {
  const told: unknown[] = [];
  const locks = createLocksByKey<number>({onAbandoned: ({key}) => told.push(key)});
  const [holder] = actors(t, 1);
  await holder?.tell({do: 'acquire keys', buffer: locks.buffer, from: 0, count: 10_000});
  t.is(locks.size, 10_000);
  await holder?.worker.terminate();
  await Promise.all(Array.from({length: 10_000}, (_, key) => locks.withLock(key, () => undefined)));
  t.is(locks.size, 0);
  t.is(new Set(told).size, 10_000);
  t.is(told.length, 10_000);
});

test.serial('what ended threads held makes room once the table is full', async (t) => {
  const locks = createLocksByKey({maxKeys: 50});
  const [holder] = actors(t, 1);
  await holder?.tell({do: 'acquire keys', buffer: locks.buffer, from: 0, count: 50});
  t.throws(() => locks.tryAcquire('new'), full);
  await holder?.worker.terminate();
  let guard;
  while (guard === undefined) {
    try {
      guard = locks.tryAcquire('new');
    } catch (error) {
      t.is((error as {code: unknown}).code, 'ERR_LOCK_FULL');
      await sleep(20);
    }
  }
  guard.release();
  const others = await Promise.all(Array.from({length: 50}, (_, n) => locks.acquire(`other ${n}`)));
  t.is(locks.size, 50);
  for (const other of others) other.release();
});

test.serial(
  'a caller in line for a key keeps its thread alive, and one set of waits serves all keys',
  async (t) => {
    const locks = createLocksByKey();
    const guards = await Promise.all(Array.from({length: 300}, (_, key) => locks.acquire(key)));
    const [thread] = actors(t, 1);
    const all = watch(
      thread?.tell({do: 'use keys', buffer: locks.buffer, from: 0, count: 300, atOnce: true}) ??
        Promise.reject(new Error('no thread')),
    );
    await sleep(300);
    t.deepEqual(all, []);
    for (const guard of guards) guard.release();
    await until(() => all.length === 1);
    t.deepEqual(values(all), [300]);
  },
);

// Its place among the interfaces

test('code for locks by key runs on those of one thread and on those of many', async (t) => {
  for (const locks of [createInOneThread<string>(), createLocksByKey<string>()]) {
    const result = await locks.withLocks(['from', 'to'], async () => {
      t.is(locks.size, 2);
      return locks.tryAcquire('from');
    });
    t.is(result, undefined);
    using _guard = await locks.acquire('from', {timeoutMilliseconds: 10});
    t.true(locks.isLocked('from'));
  }
});
