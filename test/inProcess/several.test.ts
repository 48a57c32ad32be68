// Calls for several keys: `withLocks` and `acquireAll`. They get all of their locks or none, each
// in its line, and never wait for each other in a circle. The tests run one at a time, because some
// of them have a clock of their own.
import {AsyncLocalStorage} from 'node:async_hooks';
import {getEventListeners} from 'node:events';
import FakeTimers from '@sinonjs/fake-timers';
import anyTest, {type ExecutionContext} from 'ava';
import {
  createLocksByKey,
  type AcquireOptions,
  type Lock,
  type LockGuard,
  type LocksByKey,
} from '../../src/index.js';
import {deferred, settle, values, watch} from '../support/async.js';

const test = anyTest.serial;

const notHeld = {name: 'LockError', code: 'ERR_LOCK_NOT_HELD'};
const timedOut = {name: 'LockTimeoutError', code: 'ERR_LOCK_TIMEOUT'};
const reason = new Error('the reason');

type Call = <TKey>(
  locks: LocksByKey<TKey>,
  keys: Iterable<TKey>,
  options?: AcquireOptions,
  enter?: () => unknown,
) => Promise<unknown>;

/** Both methods, as calls that release the locks once `enter` is done. */
const WAYS: Record<string, Call> = {
  withLocks: (locks, keys, options, enter = () => 'entered') =>
    locks.withLocks(keys, options, enter),
  acquireAll: async (locks, keys, options, enter = () => 'entered') => {
    using _guard = await locks.acquireAll(keys, options);
    return await enter();
  },
};

/** In a test the timers of the callers fire when it says so. */
function clockOf(t: ExecutionContext) {
  const clock = FakeTimers.install({toFake: ['setTimeout', 'clearTimeout', 'performance']});
  t.teardown(() => clock.uninstall());
  return clock;
}

/** Nobody holds one of these keys or waits for it, and whoever comes next gets them. */
function assertUnused<TKey>(t: ExecutionContext, locks: LocksByKey<TKey>, keys: readonly TKey[]) {
  t.deepEqual(
    keys.map((key) => [locks.isLocked(key), locks.pendingCount(key)]),
    keys.map(() => [false, 0]),
  );
  const guards = keys.map((key) => locks.tryAcquire(key));
  t.false(guards.includes(undefined));
  for (const guard of guards) guard?.release();
}

/** A store that can be told to fail. */
class TestStore {
  readonly map = new Map<string, Lock>();
  #fails: {method: 'get' | 'set' | 'delete'; after: number} | undefined;

  /** After so many calls of this method comes one that fails. */
  failLater(method: 'get' | 'set' | 'delete', after: number) {
    this.#fails = {method, after};
  }

  /** @returns whether it has failed since it was told to */
  failNoMore(): boolean {
    const hasFailed = this.#fails === undefined;
    this.#fails = undefined;
    return hasFailed;
  }

  get(key: string) {
    this.#mayFail('get');
    return this.map.get(key);
  }

  set(key: string, lock: Lock) {
    this.#mayFail('set');
    this.map.set(key, lock);
  }

  delete(key: string) {
    this.#mayFail('delete');
    this.map.delete(key);
  }

  #mayFail(method: string) {
    if (this.#fails?.method !== method || this.#fails.after-- > 0) return;
    this.#fails = undefined;
    throw new Error(`The store failed to ${method}`);
  }
}

/** Keys of one letter each, written as one word. */
const lettersOf = (word: string) => Array.from(word);

function caselessStore() {
  const map = new Map<string, Lock>();
  return {
    map,
    get: (key: string) => map.get(key.toLowerCase()),
    set: (key: string, lock: Lock) => map.set(key.toLowerCase(), lock),
    delete: (key: string) => map.delete(key.toLowerCase()),
  };
}

test('withLocks holds all of its keys while fn runs, and none of them afterwards', async (t) => {
  const locks = createLocksByKey<string>();
  const state = () => ['a', 'b', 'c', 'd'].map((key) => locks.isLocked(key));
  const work = deferred<string>();
  const call = locks.withLocks(
    ['a', 'b', 'c'],
    async (given: string) => {
      const before = state();
      const result = await work.promise;
      return [given, result, before, state()];
    },
    'given',
  );
  t.deepEqual(state(), [true, true, true, false]);
  await settle();
  t.is(locks.size, 3);
  work.resolve('done');
  const held = [true, true, true, false];
  t.deepEqual(await call, ['given', 'done', held, held]);
  t.is(locks.size, 0);
});

