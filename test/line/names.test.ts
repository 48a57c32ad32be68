// The names of locks: in what errors say, in `lockName`, and in `util.inspect`. Without a name all
// of these are as they were before there were any.
import {threadId} from 'node:worker_threads';
import {inspect} from 'node:util';
import test from 'ava';
import {
  createLock,
  createLocksByKey,
  type AcquireOptions,
  type Lock,
  type LockGuard,
} from '../../src/index.js';
import {createLock as createSharedLock} from '../../src/shared/index.js';

interface LockErrorLike extends Error {
  readonly code: string;
  readonly lockName?: string;
  readonly key?: unknown;
}

/** What all kinds have in common. */
interface Named {
  withLock(fn: () => unknown): Promise<unknown>;
  acquireLock(): Promise<unknown>;
  releaseLock(): void;
  acquire(options?: AcquireOptions): Promise<LockGuard>;
  readonly pool?: Lock['pool'];
}

interface Kind {
  readonly make: (timeoutMilliseconds?: number, name?: string) => Named;
  /** What the error of a timeout tells beside the name. */
  readonly ofTimeout: object;
  /** What the other errors tell beside the name. */
  readonly ofOthers: object;
  /** What follows the name in a message. */
  readonly behind: string;
}

const KINDS: Record<string, Kind> = {
  'a lock': {
    make: (timeout, name) => createLock(timeout, {name}),
    ofTimeout: {},
    ofOthers: {},
    behind: '',
  },
  'a lock by key': {
    make: (timeoutMilliseconds, name) => {
      const locks = createLocksByKey<string>({timeoutMilliseconds, name});
      return {
        withLock: (fn) => locks.withLock('users/1', fn),
        acquireLock: () => locks.acquireLock('users/1'),
        releaseLock: () => locks.releaseLock('users/1'),
        acquire: (options) => locks.acquire('users/1', options),
      };
    },
    ofTimeout: {key: 'users/1'},
    ofOthers: {key: 'users/1'},
    behind: ', key "users/1"',
  },
  'one of several keys': {
    make: (timeoutMilliseconds, name) => {
      const locks = createLocksByKey<string>({timeoutMilliseconds, name});
      const keys = ['users/1', 'users/2'];
      return {
        withLock: (fn) => locks.withLocks(keys, fn),
        acquireLock: () => locks.acquireLock('users/1'),
        releaseLock: () => locks.releaseLock('users/1'),
        acquire: (options) => locks.acquireAll(keys, options),
      };
    },
    ofTimeout: {key: 'users/1'},
    ofOthers: {key: 'users/1'},
    behind: ', key "users/1"',
  },
  'a shared lock': {
    make: (timeout, name) => createSharedLock(timeout, {name}),
    ofTimeout: {ownerThreadId: threadId},
    // Nobody holds it by then.
    ofOthers: {ownerThreadId: undefined},
    behind: '',
  },
};

const NOTHING_HELD =
  'Cannot release a lock that is not held. ' +
  'Call releaseLock exactly once for each acquireLock that resolved.';
const RELEASED_UNDER_CALL =
  'The lock was released before the function of withLock had finished. ' +
  'Do not call releaseLock: withLock releases the lock itself.';
const RELEASED_UNDER_GUARD =
  "This guard's lock was already released. Do not call releaseLock: release the guard.";
const POOLED = 'Cannot call Lock after returning the object to the pool.';
const HELD_ELSEWHERE =
  'Cannot release a lock that is not held here: another lock object of this thread holds it. ' +
  'Release it through that object.';

const rejection = (promise: Promise<unknown>): Promise<LockErrorLike> =>
  promise.then(
    () => {
      throw new Error('It resolved.');
    },
    (error: unknown) => error as LockErrorLike,
  );

async function thrown(call: () => unknown): Promise<LockErrorLike> {
  return rejection(Promise.resolve().then(call));
}

/** Everything that an error tells. */
const told = (error: LockErrorLike) => {
  const {message, cause} = error;
  return {message, cause, ...Object.fromEntries(Object.entries(error))};
};

