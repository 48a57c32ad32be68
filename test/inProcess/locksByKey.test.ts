import {AsyncLocalStorage} from 'node:async_hooks';
import {inspect} from 'node:util';
import test from 'ava';
import {createLocksByKey, getLocksByKey, type Lock} from '../../src/index.js';
import {countLeft} from '../support/garbage.js';
import {deferred, settle, until, values, watch} from '../support/async.js';

const notHeld = {name: 'LockError', code: 'ERR_LOCK_NOT_HELD'};

/** A store that counts, and can be told to fail. */
class TestStore<TKey> {
  readonly map = new Map<TKey, Lock>();
  fails: 'get' | 'set' | 'delete' | undefined;

  get(key: TKey) {
    this.#mayFail('get');
    return this.map.get(key);
  }

  set(key: TKey, lock: Lock) {
    this.#mayFail('set');
    this.map.set(key, lock);
  }

  delete(key: TKey) {
    this.#mayFail('delete');
    this.map.delete(key);
  }

  #mayFail(method: string) {
    if (this.fails === method) throw new Error(`The store failed to ${method}`);
  }
}

test('callers of one key enter one at a time and in order, those of different keys side by side', async (t) => {
  const locks = createLocksByKey<string>();
  const inside = new Map<string, number>();
  const order: Record<string, number[]> = {a: [], b: [], c: []};
  let most = 0;
  await Promise.all(
    Array.from({length: 60}, async (_, caller) => {
      const key = ['a', 'b', 'c'][caller % 3] ?? 'a';
      await locks.withLock(key, async () => {
        inside.set(key, (inside.get(key) ?? 0) + 1);
        t.is(inside.get(key), 1);
        order[key]?.push(caller);
        most = Math.max(most, [...inside.values()].filter((count) => count > 0).length);
        await settle();
        inside.set(key, 0);
      });
    }),
  );
  for (const callers of Object.values(order))
    t.deepEqual(
      callers,
      [...callers].sort((a, b) => a - b),
    );
  t.is(most, 3);
});

test('keys are compared as in a Map', async (t) => {
  const locks = createLocksByKey();
  const object = {};
  for (const [key, same, other] of [
    [NaN, NaN, 0],
    [0, -0, '0'],
    [object, object, {}],
    ['key', 'key', Symbol('key')],
    [undefined, undefined, null],
  ]) {
    await locks.acquireLock(key);
    const waiter = watch(locks.acquireLock(same, 'waited'));
    await locks.withLock(other, () => undefined);
    t.deepEqual(waiter, []);
    locks.releaseLock(same);
    await settle();
    t.deepEqual(waiter, [{value: 'waited'}]);
    locks.releaseLock(key);
  }
});

test("the caller's own store decides which keys are the same", async (t) => {
  const map = new Map<string, Lock>();
  const locks = createLocksByKey<string>({
    store: {
      get: (key) => map.get(key.toLowerCase()),
      set: (key, lock) => map.set(key.toLowerCase(), lock),
      delete: (key) => map.delete(key.toLowerCase()),
    },
  });
  await locks.acquireLock('KEY');
  const waiter = watch(locks.withLock('key', () => 'waited'));
  await settle();
  t.deepEqual(waiter, []);
  locks.releaseLock('Key');
  await settle();
  t.deepEqual(waiter, [{value: 'waited'}]);
  t.is(map.size, 0);
});

test('objects can be keys of a WeakMap', async (t) => {
  const locks = createLocksByKey<object>({store: new WeakMap<object, Lock>()});
  const key = {};
  t.deepEqual(
    await Promise.all([locks.withLock(key, () => 1), locks.withLock(key, () => 2)]),
    [1, 2],
  );
});

test("a key's lock exists only while somebody holds or awaits it", async (t) => {
  const store = new TestStore<string>();
  const locks = createLocksByKey<string>({store, timeoutMilliseconds: 50});
  const keys = () => [...store.map.keys()];
  await locks.acquireLock('a');
  t.deepEqual(keys(), ['a']);
  const next = deferred();
  const waiter = locks.withLock('a', () => next.promise);
  locks.releaseLock('a');
  t.deepEqual(keys(), ['a']);
  await t.throwsAsync(locks.acquireLock('a'), {code: 'ERR_LOCK_TIMEOUT'});
  t.deepEqual(keys(), ['a']);
  next.resolve();
  await waiter;
  t.deepEqual(keys(), []);
  await t.throwsAsync(
    locks.withLock('a', () => {
      throw new Error('mine');
    }),
  );
  t.deepEqual(keys(), []);
});

test('withLock with something that is not a function rejects and creates no lock', async (t) => {
  const store = new TestStore<string>();
  const locks = createLocksByKey<string>({store});
  await t.throwsAsync(locks.withLock('a', 1 as unknown as () => void), {instanceOf: TypeError});
  t.is(store.map.size, 0);
});

