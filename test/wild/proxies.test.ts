// The kind: a lock or a guard is not called as itself. It is behind a proxy, as Vue makes them, is
// a prototype, or its method was torn off. Through a proxy everything works, and excludes those who
// call the lock itself; what was torn off works, or says how to call it.
import test, {type ExecutionContext} from 'ava';
import {reactive, readonly, ref, shallowReactive, shallowReadonly} from 'vue';
import {createLock, createLocksByKey, type Lock, type LockGuard} from '../../src/index.js';
import {createLock as createSharedLock} from '../../src/shared/index.js';
import {deferred, settle, watch} from '../support/async.js';

type Wrap = <T extends object>(object: T) => T;

const WRAPPERS: Record<string, Wrap> = {
  'a transparent proxy': (object) => new Proxy(object, {}),
  'a proxy of a proxy': (object) => new Proxy(new Proxy(object, {}), {}),
  'a reflecting proxy': (object) =>
    new Proxy(object, {
      get: (target, name, receiver) => Reflect.get(target, name, receiver) as unknown,
      set: (target, name, value, receiver) => Reflect.set(target, name, value, receiver),
    }),
  'a frozen proxy': (object) => new Proxy(object, {set: () => false, defineProperty: () => false}),
  'an object that inherits': (object) => Object.create(object) as typeof object,
  "Vue's reactive": (object) => (reactive({object}) as {object: typeof object}).object,
  "Vue's ref": (object) => ref(object).value as typeof object,
  "Vue's readonly": (object) => readonly(object) as typeof object,
  "Vue's readonly of reactive": (object) => readonly(reactive(object)) as typeof object,
  "Vue's shallowReactive": (object) => shallowReactive(object),
  "Vue's shallowReadonly": (object) => shallowReadonly(object),
  'a proxy of what is reactive': (object) => new Proxy(reactive(object) as typeof object, {}),
};

/** A lock's methods, whether of one lock or of a key's. */
interface Called {
  withLock<T>(fn: (...args: never[]) => T | PromiseLike<T>, ...args: unknown[]): Promise<T>;
  acquireLock(task?: unknown): Promise<unknown>;
  releaseLock(): void;
  acquire(options?: {signal: AbortSignal}): Promise<LockGuard>;
  tryAcquire(): LockGuard | undefined;
  isLocked(): boolean;
  pendingCount(): number;
}

const ofLock = (lock: Lock): Called => ({
  withLock: (fn, ...args) => lock.withLock(fn as () => never, ...(args as [])),
  acquireLock: (task) => lock.acquireLock(task),
  releaseLock: () => lock.releaseLock(),
  acquire: (options) => lock.acquire(options),
  tryAcquire: () => lock.tryAcquire(),
  isLocked: () => lock.isLocked,
  pendingCount: () => lock.pendingCount,
});

const LOCKS: Record<string, (wrap: Wrap) => {direct: Called; wrapped: Called}> = {
  'one lock': (wrap) => {
    const lock = createLock(60_000);
    return {direct: ofLock(lock), wrapped: ofLock(wrap(lock))};
  },
  'a shared lock': (wrap) => {
    const lock = createSharedLock(60_000);
    return {direct: ofLock(lock), wrapped: ofLock(wrap(lock))};
  },
  'locks by key': (wrap) => {
    const locks = createLocksByKey<string>({timeoutMilliseconds: 60_000});
    const ofKey = (all: typeof locks): Called => ({
      withLock: (fn, ...args) => all.withLock('key', fn as () => never, ...(args as [])),
      acquireLock: (task) => all.acquireLock('key', task),
      releaseLock: () => all.releaseLock('key'),
      acquire: (options) => all.acquire('key', options),
      tryAcquire: () => all.tryAcquire('key'),
      isLocked: () => all.isLocked('key'),
      pendingCount: () => all.pendingCount('key'),
    });
    return {direct: ofKey(locks), wrapped: ofKey(wrap(locks))};
  },
};

/** All methods of `one` exclude those of `other`, and each releases what the other acquired. */
async function exclude(t: ExecutionContext, one: Called, other: Called): Promise<void> {
  const state = () => [one.isLocked(), one.pendingCount(), other.isLocked(), other.pendingCount()];
  t.deepEqual(state(), [false, 0, false, 0]);
  const subtract = (a: number, b: number) => a - b;
  t.is(await one.withLock(subtract, 5, 3), 2);
  t.is(await one.withLock(async () => Promise.resolve('result')), 'result');
  t.is(await one.acquireLock('task'), 'task');
  t.is(other.tryAcquire(), undefined);
  const second = watch(other.withLock(() => 'second'));
  const third = watch(one.withLock(settle));
  t.deepEqual(state(), [true, 2, true, 2]);
  await settle();
  t.deepEqual(second, []);
  other.releaseLock();
  await settle();
  await settle();
  t.deepEqual(second, [{value: 'second'}]);
  t.deepEqual(third, [{value: undefined}]);

  const inside = deferred();
  const section = one.withLock(() => inside.promise);
  const controller = new AbortController();
  const aborted = other.acquire({signal: controller.signal});
  const waiting = watch(other.acquire());
  controller.abort(new Error('aborted by the test'));
  await t.throwsAsync(aborted, {message: 'aborted by the test'});
  await settle();
  t.deepEqual(waiting, []);
  inside.resolve();
  await section;
  await settle();
  const [outcome] = waiting;
  if (!outcome || !('value' in outcome)) return t.fail('The waiter did not get the lock.');
  t.is(one.tryAcquire(), undefined);
  outcome.value.release();
  const guard = one.tryAcquire();
  t.truthy(guard);
  guard?.release();
  const error = t.throws(() => other.releaseLock());
  t.is((error as {code?: unknown} | undefined)?.code, 'ERR_LOCK_NOT_HELD');
  t.deepEqual(state(), [false, 0, false, 0]);
}