test('withLocks takes its function behind the keys, behind options, or behind undefined', async (t) => {
  const locks = createLocksByKey<string>();
  const subtract = (a: number, b: number) => a - b;
  const calls = () => [
    locks.withLocks(['a', 'b'], subtract, 5, 3),
    locks.withLocks(['b', 'a'], {}, subtract, 6, 3),
    locks.withLocks(['a', 'b'], undefined, subtract, 7, 3),
    locks.withLocks(['b'], {timeoutMilliseconds: 10_000}, subtract, 8, 3),
  ];
  t.deepEqual(await Promise.all(calls()), [2, 3, 4, 5]);
  t.is(locks.size, 0);
});

test('fn of withLocks is never called before withLocks returns, and only once', async (t) => {
  const locks = createLocksByKey<string>();
  const called: string[] = [];
  const free = locks.withLocks(['a', 'b'], () => called.push('free'));
  const waiting = locks.withLocks(['b', 'c'], () => called.push('waiting'));
  t.deepEqual(called, []);
  await Promise.all([free, waiting]);
  await settle();
  t.deepEqual(called, ['free', 'waiting']);
});

test('a thenable that fn of withLocks returns is awaited', async (t) => {
  const locks = createLocksByKey<string>();
  const holder = locks.tryAcquire('b');
  const thenable = {
    then(resolve: (value: boolean) => void) {
      setImmediate(() => resolve(locks.isLocked('a') && locks.isLocked('b')));
    },
  } as unknown as PromiseLike<boolean>;
  const waiting = locks.withLocks(['a', 'b'], () => thenable);
  holder?.release();
  t.true(await waiting);
  t.true(await locks.withLocks(['a', 'b'], () => thenable));
  t.is(locks.size, 0);
});

test('fn of withLocks, and the code behind it, run in the async context of its own call', async (t) => {
  const locks = createLocksByKey<string>({timeoutMilliseconds: 10_000});
  const storage = new AsyncLocalStorage<number>();
  const {signal} = new AbortController();
  const seen = await Promise.all(
    [1, 2, 3, 4].map((id) =>
      storage.run(id, async () => {
        const keys = id % 2 === 0 ? ['a', 'b'] : ['b', 'c'];
        const inside = await locks.withLocks(keys, id < 3 ? {signal} : {}, async () => {
          const before = storage.getStore();
          await settle();
          return [before, storage.getStore()];
        });
        const guard = await locks.acquireAll(keys);
        const withGuard = storage.getStore();
        guard.release();
        return [...inside, withGuard];
      }),
    ),
  );
  t.deepEqual(
    seen,
    [1, 2, 3, 4].map((id) => [id, id, id]),
  );
});

test('acquireAll resolves to one guard, which releases all of the keys, and only once', async (t) => {
  const locks = createLocksByKey<string>();
  const guard = await locks.acquireAll(['a', 'b']);
  const next = watch(locks.acquireAll(['b', 'a']));
  const single = watch(locks.acquireLock('b', 'single'));
  await settle();
  t.deepEqual([next, single], [[], []]);
  guard.release();
  await settle();
  t.is(next.length, 1);
  guard.release();
  guard[Symbol.dispose]();
  await settle();
  t.deepEqual(single, []);
  t.is(locks.size, 2);
  for (const own of values(next) as LockGuard[]) own.release();
  await settle();
  t.deepEqual(single, [{value: 'single'}]);
  t.is(locks.size, 1);
  locks.releaseLock('b');
});

test('a guard of several keys that is declared by using is released at the end of the block', async (t) => {
  const locks = createLocksByKey<string>();
  const fails = async () => {
    using _guard = await locks.acquireAll(['a', 'b']);
    t.is(locks.size, 2);
    throw new Error('mine');
  };
  await t.throwsAsync(fails(), {message: 'mine'});
  t.is(locks.size, 0);
});

test('what fn of withLocks throws comes through, and all of the locks are released', async (t) => {
  const locks = createLocksByKey<string>();
  const error = new Error('mine');
  const fns: Array<() => unknown> = [
    () => {
      throw error;
    },
    async () => Promise.reject(error),
    async () => {
      await settle();
      throw error;
    },
  ];
  for (const fn of fns) {
    for (const isFree of [true, false]) {
      const holder = isFree ? undefined : locks.tryAcquire('b');
      const call = locks.withLocks(['a', 'b', 'c'], fn);
      holder?.release();
      t.is(await t.throwsAsync(call), error);
      t.is(locks.size, 0);
      assertUnused(t, locks, ['a', 'b', 'c']);
    }
  }
});

test('while a call for several keys waits for one, the others are locked', async (t) => {
  const locks = createLocksByKey<string>();
  const holder = locks.tryAcquire('b');
  const call = locks.withLocks(['a', 'b', 'c'], () => 'entered');
  const keys = ['a', 'b', 'c'];
  t.deepEqual(
    keys.map((key) => [locks.isLocked(key), locks.pendingCount(key)]),
    [
      [true, 0],
      [true, 1],
      [true, 0],
    ],
  );
  t.is(locks.tryAcquire('a'), undefined);
  await t.throwsAsync(locks.acquire('c', {timeoutMilliseconds: 0}), timedOut);
  holder?.release();
  t.is(await call, 'entered');
  assertUnused(t, locks, keys);
});