test('a timeout tells the key and admits nobody', async (t) => {
  const locks = createLocksByKey<{id: number}>({timeoutMilliseconds: 50});
  const key = {id: 1};
  const release = deferred();
  const holder = locks.withLock(key, () => release.promise);
  const entered: string[] = [];
  const error = await t.throwsAsync<Error & {key: unknown; timeoutMilliseconds: number}>(
    locks.withLock(key, () => entered.push('timed out')),
    {
      name: 'LockTimeoutError',
      code: 'ERR_LOCK_TIMEOUT',
      message: 'Timed out waiting for lock after 50ms',
    },
  );
  t.is(error.key, key);
  t.is(error.timeoutMilliseconds, 50);
  const late = watch(locks.acquireLock(key, 'late'));
  await settle();
  t.deepEqual(values(late), []);
  release.resolve();
  await holder;
  await until(() => late.length === 1);
  t.deepEqual(entered, []);
});

test('with a timeout of 0 only the key that is taken gives up', async (t) => {
  const locks = createLocksByKey<number>({timeoutMilliseconds: 0});
  await locks.acquireLock(1);
  await t.throwsAsync(locks.acquireLock(1), {code: 'ERR_LOCK_TIMEOUT'});
  t.is(await locks.withLock(2, () => 'free'), 'free');
  locks.releaseLock(1);
  t.is(await locks.withLock(1, () => 'free'), 'free');
});

test('10,000 keys with a waiter each time out', async (t) => {
  const locks = createLocksByKey<number>({timeoutMilliseconds: 50});
  const errors = await Promise.all(
    Array.from({length: 10_000}, async (_, key) => {
      await locks.acquireLock(key);
      return locks.acquireLock(key).catch((error: unknown) => error);
    }),
  );
  t.deepEqual(
    errors.map((error) => (error as {key: unknown}).key),
    Array.from({length: 10_000}, (_, key) => key),
  );
});

test('releasing a key that is not held, or not known, throws', async (t) => {
  const locks = createLocksByKey<string>();
  t.throws(() => locks.releaseLock('a'), notHeld);
  await locks.acquireLock('a');
  t.throws(() => locks.releaseLock('b'), notHeld);
  locks.releaseLock('a');
  t.throws(() => locks.releaseLock('a'), notHeld);
});

test("a withLock that was released from inside leaves the key's next holder alone", async (t) => {
  const locks = createLocksByKey<string>();
  const next = deferred();
  const misuse = locks.withLock('a', async () => {
    locks.releaseLock('a');
    await settle();
  });
  const victim = locks.withLock('a', () => next.promise);
  const afterVictim = watch(locks.withLock('a', () => 'after'));
  await t.throwsAsync(misuse, notHeld);
  await settle();
  t.deepEqual(afterVictim, []);
  next.resolve();
  await victim;
  await settle();
  t.deepEqual(afterVictim, [{value: 'after'}]);
});

test('a call by key keeps its async context, and gets its arguments and task', async (t) => {
  const locks = createLocksByKey<string>();
  const storage = new AsyncLocalStorage<number>();
  const seen = await Promise.all(
    [1, 2, 3].map((id) =>
      storage.run(id, async () => {
        const inside = await locks.withLock('a', (n: number) => [storage.getStore(), n], id * 10);
        const task = await locks.acquireLock('a', id * 100);
        const after = storage.getStore();
        locks.releaseLock('a');
        return [...inside, task, after];
      }),
    ),
  );
  t.deepEqual(seen, [
    [1, 10, 100, 1],
    [2, 20, 200, 2],
    [3, 30, 300, 3],
  ]);
});

test('a store that throws makes the promise reject, and the next call find the lock free', async (t) => {
  const store = new TestStore<string>();
  const locks = createLocksByKey<string>({store});
  for (const method of ['get', 'set'] as const) {
    store.fails = method;
    const error = {message: `The store failed to ${method}`};
    await t.throwsAsync(
      locks.withLock('a', () => t.fail('entered')),
      error,
    );
    await t.throwsAsync(locks.acquireLock('a'), error);
    store.fails = undefined;
    t.is(await locks.withLock('a', () => 'free'), 'free');
  }
  await locks.acquireLock('a');
  store.fails = 'delete';
  t.throws(() => locks.releaseLock('a'), {message: 'The store failed to delete'});
  await t.throwsAsync(
    locks.withLock('a', () => undefined),
    {message: 'The store failed to delete'},
  );
  const error = new Error('mine');
  t.is(await t.throwsAsync(locks.withLock('a', async () => Promise.reject(error))), error);
  store.fails = undefined;
  t.is(await locks.withLock('a', () => 'free'), 'free');
  t.is(store.map.size, 0);
});

test('a guard by key releases that key, once', async (t) => {
  const locks = createLocksByKey<string>();
  const guard = await locks.acquire('a');
  const other = await locks.acquire('b');
  const waiter = watch(locks.acquire('a'));
  t.deepEqual([locks.isLocked('a'), locks.pendingCount('a'), locks.size], [true, 1, 2]);
  guard.release();
  guard.release();
  await settle();
  t.is(waiter.length, 1);
  t.deepEqual([locks.isLocked('a'), locks.pendingCount('a'), locks.size], [true, 0, 2]);
  other.release();
  t.deepEqual([locks.isLocked('b'), locks.size], [false, 1]);
  locks.releaseLock('a');
  t.deepEqual([locks.isLocked('a'), locks.pendingCount('a'), locks.size], [false, 0, 0]);
});

