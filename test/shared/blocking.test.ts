// `withLockSync` and `acquireSync`: callers that block their thread.
import {createRequire} from 'node:module';
import {setTimeout as sleep} from 'node:timers/promises';
import test, {type ExecutionContext, type Implementation} from 'ava';
import {
  createLock,
  createLocksByKey,
  type LockTimeoutError,
  type SharedLock,
} from '../../src/shared/index.js';
import {actors, type Actor} from '../support/actors.js';
import {settle, until, values, watch} from '../support/async.js';
import {compiledFile} from '../support/compiled.js';
import {createLockOfKey} from '../fixtures/lockOfKey.js';

/** These tests run on the main thread. */
const options = {allowMainThread: true};
const deadlock = {code: 'ERR_LOCK_DEADLOCK'};

interface Kind {
  readonly createLock: typeof createLock;
  readonly key?: string;
}

/** Everything holds for a lock and for that of a key. */
const kinds: Record<string, Kind> = {
  'a lock': {createLock},
  'the lock of a key': {createLock: (...args) => createLockOfKey('key', ...args), key: 'key'},
};

/** Blocks a thread until it holds the lock, as `begin` tells, and then until `end` is called. */
async function holdBlocking(thread: Actor | undefined) {
  const buffer = new SharedArrayBuffer(8);
  const cells = new Int32Array(buffer);
  const outcome = watch(thread?.tell({do: 'hold blocking', until: buffer}) ?? Promise.reject());
  const end = () => {
    Atomics.store(cells, 0, 1);
    Atomics.notify(cells, 0);
  };
  const begin = async () => until(() => Atomics.load(cells, 1) === 1);
  return {outcome, begin, end};
}

/** Declares tests whose titles say of what they are. */
function declarer(kind: string) {
  const declare = (title: string, body: Implementation<[]>) => test(`${kind}: ${title}`, body);
  const serial = (title: string, body: Implementation<[]>) =>
    test.serial(`${kind}: ${title}`, body);
  return Object.assign(declare, {serial});
}