for (const [kind, {make, ofTimeout, ofOthers, behind}] of Object.entries(KINDS)) {
  for (const name of ['accounts', undefined]) {
    const what = name === undefined ? `${kind} without a name` : `${kind} with a name`;
    const suffix = name === undefined ? '' : ` (lock "${name}"${behind})`;
    const naming = name === undefined ? {} : {lockName: name};
    /** An error with this code and message, as it is told of this lock. */
    const as = (
      code: string,
      message: string,
      facts: object = name === undefined ? {} : ofOthers,
    ) => {
      const all = {code, ...naming, ...facts};
      // Its name is a property of its own, the same for all.
      const errorName = code === 'ERR_LOCK_TIMEOUT' ? 'LockTimeoutError' : 'LockError';
      return {message: message + suffix, cause: all, name: errorName, ...all};
    };
    const timeoutOf = (timeoutMilliseconds: number, facts = ofTimeout) =>
      as('ERR_LOCK_TIMEOUT', `Timed out waiting for lock after ${timeoutMilliseconds}ms`, {
        timeoutMilliseconds,
        ...facts,
      });

    test(`the error of a timeout of ${what}`, async (t) => {
      const lock = make(50, name);
      await lock.acquireLock();
      const calls = [lock.acquireLock(), lock.acquire(), lock.withLock(() => undefined)];
      for (const call of calls) t.deepEqual(told(await rejection(call)), timeoutOf(50));
      const others = [
        lock.acquire({timeoutMilliseconds: 0}),
        lock.acquire({timeoutMilliseconds: 1}),
      ];
      for (const [n, call] of others.entries()) {
        t.deepEqual(told(await rejection(call)), timeoutOf(n));
      }
      if (lock.pool) t.deepEqual(told(await rejection(lock.pool())), timeoutOf(50));
      lock.releaseLock();
    });

    test(`the error of a release of ${what} that nobody holds`, async (t) => {
      const lock = make(undefined, name);
      const expected = as('ERR_LOCK_NOT_HELD', NOTHING_HELD);
      t.deepEqual(told(await thrown(() => lock.releaseLock())), expected);
    });

    test(`the error of a call under which ${what} was released`, async (t) => {
      const lock = make(undefined, name);
      const expected = as('ERR_LOCK_NOT_HELD', RELEASED_UNDER_CALL);
      t.deepEqual(told(await rejection(lock.withLock(() => lock.releaseLock()))), expected);
      const before = lock.withLock(() => t.fail('called'));
      lock.releaseLock();
      t.deepEqual(told(await rejection(before)), expected);
    });

    test(`the error of a guard under which ${what} was released`, async (t) => {
      const lock = make(undefined, name);
      const guard = await lock.acquire();
      lock.releaseLock();
      const expected = as('ERR_LOCK_NOT_HELD', RELEASED_UNDER_GUARD);
      t.deepEqual(told(await thrown(() => guard.release())), expected);
    });

    if (make().pool) {
      test(`the errors of ${what} that was retired`, async (t) => {
        const lock = make(undefined, name) as Lock;
        await lock.pool();
        const expected = as('ERR_LOCK_POOLED', POOLED);
        for (const call of [
          () => lock.withLock(() => undefined),
          () => lock.withLock({timeoutMilliseconds: 50}, () => undefined),
          () => lock.acquireLock(),
          () => lock.acquire(),
          () => lock.tryAcquire(),
          () => lock.releaseLock(),
          () => lock.pool(),
        ]) {
          t.deepEqual(told(await thrown(call)), expected);
        }
      });
    }

    test(`what crosses a thread of an error of ${what} has the same cause`, async (t) => {
      const lock = make(0, name);
      await lock.acquireLock();
      const error = await rejection(lock.acquireLock());
      const clone = structuredClone(error);
      t.is(clone.message, `Timed out waiting for lock after 0ms${suffix}`);
      t.deepEqual(clone.cause, timeoutOf(0).cause);
      lock.releaseLock();
    });
  }
}

test('each object of a shared lock has a name of its own', async (t) => {
  const lock = createSharedLock(0, {name: 'mine'});
  const other = createSharedLock(0, {buffer: lock.buffer, name: 'yours'});
  const unnamed = createSharedLock(0, {buffer: lock.buffer});
  await lock.acquireLock();
  for (const [object, lockName, suffix] of [
    [other, 'yours', ' (lock "yours")'],
    [unnamed, undefined, ''],
  ] as const) {
    const timeout = await rejection(object.acquireLock());
    t.is(timeout.message, `Timed out waiting for lock after 0ms${suffix}`);
    t.is(timeout.lockName, lockName);
    const notHeld = await thrown(() => object.releaseLock());
    t.is(notHeld.message, HELD_ELSEWHERE + suffix);
    t.is(notHeld.lockName, lockName);
  }
  lock.releaseLock();
});