// Which keys

for (const [way, call] of Object.entries(WAYS)) {
  test(`a key may be named twice in ${way}`, async (t) => {
    const locks = createLocksByKey<string>();
    const keys = ['a', 'a', 'b', 'a', 'b'];
    for (const isFree of [true, false]) {
      const holders = isFree ? [] : [locks.tryAcquire('a'), locks.tryAcquire('b')];
      const entered = watch(call(locks, keys, {}, () => locks.size));
      t.is(locks.pendingCount('a'), holders.length > 0 ? 1 : 0);
      for (const holder of holders) holder?.release();
      await settle();
      t.deepEqual(entered, [{value: 2}]);
      assertUnused(t, locks, ['a', 'b']);
    }
  });

  test(`${way} may name a key in two ways that the caller's own store holds to be the same`, async (t) => {
    const store = caselessStore();
    const locks = createLocksByKey<string>({store});
    const keys = ['Key', 'KEY', 'other', 'key', 'OTHER'];
    for (const held of [[], ['kEY'], ['kEY', 'oTHER'], ['oTHER']]) {
      const holders = held.map((key) => locks.tryAcquire(key));
      const entered = watch(call(locks, keys, {}, () => [...store.map.keys()].sort()));
      for (const key of held) t.is(locks.pendingCount(key), 1);
      for (const holder of holders) holder?.release();
      await settle();
      t.deepEqual(entered, [{value: ['key', 'other']}]);
      t.is(store.map.size, 0);
      t.is(locks.size, 0);
    }
  });

  test(`keys of ${way} are compared as in a Map`, async (t) => {
    const locks = createLocksByKey();
    const object = {};
    const symbol = Symbol('key');
    const keys = [NaN, NaN, 0, -0, '0', object, {}, symbol, Symbol('key'), undefined, null, symbol];
    const entered = watch(call(locks, keys, {}, () => locks.size));
    for (const key of [NaN, 0, '0', object, symbol, undefined, null]) t.true(locks.isLocked(key));
    const waiting = [NaN, -0, object, symbol].map((key) => watch(locks.acquireLock(key, 'waited')));
    await settle();
    t.deepEqual(entered, [{value: 9}]);
    for (const outcome of waiting) t.deepEqual(outcome, [{value: 'waited'}]);
    t.is(locks.size, 4);
  });

  test(`${way} takes keys from any iterable, once`, async (t) => {
    const locks = createLocksByKey<string>();
    let begun = 0;
    function* generated() {
      begun++;
      yield 'a';
      yield 'b';
    }
    for (const keys of [
      new Set(['a', 'b']),
      new Map([
        ['a', 1],
        ['b', 2],
      ]).keys(),
      generated(),
    ]) {
      const entered = watch(call(locks, keys, {}, () => locks.size));
      t.deepEqual([locks.isLocked('a'), locks.isLocked('b')], [true, true]);
      await settle();
      t.deepEqual(entered, [{value: 2}]);
    }
    t.is(begun, 1);
    t.is(locks.size, 0);
  });

  test(`${way} of no keys waits for nobody`, async (t) => {
    const store = new TestStore();
    const locks = createLocksByKey<string>({store});
    const holder = locks.tryAcquire('a');
    t.is(await call(locks, []), 'entered');
    t.is(await call(locks, new Set<string>(), {timeoutMilliseconds: 0}), 'entered');
    t.is(await t.throwsAsync(call(locks, [], {signal: AbortSignal.abort(reason)})), reason);
    t.is(store.map.size, 1);
    holder?.release();
  });

  test(`${way} with a string, or something that is not iterable, rejects and locks nothing`, async (t) => {
    const store = new TestStore();
    const locks = createLocksByKey<string>({store});
    for (const [bad, came] of [
      ['ab', 'string'],
      ['', 'string'],
      [5, 'number'],
      [null, 'null'],
      [undefined, 'undefined'],
      [{a: 1}, 'object'],
      [{length: 1, 0: 'a'}, 'object'],
      [new WeakSet(), 'WeakSet'],
      [() => ['a'], 'function'],
      [{[Symbol.iterator]: 'a'}, 'object'],
    ] as const) {
      const refused = call(locks, bad as unknown as string[], {}, () => t.fail('entered'));
      t.is(store.map.size, 0);
      await t.throwsAsync(refused, {
        instanceOf: TypeError,
        message: `Expected keys to be an array or another iterable, but got ${came}.`,
      });
    }
    t.is(store.map.size, 0);
  });

  test(`${way} with bad options rejects, locks nothing and does not look at the keys`, async (t) => {
    const locks = createLocksByKey<string>();
    const keys = {
      [Symbol.iterator]: (): Iterator<string> => {
        throw new Error('looked at the keys');
      },
    };
    for (const [bad, instanceOf, message] of [
      [null, TypeError, 'Expected options to be an object, but got null.'],
      ['options', TypeError, 'Expected options to be an object, but got string.'],
      [{timeout: 50}, TypeError, new RegExp(`"timeout"\\. Write ${way}\\(keys, .+\\.$`)],
      [{timeoutMilliseconds: '50'}, TypeError, /^Expected timeoutMilliseconds to be a number/],
      [{timeoutMilliseconds: -1}, RangeError, /^Expected timeoutMilliseconds to be 0 or more/],
      [{timeoutMilliseconds: NaN}, RangeError, /^Expected timeoutMilliseconds to be 0 or more/],
      [{signal: {}}, TypeError, /^Expected options\.signal to be an AbortSignal/],
    ] as const) {
      const refused = call(locks, keys, bad as unknown as AcquireOptions, () => t.fail('entered'));
      await t.throwsAsync(refused, {instanceOf, message});
    }
    t.is(locks.size, 0);
  });

  test(`an iterable that throws midway makes ${way} reject, and holds nothing`, async (t) => {
    const locks = createLocksByKey<string>();
    const holder = locks.tryAcquire('b');
    const error = new Error('no more keys');
    function* keys() {
      yield 'a';
      yield 'b';
      throw error;
    }
    const refused = call(locks, keys(), {}, () => t.fail('entered'));
    t.is(await t.throwsAsync(refused), error);
    t.deepEqual([locks.size, locks.pendingCount('b')], [1, 0]);
    holder?.release();
    assertUnused(t, locks, ['a', 'b']);
  });

  test(`an iterable that uses the locks itself brings no circle into ${way}`, async (t) => {
    const locks = createLocksByKey<string>();
    const entered: string[] = [];
    let nested: Promise<unknown> | undefined;
    function* keys() {
      yield 'a';
      nested = call(locks, ['b', 'a'], {}, () => entered.push('nested'));
      yield 'b';
    }
    const outer = call(locks, keys(), {}, () => entered.push('outer'));
    await settle();
    t.deepEqual(entered, ['nested', 'outer']);
    await Promise.all([outer, nested]);
    assertUnused(t, locks, ['a', 'b']);
  });
}