for (const [wrapperName, wrap] of Object.entries(WRAPPERS)) {
  for (const [lockName, make] of Object.entries(LOCKS)) {
    test(`${lockName} works through ${wrapperName}, and excludes callers of the lock`, async (t) => {
      const {direct, wrapped} = make(wrap);
      await exclude(t, wrapped, direct);
      await exclude(t, direct, wrapped);
      await exclude(t, wrapped, wrapped);
    });
  }

  test(`a guard releases through ${wrapperName}, once`, async (t) => {
    const dispose = (Symbol as Partial<typeof Symbol>).dispose ?? Symbol.for('Symbol.dispose');
    const release = (guard: LockGuard) =>
      (guard as unknown as Record<symbol, () => void>)[dispose]?.();
    const locks = createLocksByKey<string>();
    for (const lock of [createLock(), createSharedLock(), {acquire: () => locks.acquire('key')}]) {
      const first = await lock.acquire();
      wrap(first).release();
      const second = await lock.acquire();
      first.release();
      wrap(first).release();
      release(wrap(first));
      const third = watch(lock.acquire());
      await settle();
      t.deepEqual(third, []);
      release(wrap(second));
      wrap(second).release();
      await settle();
      t.is(third.length, 1);
    }
  });

  test(`pool, buffer and size work through ${wrapperName}`, async (t) => {
    for (const lock of [createLock(), createSharedLock()]) {
      await wrap(lock).acquireLock();
      const pooled = watch(wrap(lock).pool());
      await settle();
      t.deepEqual(pooled, []);
      lock.releaseLock();
      await settle();
      t.deepEqual(pooled, [{value: undefined}]);
      await t.throwsAsync(lock.acquireLock(), {code: 'ERR_LOCK_POOLED'});
      await t.throwsAsync(wrap(lock).pool(), {code: 'ERR_LOCK_POOLED'});
    }
    const shared = createSharedLock();
    t.is(wrap(shared).buffer, shared.buffer);
    await wrap(shared).acquireLock();
    t.is(createSharedLock(0, {buffer: wrap(shared).buffer}).tryAcquire(), undefined);
    const locks = createLocksByKey<string>();
    await wrap(locks).acquireLock('a');
    await locks.acquireLock('b');
    t.is(wrap(locks).size, 2);
  });
}

test('locks and guards say what they are by their tags', async (t) => {
  const tag = (object: unknown) => Object.prototype.toString.call(object);
  const locks = createLocksByKey();
  t.is(tag(createLock()), '[object Lock]');
  t.is(tag(createSharedLock()), '[object SharedLock]');
  t.is(tag(locks), '[object LocksByKey]');
  t.is(tag(await createLock().acquire()), '[object LockGuard]');
  t.is(tag(await locks.acquire('key')), '[object LockGuard]');
  t.is(tag(createSharedLock().tryAcquire()), '[object LockGuard]');
});

test('release works on its own, once', async (t) => {
  const locks = createLocksByKey<string>();
  for (const lock of [
    createLock(),
    createSharedLock(),
    {acquire: () => locks.acquire('key'), tryAcquire: () => locks.tryAcquire('key')},
  ]) {
    const {release} = await lock.acquire();
    release();
    release();
    const guard = lock.tryAcquire();
    if (!guard) return t.fail('It was not released.');
    release();
    t.is(lock.tryAcquire(), undefined);
    await settle().finally(guard.release);
    const next = lock.tryAcquire();
    guard.release();
    t.is(lock.tryAcquire(), undefined);
    const later = settle().then(next?.release);
    await later;
    const last = lock.tryAcquire();
    t.truthy(last);
    if (last) [1, 2].forEach(last.release);
    t.truthy(lock.tryAcquire());
  }
});

type AnyMethod = (this: unknown, ...args: unknown[]) => unknown;

const HOW_TO_CALL = /\blocks?\.\w+|method of a lock/i;

for (const [name, make, args] of [
  ['one lock', () => createLock(), []],
  ['a shared lock', () => createSharedLock(), []],
  ['locks by key', () => createLocksByKey(), ['key']],
] as const) {
  const methodOf = (object: object, method: string) =>
    (object as unknown as Record<string, AnyMethod>)[method] as AnyMethod;

  for (const foreign of [undefined, null, {}, 'text', createLock]) {
    const what =
      typeof foreign === 'function' ? 'a function' : JSON.stringify(foreign) || 'nothing';
    test(`what is torn off ${name} and called on ${what} works, or says how to call it`, async (t) => {
      for (const method of ['withLock', 'acquireLock', 'acquire', 'pool']) {
        const object = make();
        if (!(method in object)) continue;
        const torn = methodOf(object, method);
        let promise: unknown;
        t.notThrows(() => {
          promise = torn.call(foreign, ...args, ...(method === 'withLock' ? [() => 'result'] : []));
        }, method);
        const [outcome] = await Promise.allSettled([promise]);
        if (outcome.status === 'fulfilled') continue;
        t.true(outcome.reason instanceof TypeError, method);
        t.regex((outcome.reason as Error).message, HOW_TO_CALL);
      }
      for (const method of ['releaseLock', 'tryAcquire', 'isLocked', 'pendingCount']) {
        const object = make();
        await methodOf(object, 'acquireLock').call(object, ...args);
        const torn = methodOf(object, method) as unknown;
        if (typeof torn !== 'function') continue;
        try {
          (torn as AnyMethod).call(foreign, ...args);
        } catch (error) {
          t.true(error instanceof TypeError, method);
          t.regex((error as Error).message, HOW_TO_CALL);
        }
      }
    });
  }
}