test('the key is in the message where it can be written down, and is a property as it is', async (t) => {
  const object = {id: 1};
  const symbol = Symbol('secret');
  const locks = createLocksByKey({timeoutMilliseconds: 0, name: 'users'});
  for (const [key, shown, isCloneable] of [
    ['a', ', key "a"', true],
    ['', ', key ""', true],
    [1, ', key "1"', true],
    [-0, ', key "0"', true],
    [NaN, ', key "NaN"', true],
    [10n, ', key "10"', true],
    [true, ', key "true"', true],
    [undefined, '', true],
    [null, ', key null', false],
    [object, ', key object', false],
    [symbol, ', key symbol', false],
    [test, ', key function', false],
  ] as const) {
    await locks.acquireLock(key);
    const error = await rejection(locks.acquireLock(key));
    t.is(error.message, `Timed out waiting for lock after 0ms (lock "users"${shown})`);
    t.is(error.key, key);
    t.is(error.lockName, 'users');
    t.deepEqual(error.cause, {
      code: 'ERR_LOCK_TIMEOUT',
      lockName: 'users',
      timeoutMilliseconds: 0,
      ...(isCloneable ? {key} : {}),
    });
    t.deepEqual(structuredClone(error).cause, error.cause);
    locks.releaseLock(key);
  }
});

test('errors of several keys name the key that is meant', async (t) => {
  const locks = createLocksByKey<string>({timeoutMilliseconds: 0, name: 'users'});
  const holder = locks.tryAcquire('b');
  for (const call of [
    locks.withLocks(['a', 'b', 'c'], () => 'never'),
    locks.acquireAll(['c', 'b']),
  ]) {
    const error = await rejection(call);
    t.is(error.message, 'Timed out waiting for lock after 0ms (lock "users", key "b")');
    t.is(error.key, 'b');
  }
  holder?.release();
  const guard = await locks.acquireAll(['a', 'b', 'c']);
  locks.releaseLock('c');
  const error = await thrown(() => guard.release());
  t.is(error.message, `${RELEASED_UNDER_GUARD} (lock "users", key "c")`);
  t.is(error.key, 'c');
});

test('any string is a name, and undefined is none', async (t) => {
  for (const name of ['', 'a "quoted" name', 'two\nlines']) {
    const error = await thrown(() => createLock(undefined, {name}).releaseLock());
    t.is(error.message, `${NOTHING_HELD} (lock "${name}")`);
    t.is(error.lockName, name);
  }
  for (const options of [{}, {name: undefined}]) {
    const error = await thrown(() => createLock(undefined, options).releaseLock());
    t.is(error.message, NOTHING_HELD);
    t.false('lockName' in error);
  }
});

const MAKERS: Record<string, (options: object) => unknown> = {
  createLock: (options) => createLock(undefined, options),
  createLocksByKey: (options) => createLocksByKey(options),
  'shared createLock': (options) => createSharedLock(undefined, options),
};

for (const [maker, make] of Object.entries(MAKERS)) {
  test(`${maker} refuses a name that is not a string, and options that there are not`, (t) => {
    for (const [name, came] of [
      [5, 'number'],
      [null, 'null'],
      [{}, 'object'],
      [['accounts'], 'object'],
      [Symbol('accounts'), 'symbol'],
      [() => 'accounts', 'function'],
    ] as const) {
      t.throws(() => make({name}), {
        instanceOf: TypeError,
        message: `Expected name to be a string, but got ${came}.`,
      });
    }
    t.throws(() => make({nam: 'accounts'}), {
      instanceOf: TypeError,
      message: /^Unknown option "nam"\. Write createLock.*\bname\b/,
    });
    for (const options of [null, 'accounts', 5]) {
      t.throws(() => make(options as unknown as object), {
        instanceOf: TypeError,
        message: /^Expected options to be an object, but got /,
      });
    }
  });
}

test('inspect shows the name of a lock, if it has one, beside its state', async (t) => {
  for (const [name, shown] of [
    ['accounts', ' "accounts"'],
    ['', ' ""'],
    [undefined, ''],
  ] as const) {
    const lock = createLock(undefined, {name});
    t.is(inspect(lock), `Lock${shown} { free, 0 waiting }`);
    await lock.acquireLock();
    const waiter = lock.acquireLock();
    t.is(inspect(lock), `Lock${shown} { held, 1 waiting }`);
    lock.releaseLock();
    await waiter;
    lock.releaseLock();
    await lock.pool();
    t.is(inspect(lock), `Lock${shown} { retired, 0 waiting }`);

    const shared = createSharedLock(undefined, {name});
    t.is(inspect(shared), `SharedLock${shown} { free, 0 waiting }`);
    await shared.acquireLock();
    t.is(inspect(shared), `SharedLock${shown} { held by thread ${threadId}, 0 waiting }`);
    shared.releaseLock();

    const store = new Map<string, Lock>();
    const locks = createLocksByKey<string>({store, name});
    t.is(inspect(locks), `LocksByKey${shown} { 0 held }`);
    const guard = await locks.acquireAll(['a', 'b']);
    t.is(inspect(locks), `LocksByKey${shown} { 2 held }`);
    t.is(inspect(store.get('a')), `Lock${shown} { held, 0 waiting }`);
    guard.release();
    t.is(inspect(locks), `LocksByKey${shown} { 0 held }`);
  }
});