test('withLocks without a function rejects, and locks nothing', async (t) => {
  const locks = createLocksByKey<string>();
  const withLocks = locks.withLocks.bind(locks) as (...args: unknown[]) => Promise<unknown>;
  for (const [args, came] of [
    [[['a']], 'undefined'],
    [[['a'], {}], 'object'],
    [[['a'], {}, 'fn'], 'string'],
    [[['a'], undefined, null], 'null'],
    [[], 'undefined'],
  ] as const) {
    const message = `Expected a function to call, but got ${came}.`;
    await t.throwsAsync(withLocks(...args), {instanceOf: TypeError, message});
    t.is(locks.size, 0);
  }
});

// The lines

for (const [way, call] of Object.entries(WAYS)) {
  test(`calls of ${way} never wait for each other in a circle, in whatever order they name their keys`, async (t) => {
    const locks = createLocksByKey<string>();
    const inside = new Set<string>();
    const order: number[] = [];
    const orders = ['abc', 'acb', 'bac', 'bca', 'cab', 'cba', 'ab', 'ba', 'bc', 'cb', 'ca', 'ac'];
    const holders = ['a', 'b', 'c'].map((key) => locks.tryAcquire(key));
    const calls = orders.map((keys, n) =>
      call(locks, lettersOf(keys), {}, async () => {
        order.push(n);
        for (const key of keys) {
          t.false(inside.has(key), `two holders of ${key}`);
          inside.add(key);
        }
        await settle();
        for (const key of keys) inside.delete(key);
      }),
    );
    // The last that is asked for first, the first last.
    for (const holder of holders.reverse()) {
      await settle();
      t.deepEqual(order, []);
      holder?.release();
    }
    await Promise.all(calls);
    // Any two of them have a key in common.
    t.deepEqual(
      order,
      orders.map((_, n) => n),
    );
    assertUnused(t, locks, ['a', 'b', 'c']);
  });

  test(`a caller of one key who came later waits behind a call of ${way} that waits`, async (t) => {
    const locks = createLocksByKey<string>();
    const order: string[] = [];
    const holder = locks.tryAcquire('b');
    const calls = [
      call(locks, ['a', 'b'], {}, () => order.push('a and b')),
      locks.withLock('a', () => order.push('a')),
      locks.withLock('b', () => order.push('b')),
    ];
    await settle();
    t.deepEqual(order, []);
    holder?.release();
    await Promise.all(calls);
    t.deepEqual(order, ['a and b', 'a', 'b']);
  });

  test(`a call of ${way} overtakes nobody`, async (t) => {
    const locks = createLocksByKey<string>();
    const order: string[] = [];
    const holders = ['a', 'b'].map((key) => locks.tryAcquire(key));
    const last = deferred();
    const calls = [
      locks.withLock('a', () => order.push('first of a')),
      locks.withLock('b', () => order.push('first of b')),
      locks.withLock('b', async () => {
        order.push('second of b');
        await last.promise;
      }),
      call(locks, ['b', 'a'], {}, () => order.push('both')),
      locks.withLock('a', () => order.push('second of a')),
    ];
    for (const holder of holders) holder?.release();
    await settle();
    t.deepEqual(order, ['first of a', 'first of b', 'second of b']);
    last.resolve();
    await Promise.all(calls);
    t.deepEqual(order.slice(3), ['both', 'second of a']);
  });

  test(`calls of ${way} whose keys overlap enter in the order in which they came`, async (t) => {
    const locks = createLocksByKey<string>();
    const order: string[] = [];
    const holder = locks.tryAcquire('a');
    const calls = ['ab', 'bc', 'cd', 'd'].map((keys) =>
      call(locks, lettersOf(keys), {}, () => order.push(keys)),
    );
    const aside = call(locks, ['x', 'y'], {}, () => order.push('xy'));
    await aside;
    await settle();
    t.deepEqual(order, ['xy']);
    holder?.release();
    await Promise.all(calls);
    t.deepEqual(order, ['xy', 'ab', 'bc', 'cd', 'd']);
  });

  test(`an endless stream of callers of single keys does not starve a call of ${way}`, async (t) => {
    const locks = createLocksByKey<string>();
    let hasEntered = false;
    let sections = 0;
    const stream = async (key: string) => {
      while (!hasEntered) {
        await locks.withLock(key, async () => {
          sections++;
          await settle();
        });
      }
    };
    const keys = ['a', 'b', 'c'];
    // Of each key somebody is inside, and two wait.
    const streams = keys.flatMap((key) => [stream(key), stream(key), stream(key)]);
    await settle();
    const before = sections + keys.reduce((sum, key) => sum + locks.pendingCount(key), 0);
    const enteredAt = await call(locks, keys, {}, () => {
      hasEntered = true;
      return sections;
    });
    t.is(enteredAt, before);
    await Promise.all(streams);
    assertUnused(t, locks, keys);
  });
}