for (const [kind, {createLock: createTested, key}] of Object.entries(kinds)) {
  const tests = declarer(kind);

  /** Threads that use the lock. */
  const threadsOf = async (t: ExecutionContext, {buffer}: SharedLock, count: number) => {
    const threads = actors(t, count);
    await Promise.all(threads.map((thread) => thread.tell({do: 'attach', buffer, key})));
    return threads;
  };

  for (const [callers, blocking] of [
    ['four blocking threads', 4],
    ['two blocking threads and two others', 2],
  ] as const) {
    tests.serial(`${callers} count without loss`, async (t) => {
      const lock = createTested();
      const threads = await threadsOf(t, lock, 4);
      const counter = new SharedArrayBuffer(4);
      await Promise.all(
        threads.map((thread, index) =>
          index < blocking
            ? thread.tell({do: 'count blocking', times: 4_000, counter})
            : thread.tell({do: 'count', times: 500, callers: 8, turn: false, counter}),
        ),
      );
      t.is(new Int32Array(counter)[0], 4 * 4_000);
      t.false(lock.isLocked);
    });
  }

  tests(
    'a blocking call calls its function at once, with its arguments, and returns its result',
    (t) => {
      const lock = createTested();
      const sum = lock.withLockSync(
        options,
        (a: number, b: number) => {
          t.true(lock.isLocked);
          return a + b;
        },
        1,
        2,
      );
      t.is(sum, 3);
      t.false(lock.isLocked);
    },
  );

  tests('what the function of a blocking call throws comes through, and the lock is free', (t) => {
    const lock = createTested();
    const error = new Error('mine');
    const fails = () => {
      throw error;
    };
    t.is(
      t.throws(() => lock.withLockSync(options, fails)),
      error,
    );
    t.false(lock.isLocked);
  });

  tests('a guard of a blocking call releases once', async (t) => {
    const lock = createTested();
    const guard = lock.acquireSync(options);
    t.true(lock.isLocked);
    const next = watch(lock.acquire());
    guard.release();
    guard.release();
    await until(() => next.length === 1);
    t.true(lock.isLocked);
  });

  tests('the main thread is not blocked unless it allows that', (t) => {
    const lock = createTested(undefined, {name: 'ledger'});
    for (const [call, block] of [
      ['withLockSync', () => lock.withLockSync(() => t.fail())],
      ['acquireSync', () => lock.acquireSync({allowMainThread: false})],
    ] as const) {
      const error = t.throws(block, {code: 'ERR_LOCK_MAIN_THREAD'});
      t.regex(error.message, new RegExp(`${call}.*withLock.*allowMainThread.*ledger`, 's'));
    }
    t.false(lock.isLocked);
  });

  const holders: Record<string, (lock: SharedLock) => unknown> = {
    acquireLock: (lock) => lock.acquireLock(),
    withLock: (lock) => {
      void lock.withLock(() => new Promise(() => undefined));
    },
    acquire: (lock) => lock.acquire(),
    acquireSync: (lock) => lock.acquireSync(options),
  };
  for (const [method, hold] of Object.entries(holders)) {
    tests(`a thread that holds the lock by ${method} is not blocked for it`, async (t) => {
      const lock = createTested();
      await hold(lock);
      const other = createTested(undefined, {buffer: lock.buffer});
      t.throws(() => lock.withLockSync(options, () => t.fail()), deadlock);
      t.throws(() => other.acquireSync({...options, timeoutMilliseconds: 10}), deadlock);
      t.true(lock.isLocked);
    });
  }

  tests('a blocking call inside another is told so, and the outer one goes on', (t) => {
    const lock = createTested();
    const result = lock.withLockSync(options, () => {
      t.throws(() => lock.withLockSync(options, () => t.fail()), deadlock);
      return 'outer';
    });
    t.is(result, 'outer');
    t.false(lock.isLocked);
  });

  tests('an asynchronous function is not called by a blocking call', (t) => {
    const lock = createTested();
    let isCalled = false;
    const fn = async () => {
      isCalled = true;
    };
    t.throws(() => lock.withLockSync(options, fn), {
      instanceOf: TypeError,
      message: /Use withLock/,
    });
    t.false(isCalled);
    t.false(lock.isLocked);
  });

  tests('a function that returns a promise is told of when the lock is free', (t) => {
    const lock = createTested();
    const fn = () => Promise.resolve(1);
    t.throws(() => lock.withLockSync(options, fn), {
      instanceOf: TypeError,
      message: /Use withLock/,
    });
    t.false(lock.isLocked);
  });

  tests('bad arguments of blocking calls are told of at once', (t) => {
    const lock = createTested();
    const bad = lock as unknown as Record<
      'withLockSync' | 'acquireSync',
      (...args: unknown[]) => void
    >;
    const type = {instanceOf: TypeError};
    t.throws(() => bad.withLockSync(), {...type, message: /a function to call.*undefined/});
    t.throws(() => bad.withLockSync(options, 'work'), {
      ...type,
      message: /a function to call.*string/,
    });
    t.throws(() => bad.withLockSync({signal: 1}, () => 1), {
      ...type,
      message: /"signal".*withLockSync\(/,
    });
    t.throws(() => bad.acquireSync({patience: 1}), {...type, message: /"patience".*acquireSync\(/});
    t.throws(() => bad.acquireSync(1), {...type, message: /options/});
    t.throws(() => bad.acquireSync({allowMainThread: 1}), {...type, message: /allowMainThread/});
    t.throws(() => bad.acquireSync({...options, timeoutMilliseconds: -1}), {
      instanceOf: RangeError,
    });
    t.false(lock.isLocked);
  });

  tests.serial('a blocking call waits as long as its timeout, or its lock, says', async (t) => {
    const lock = createTested(40);
    const [holder] = await threadsOf(t, lock, 1);
    await holder?.tell({do: 'acquire'});
    for (const [timeoutMilliseconds, expected] of [
      [undefined, 40],
      [0, 0],
      [20, 20],
    ] as const) {
      const begin = performance.now();
      const error = t.throws<LockTimeoutError>(
        () => lock.acquireSync({...options, timeoutMilliseconds}),
        {code: 'ERR_LOCK_TIMEOUT'},
      );
      t.true(performance.now() - begin >= expected - 1);
      t.is(error.timeoutMilliseconds, expected);
      t.is(error.ownerThreadId, holder?.threadId);
    }
    // It left nothing behind that keeps the lock from others.
    await holder?.tell({do: 'release'});
    lock.acquireSync(options).release();
    await holder?.tell({do: 'acquire'});
    t.true(lock.isLocked);
  });

  tests.serial(
    'a blocking call goes ahead of the callers of its own thread, and they follow',
    async (t) => {
      const lock = createTested();
      const [thread] = await threadsOf(t, lock, 1);
      const guard = await lock.acquire();
      const order = watch(
        thread?.tell({do: 'block beside a caller'}) ?? Promise.reject(new Error('no thread')),
      );
      await sleep(50);
      t.deepEqual(order, []);
      guard.release();
      await until(() => order.length === 1);
      t.deepEqual(values(order), [['blocking', 'blocking again', 'in line']]);
      t.false(lock.isLocked);
    },
  );

  tests.serial('a thread that is blocked as the holder lives, and keeps the lock', async (t) => {
    const lock = createTested();
    const [holder, waiter] = await threadsOf(t, lock, 2);
    const held = await holdBlocking(holder);
    await held.begin();
    const waits = watch(lock.acquire());
    const blocks = await holdBlocking(waiter);
    // So long that it is asked after by several tokens.
    await sleep(1_500);
    t.deepEqual([waits, blocks.outcome], [[], []]);
    held.end();
    blocks.end();
    await until(() => waits.length === 1 || blocks.outcome.length === 1);
    const [outcome] = waits;
    if (outcome && 'value' in outcome) outcome.value.release();
    await until(() => waits.length === 1 && blocks.outcome.length === 1);
    t.deepEqual(values(blocks.outcome), [[]]);
  });

  tests.serial(
    'a blocked thread inherits from one that is terminated while it is blocked',
    async (t) => {
      const lock = createTested();
      const [holder, heir] = await threadsOf(t, lock, 2);
      const held = await holdBlocking(holder);
      await held.begin();
      const blocks = await holdBlocking(heir);
      await sleep(400);
      t.deepEqual(blocks.outcome, []);
      await holder?.worker.terminate();
      await blocks.begin();
      blocks.end();
      await until(() => blocks.outcome.length === 1);
      t.deepEqual(values(blocks.outcome), [[holder?.threadId]]);
    },
  );

  tests.serial(
    'a thread that is terminated while it is blocked in line holds up nobody',
    async (t) => {
      const lock = createTested();
      const [waiter, next] = await threadsOf(t, lock, 2);
      const guard = await lock.acquire();
      const gone = await holdBlocking(waiter);
      await sleep(50);
      await waiter?.worker.terminate();
      const blocks = await holdBlocking(next);
      blocks.end();
      await sleep(50);
      guard.release();
      await blocks.begin();
      await until(() => blocks.outcome.length === 1);
      t.deepEqual([gone.outcome, values(blocks.outcome)], [[], [[]]]);
    },
  );

  tests.serial(
    'a caller in line inherits from a thread that is terminated in a blocking call',
    async (t) => {
      const told: number[] = [];
      const lock = createTested(undefined, {onAbandoned: ({threadId}) => told.push(threadId)});
      const [holder] = await threadsOf(t, lock, 1);
      const held = await holdBlocking(holder);
      await held.begin();
      const waits = lock.acquire();
      await settle();
      await holder?.worker.terminate();
      (await waits).release();
      t.deepEqual(told, [holder?.threadId]);
    },
  );
}

test('a thread that holds the lock through another copy of the package, in one line, is not blocked for it', (t) => {
  const lock = createLock();
  const source = compiledFile('src/shared/index', 'commonjs');
  const copy = createRequire(import.meta.url)(source) as {createLock: typeof createLock};
  const other = copy.createLock(undefined, {buffer: lock.buffer});
  const guard = other.acquireSync(options);
  t.throws(() => lock.acquireSync(options), deadlock);
  guard.release();
  lock.acquireSync(options).release();
  t.false(other.isLocked);
});

test('a retired lock object blocks nobody', async (t) => {
  const lock = createLock();
  await lock.pool();
  t.throws(() => lock.acquireSync(options), {code: 'ERR_LOCK_POOLED'});
});

test('a lock object that is being retired says so, also in the thread that holds the lock', async (t) => {
  const lock = createLock();
  const guard = await lock.acquire();
  const retired = lock.pool();
  t.throws(() => lock.withLockSync(options, () => t.fail()), {code: 'ERR_LOCK_POOLED'});
  guard.release();
  await retired;
});

test('blocking methods that are called on nothing say so', (t) => {
  const {acquireSync, withLockSync} = createLock();
  const error = {instanceOf: TypeError, message: /called on the lock/};
  t.throws(() => acquireSync(options), error);
  t.throws(() => withLockSync(options, () => t.fail()), error);
  const ofKeys = createLocksByKey();
  const {acquireSync: acquireKey, withLockSync: withKey} = ofKeys;
  t.throws(() => acquireKey('key', options), error);
  t.throws(() => withKey('key', options, () => t.fail()), error);
  t.is(ofKeys.size, 0);
});

test('a thread that holds one key may block for another', (t) => {
  const locks = createLocksByKey();
  const order: unknown[] = [];
  locks.withLockSync('a', options, () => {
    locks.withLockSync('b', options, () => order.push(locks.size));
    t.throws(() => locks.acquireSync('a', options), deadlock);
  });
  t.deepEqual([order, locks.size], [[2], 0]);
});