test('a guard of a key that is long gone touches no later lock of that key', async (t) => {
  const locks = createLocksByKey<string>();
  const guard = await locks.acquire('a');
  locks.releaseLock('a');
  const later = await locks.acquire('a');
  t.throws(() => guard.release(), notHeld);
  t.true(locks.isLocked('a'));
  later.release();
  t.is(locks.size, 0);
});

test('tryAcquire by key takes the free key, and no other', (t) => {
  const locks = createLocksByKey<string>();
  using guard = locks.tryAcquire('a');
  t.truthy(guard);
  t.is(locks.tryAcquire('a'), undefined);
  using other = locks.tryAcquire('b');
  t.truthy(other);
  t.is(locks.size, 2);
});

test('a wait by key is aborted with the reason, and leaves nothing in the store', async (t) => {
  const store = new TestStore<string>();
  const locks = createLocksByKey<string>({store});
  const reason = new Error('the reason');
  await t.throwsAsync(locks.acquire('a', {signal: AbortSignal.abort(reason)}), {is: reason});
  t.is(store.map.size, 0);
  const guard = await locks.acquire('a');
  const controller = new AbortController();
  const waiter = locks.acquire('a', {signal: controller.signal});
  controller.abort(reason);
  await t.throwsAsync(waiter, {is: reason});
  t.is(locks.pendingCount('a'), 0);
  guard.release();
  t.is(store.map.size, 0);
});

test('isLocked, pendingCount and a tryAcquire that fails put nothing into the store', async (t) => {
  const store = new TestStore<string>();
  const locks = createLocksByKey<string>({store});
  t.deepEqual([locks.isLocked('a'), locks.pendingCount('a'), locks.size], [false, 0, 0]);
  t.is(store.map.size, 0);
  const guard = await locks.acquire('a');
  t.is(locks.tryAcquire('a'), undefined);
  guard.release();
  t.is(store.map.size, 0);
});

test('a store that throws is reported by acquire and tryAcquire, and size counts right nevertheless', async (t) => {
  const store = new TestStore<string>();
  const locks = createLocksByKey<string>({store});
  for (const method of ['get', 'set'] as const) {
    store.fails = method;
    const error = {message: `The store failed to ${method}`};
    await t.throwsAsync(locks.acquire('a'), error);
    t.throws(() => locks.tryAcquire('a'), error);
    store.fails = undefined;
    t.is(locks.size, 0);
  }
  const guard = await locks.acquire('a');
  t.is(locks.size, 1);
  store.fails = 'delete';
  t.throws(() => guard.release(), {message: 'The store failed to delete'});
  t.is(locks.size, 0);
});

test('bad options are refused when the locks are made', (t) => {
  for (const bad of [NaN, -1]) {
    t.throws(() => createLocksByKey({timeoutMilliseconds: bad}), {instanceOf: RangeError});
  }
  for (const bad of [
    {timeoutMilliseconds: '50'},
    {timeoutMilliseconds: null},
    {store: null},
    {store: {}},
    {store: {get() {}, set() {}}},
    {store: 'store'},
    null,
    50,
  ]) {
    t.throws(() => createLocksByKey(bad as unknown as object), {
      instanceOf: TypeError,
      message: /^Expected .+, but got .+\.$/,
    });
  }
  t.notThrows(() => createLocksByKey({timeoutMilliseconds: undefined, store: undefined}));
});

test('getLocksByKey is createLocksByKey', (t) => {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- old callers use it
  t.is(getLocksByKey, createLocksByKey);
});

test('any value is a key, alone and beside others, compared as a map compares keys', async (t) => {
  const keys = [NaN, undefined, null, 0, '', false, 0n, {}, Symbol('key')];
  for (const first of keys) {
    const locks = createLocksByKey();
    const guards = [];
    for (const key of new Set([first, ...keys])) {
      t.false(locks.isLocked(key), inspect(key));
      guards.push(await locks.acquire(key));
      t.true(locks.isLocked(key), inspect(key));
    }
    t.true(locks.isLocked(-0));
    t.is(locks.size, keys.length);
    for (const guard of guards) guard.release();
    t.is(locks.size, 0);
    for (const key of keys) t.false(locks.isLocked(key), inspect(key));
  }
});

test('no key that nobody holds is kept, whether it was used alone or beside others', async (t) => {
  const locks = createLocksByKey<object>();
  const references: Array<WeakRef<object>> = [];
  const use = async (number: number) => {
    const keys = Array.from({length: number}, () => ({}));
    references.push(...keys.map((key) => new WeakRef<object>(key)));
    await Promise.all(keys.map((key) => locks.withLock(key, settle)));
  };
  await use(1);
  await use(3);
  t.is(await countLeft(references), 0);
});