// All or none

/** Ends a call early that waits, or would wait. */
const ENDS: Record<
  string,
  {
    options: (controller: AbortController) => AcquireOptions;
    end?: (controller: AbortController, clock: {tick(milliseconds: number): void}) => void;
    error: object;
  }
> = {
  'times out': {
    options: () => ({timeoutMilliseconds: 50}),
    end: (_, clock) => clock.tick(50),
    error: {code: 'ERR_LOCK_TIMEOUT', timeoutMilliseconds: 50},
  },
  "times out by the locks' own timeout": {
    options: () => ({}),
    end: (_, clock) => clock.tick(1_000),
    error: {code: 'ERR_LOCK_TIMEOUT', timeoutMilliseconds: 1_000},
  },
  'does not want to wait': {
    options: () => ({timeoutMilliseconds: 0}),
    error: {code: 'ERR_LOCK_TIMEOUT', timeoutMilliseconds: 0},
  },
  'is aborted in line': {
    options: ({signal}) => ({signal}),
    end: (controller) => controller.abort(reason),
    error: reason,
  },
  'was aborted before': {
    options: (controller) => {
      controller.abort(reason);
      return {signal: controller.signal};
    },
    error: reason,
  },
};

for (const [way, call] of Object.entries(WAYS)) {
  for (const [what, {options, end, error}] of Object.entries(ENDS)) {
    test(`a call of ${way} that ${what} holds none of its keys and is in no line`, async (t) => {
      const clock = clockOf(t);
      const keys = ['a', 'b', 'c'];
      for (const held of ['a', 'b', 'c', 'ab', 'bc', 'ca', 'abc']) {
        const store = new TestStore();
        const locks = createLocksByKey<string>({store, timeoutMilliseconds: 1_000});
        const holders = lettersOf(held).map((key) => locks.tryAcquire(key));
        const controller = new AbortController();
        const refused = watch(call(locks, keys, options(controller), () => t.fail('entered')));
        // Behind it, or not behind it any more. The first is in a line of its own if it can be.
        const later = keys.map((key) =>
          watch(locks.withLock(key, {timeoutMilliseconds: Infinity}, () => `later ${key}`)),
        );
        end?.(controller, clock);
        await settle();
        t.like(refused, [{error}]);
        t.deepEqual(
          later,
          keys.map((key) => (held.includes(key) ? [] : [{value: `later ${key}`}])),
        );
        t.is(locks.size, held.length);
        t.deepEqual(
          keys.map((key) => locks.pendingCount(key)),
          keys.map((key) => (held.includes(key) ? 1 : 0)),
        );
        for (const holder of holders) holder?.release();
        await settle();
        t.deepEqual(
          later,
          keys.map((key) => [{value: `later ${key}`}]),
        );
        t.is(locks.size, 0);
        t.is(store.map.size, 0);
        assertUnused(t, locks, keys);
        t.is(getEventListeners(controller.signal, 'abort').length, 0);
        t.is(clock.countTimers(), 0);
      }
    });
  }

  test(`a call of ${way} that fails at once leaves the keys that are free to whoever asks next`, async (t) => {
    const store = new TestStore();
    const locks = createLocksByKey<string>({store});
    const holder = locks.tryAcquire('b');
    const isTaken = () => ['a', 'b', 'c'].map((key) => locks.isLocked(key));
    const refused = call(locks, ['a', 'b', 'c'], {timeoutMilliseconds: 0});
    t.deepEqual(isTaken(), [false, true, false]);
    const atOnce = call(locks, ['c', 'a'], {timeoutMilliseconds: 0});
    await t.throwsAsync(refused, timedOut);
    t.is(await atOnce, 'entered');
    store.failLater('set', 1);
    const failed = call(locks, ['a', 'c', 'd']);
    t.deepEqual(isTaken(), [false, true, false]);
    await t.throwsAsync(failed, {message: 'The store failed to set'});
    holder?.release();
    assertUnused(t, locks, ['a', 'b', 'c', 'd']);
  });

  test(`a call of ${way} that got some of its keys while it waited gives them back when it is aborted`, async (t) => {
    const locks = createLocksByKey<string>();
    const holders = ['a', 'b', 'c'].map((key) => locks.tryAcquire(key));
    const controller = new AbortController();
    const refused = watch(
      call(locks, ['a', 'b', 'c'], {signal: controller.signal}, () => t.fail('entered')),
    );
    const next = watch(locks.acquireLock('a', 'next'));
    holders[0]?.release();
    await settle();
    holders[2]?.release();
    await settle();
    t.deepEqual([locks.isLocked('a'), locks.isLocked('c'), next], [true, true, []]);
    controller.abort(reason);
    await settle();
    t.deepEqual([refused, next], [[{error: reason}], [{value: 'next'}]]);
    t.false(locks.isLocked('c'));
    holders[1]?.release();
    locks.releaseLock('a');
    assertUnused(t, locks, ['a', 'b', 'c']);
  });

  for (const held of ['', 'a', 'b', 'ab']) {
    const moment = held === '' ? 'its call' : `${lettersOf(held).join(' and ')} came free`;

    test(`a call of ${way} that is aborted some microtasks after ${moment} begins, or holds nothing`, async (t) => {
      const results = new Set<string>();
      for (let delay = 0; delay < 12; delay++) {
        const locks = createLocksByKey<string>({timeoutMilliseconds: 10_000});
        const holders = lettersOf(held).map((key) => locks.tryAcquire(key));
        const controller = new AbortController();
        const begun: string[] = [];
        const outcome = watch(
          call(locks, ['a', 'b'], {signal: controller.signal}, () => begun.push('entered')),
        );
        const next = watch(locks.acquireAll(['b', 'a']));
        for (const holder of holders) holder?.release();
        for (let n = 0; n < delay; n++) await Promise.resolve();
        const hadBegun = begun.length > 0;
        controller.abort(reason);
        await settle();
        const hasBegun = begun.length > 0;
        t.deepEqual(outcome, [hasBegun ? {value: 1} : {error: reason}]);
        if (hadBegun) results.add('began before');
        if (!hasBegun) results.add('never began');
        t.is(values(next).length, 1, `after ${delay} microtasks`);
        for (const guard of values(next) as LockGuard[]) guard.release();
        assertUnused(t, locks, ['a', 'b']);
        t.is(getEventListeners(controller.signal, 'abort').length, 0);
      }
      t.deepEqual([...results].sort(), ['began before', 'never began']);
    });
  }

  test(`a call of ${way} that times out some microtasks after its last key came free holds all or nothing`, async (t) => {
    const clock = clockOf(t);
    for (let delay = 0; delay < 8; delay++) {
      const locks = createLocksByKey<string>();
      const holders = ['a', 'b'].map((key) => locks.tryAcquire(key));
      const outcome = watch(call(locks, ['a', 'b'], {timeoutMilliseconds: 50}));
      const next = watch(locks.acquireAll(['b', 'a']));
      for (const holder of holders) holder?.release();
      for (let n = 0; n < delay; n++) await Promise.resolve();
      clock.tick(50);
      await settle();
      t.is(outcome.length, 1);
      if (values(outcome).length === 0) t.like(outcome, [{error: timedOut}]);
      t.is(values(next).length, 1, `after ${delay} microtasks`);
      for (const guard of values(next) as LockGuard[]) guard.release();
      assertUnused(t, locks, ['a', 'b']);
      t.is(clock.countTimers(), 0);
    }
  });

  test(`a call of ${way} that was not told that its signal aborted does not begin`, async (t) => {
    const locks = createLocksByKey<string>();
    for (const isFree of [true, false]) {
      const holder = isFree ? undefined : locks.tryAcquire('b');
      const controller = new AbortController();
      controller.signal.addEventListener('abort', (event) => event.stopImmediatePropagation());
      const {signal} = controller;
      const refused = call(locks, ['a', 'b'], {signal}, () => t.fail('entered'));
      controller.abort(reason);
      holder?.release();
      t.is(await t.throwsAsync(refused), reason);
      assertUnused(t, locks, ['a', 'b']);
    }
  });

  test(`a signal that aborts once a call of ${way} has its keys has no effect`, async (t) => {
    const locks = createLocksByKey<string>();
    for (const isFree of [true, false]) {
      const holder = isFree ? undefined : locks.tryAcquire('b');
      const controller = new AbortController();
      const work = deferred<string>();
      const outcome = watch(
        call(locks, ['a', 'b'], {signal: controller.signal}, () => work.promise),
      );
      holder?.release();
      await settle();
      controller.abort(reason);
      await settle();
      t.deepEqual(outcome, []);
      t.is(locks.size, 2);
      work.resolve('done');
      await settle();
      t.deepEqual(outcome, [{value: 'done'}]);
      assertUnused(t, locks, ['a', 'b']);
    }
  });

  for (const method of ['get', 'set'] as const) {
    test(`a store that fails to ${method} midway makes ${way} reject, and it holds nothing`, async (t) => {
      for (let after = 0; after < 3; after++) {
        for (const held of ['', 'a', 'b', 'c', 'ab']) {
          const store = new TestStore();
          const locks = createLocksByKey<string>({store});
          const holders = lettersOf(held).map((key) => locks.tryAcquire(key));
          store.failLater(method, after);
          const outcome = watch(call(locks, ['a', 'b', 'c']));
          const hasFailed = store.failNoMore();
          await settle();
          if (hasFailed) {
            t.like(outcome, [{error: {message: `The store failed to ${method}`}}]);
            t.is(store.map.size, held.length);
            for (const key of ['a', 'b', 'c']) t.is(locks.pendingCount(key), 0);
          }
          for (const holder of holders) holder?.release();
          await settle();
          t.is(outcome.length, 1);
          assertUnused(t, locks, ['a', 'b', 'c']);
          t.is(locks.size, 0);
          t.is(store.map.size, 0);
        }
      }
    });
  }

  test(`a store that fails to delete one key is told of by ${way}, and all are free`, async (t) => {
    for (let after = 0; after < 3; after++) {
      for (const isFree of [true, false]) {
        const store = new TestStore();
        const locks = createLocksByKey<string>({store});
        const guard = isFree ? undefined : await locks.acquireAll(['a', 'b', 'c']);
        const outcome = call(locks, ['a', 'b', 'c']);
        guard?.release();
        store.failLater('delete', after);
        await t.throwsAsync(outcome, {message: 'The store failed to delete'});
        t.is(store.map.size, 1);
        t.is(locks.size, 0);
        assertUnused(t, locks, ['a', 'b', 'c']);
        t.is(store.map.size, 0);
      }
    }
  });

  test(`a call of ${way} that gives up has its own error, though the store fails to delete`, async (t) => {
    const store = new TestStore();
    const locks = createLocksByKey<string>({store});
    const holder = locks.tryAcquire('c');
    const controller = new AbortController();
    const refused = call(locks, ['a', 'b', 'c'], {signal: controller.signal});
    store.failLater('delete', 0);
    controller.abort(reason);
    t.is(await t.throwsAsync(refused), reason);
    t.is(locks.size, 1);
    holder?.release();
    assertUnused(t, locks, ['a', 'b', 'c']);
    t.is(locks.size, 0);
  });

  test(`a call of ${way} that is served leaves neither a listener nor a timer`, async (t) => {
    const clock = clockOf(t);
    const locks = createLocksByKey<string>();
    const {signal} = new AbortController();
    const left = () => [clock.countTimers(), getEventListeners(signal, 'abort').length];
    const holders = ['a', 'b'].map((key) => locks.tryAcquire(key));
    const served = call(locks, ['a', 'b', 'c'], {signal, timeoutMilliseconds: 50});
    t.deepEqual(left(), [1, 1]);
    for (const holder of holders) holder?.release();
    t.is(await served, 'entered');
    t.deepEqual(left(), [0, 0]);
  });

  test(`the error of a call of ${way} that times out has the key that is missing still`, async (t) => {
    const clock = clockOf(t);
    const locks = createLocksByKey<string>();
    const holders = ['a', 'b', 'c'].map((key) => locks.tryAcquire(key));
    const timeout = {timeoutMilliseconds: 50};
    for (const [keys, expected] of [
      ['abcd', 'a'],
      ['dcba', 'c'],
    ] as const) {
      const refused = watch(call(locks, lettersOf(keys), timeout));
      clock.tick(50);
      await settle();
      t.like(refused, [{error: {...timedOut, key: expected, timeoutMilliseconds: 50}}]);
    }
    const refused = watch(call(locks, ['a', 'b', 'c', 'd'], timeout));
    holders[0]?.release();
    await settle();
    clock.tick(50);
    await settle();
    t.like(refused, [
      {
        error: {
          ...timedOut,
          message: 'Timed out waiting for lock after 50ms',
          key: 'b',
          cause: {code: 'ERR_LOCK_TIMEOUT', timeoutMilliseconds: 50, key: 'b'},
        },
      },
    ]);
    await t.throwsAsync(call(locks, ['a', 'd', 'c'], {timeoutMilliseconds: 0}), {
      ...timedOut,
      message: 'Timed out waiting for lock after 0ms',
    });
    const key = await call(locks, ['a', 'd', 'c'], {timeoutMilliseconds: 0}).catch(
      (error: unknown) => (error as {key: unknown}).key,
    );
    t.is(key, 'c');
    for (const holder of holders.slice(1)) holder?.release();
    assertUnused(t, locks, ['a', 'b', 'c', 'd']);
  });
}

// Misuse

for (const released of ['a', 'b', 'c']) {
  for (const isFree of [true, false]) {
    const when = isFree ? 'at once' : 'after waiting';

    test(`a withLocks under which somebody released ${released} rejects, releases the other keys, and leaves the next holder alone, ${when}`, async (t) => {
      const locks = createLocksByKey<string>();
      const keys = ['a', 'b', 'c'];
      const holder = isFree ? undefined : locks.tryAcquire('b');
      const work = deferred();
      const misused = locks.withLocks(keys, async () => {
        locks.releaseLock(released);
        await work.promise;
      });
      const next = watch(locks.acquire(released));
      const behind = watch(locks.acquireLock(released, 'behind'));
      holder?.release();
      await settle();
      t.is(values(next).length, 1);
      work.resolve();
      await t.throwsAsync(misused, notHeld);
      t.deepEqual(
        keys.map((key) => locks.isLocked(key)),
        keys.map((key) => key === released),
      );
      await settle();
      t.deepEqual(behind, []);
      for (const guard of values(next) as LockGuard[]) guard.release();
      await settle();
      t.deepEqual(behind, [{value: 'behind'}]);
      locks.releaseLock(released);
      assertUnused(t, locks, keys);
    });

    test(`a withLocks of which somebody released ${released} before fn began never calls it, ${when}`, async (t) => {
      const locks = createLocksByKey<string>();
      const keys = ['a', 'b', 'c'];
      const holder = isFree ? undefined : locks.tryAcquire('b');
      const misused = locks.withLocks(keys, () => t.fail('called'));
      if (!isFree && released !== 'b') locks.releaseLock(released);
      holder?.release();
      if (isFree || released === 'b') locks.releaseLock(released);
      const next = locks.withLocks(keys, () => 'next');
      await t.throwsAsync(misused, notHeld);
      t.is(await next, 'next');
      assertUnused(t, locks, keys);
    });
  }

  test(`a guard of several keys under which somebody released ${released} throws once, releases the others, and touches no later holder`, async (t) => {
    const locks = createLocksByKey<string>();
    const keys = ['a', 'b', 'c'];
    const guard = await locks.acquireAll(keys);
    locks.releaseLock(released);
    const later = await locks.acquire(released);
    t.throws(() => guard.release(), notHeld);
    t.deepEqual(
      keys.map((key) => locks.isLocked(key)),
      keys.map((key) => key === released),
    );
    const others = keys.filter((key) => key !== released).map((key) => locks.tryAcquire(key));
    guard.release();
    await settle();
    t.is(locks.size, 3);
    for (const other of [later, ...others]) other?.release();
    assertUnused(t, locks, keys);
  });
}

test('what fn of withLocks throws comes before that one of its locks was released', async (t) => {
  const locks = createLocksByKey<string>();
  const error = new Error('mine');
  const call = locks.withLocks(['a', 'b'], async () => {
    locks.releaseLock('a');
    throw error;
  });
  t.is(await t.throwsAsync(call), error);
  assertUnused(t, locks, ['a', 'b']);
});
