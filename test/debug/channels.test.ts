// What is published on the channels of node:diagnostics_channel while somebody watches.
import {subscribe, unsubscribe} from 'node:diagnostics_channel';
import test, {type ExecutionContext} from 'ava';
import {watchLocks, type LockMessage, type WatchLocksOptions} from '../../src/debug/index.js';
import {createLock, createLocksByKey} from '../../src/index.js';
import {createLock as createSharedLock} from '../../src/shared/index.js';
import {actors} from '../support/actors.js';
import {settle, until} from '../support/async.js';

const nothing = () => undefined;

const EVENTS = ['acquire', 'release', 'wait', 'timeout', 'abort', 'abandon'] as const;
type Event = (typeof EVENTS)[number];

/** Subscribes to channels of the locks during a test. @returns what comes, a list that grows */
function listen(t: ExecutionContext, events: readonly Event[] = EVENTS): [Event, LockMessage][] {
  const messages: [Event, LockMessage][] = [];
  for (const event of events) {
    const onMessage = (message: unknown) => messages.push([event, message as LockMessage]);
    subscribe(`@databases/lock:${event}`, onMessage);
    t.teardown(() => unsubscribe(`@databases/lock:${event}`, onMessage));
  }
  return messages;
}

function watched(t: ExecutionContext, options: WatchLocksOptions = {}): [Event, LockMessage][] {
  t.teardown(watchLocks({heldMilliseconds: Infinity, waitingMilliseconds: Infinity, ...options}));
  return listen(t);
}

const named = (messages: readonly [Event, LockMessage][]) =>
  messages.map(([event, {lock, key}]) => [event, lock, key]);

/** Time passes, by the clock of the watcher. */
const pass = (milliseconds: number) => {
  const end = performance.now() + milliseconds;
  return until(() => performance.now() >= end);
};

for (const [kind, make] of Object.entries({createLock, 'shared createLock': createSharedLock})) {
  test.serial(
    `callers of ${kind} acquire and release, and those who cannot at once wait before`,
    async (t) => {
      const messages = watched(t);
      const lock = make(undefined, {name: 'orders'});
      const guard = await lock.acquire();
      const second = lock.withLock(() => pass(20));
      await pass(10);
      guard.release();
      await second;
      const [first, wait, release, acquire, last] = messages.map(([, message]) => message);
      t.deepEqual(
        messages.map(([event]) => event),
        ['acquire', 'wait', 'release', 'acquire', 'release'],
      );
      t.deepEqual(first, {lock: 'orders', key: undefined, waitedMilliseconds: 0});
      t.deepEqual(wait, {lock: 'orders', key: undefined});
      t.true((release?.heldMilliseconds ?? 0) >= 10);
      t.true((acquire?.waitedMilliseconds ?? 0) >= 10);
      t.true((last?.heldMilliseconds ?? 0) >= 20);
      t.false('heldMilliseconds' in (acquire ?? {}));
      t.false('waitedMilliseconds' in (release ?? {}));
    },
  );

  test.serial(
    `a caller of ${kind} that gives up is told by how, and for how long it waited`,
    async (t) => {
      const messages = watched(t);
      const lock = make(undefined, {name: 'orders'});
      const guard = await lock.acquire();
      const controller = new AbortController();
      const aborted = lock.acquire({signal: controller.signal});
      const late = lock.withLock({timeoutMilliseconds: 20}, nothing);
      await t.throwsAsync(late, {code: 'ERR_LOCK_TIMEOUT'});
      controller.abort(new Error('mine'));
      await t.throwsAsync(aborted, {message: 'mine'});
      await settle();
      t.deepEqual(named(messages), [
        ['acquire', 'orders', undefined],
        ['wait', 'orders', undefined],
        ['wait', 'orders', undefined],
        ['timeout', 'orders', undefined],
        ['abort', 'orders', undefined],
      ]);
      // The timeout's clock and the watcher's may differ by a little.
      for (const [, {waitedMilliseconds}] of messages.slice(3))
        t.true((waitedMilliseconds ?? 0) >= 15);
      guard.release();
    },
  );

  test.serial(
    `a caller of ${kind} that does not want to wait times out without a wait`,
    async (t) => {
      const messages = watched(t);
      const lock = make(0, {name: 'orders'});
      const guard = await lock.acquire();
      await t.throwsAsync(lock.withLock(nothing), {code: 'ERR_LOCK_TIMEOUT'});
      t.deepEqual(messages[1], [
        'timeout',
        {lock: 'orders', key: undefined, waitedMilliseconds: 0},
      ]);
      t.is(messages.length, 2);
      guard.release();
    },
  );
}

test.serial('a lock without a name has none', async (t) => {
  const messages = watched(t);
  await createLock().withLock(nothing);
  t.deepEqual(named(messages), [
    ['acquire', undefined, undefined],
    ['release', undefined, undefined],
  ]);
});

test.serial('messages of locks by key have the key itself', async (t) => {
  const messages = watched(t);
  const key = {id: 7};
  const locks = createLocksByKey({name: 'users'});
  const guard = await locks.acquire(key);
  const wait = locks.withLock(key, nothing);
  guard.release();
  await wait;
  t.deepEqual(named(messages), [
    ['acquire', 'users', key],
    ['wait', 'users', key],
    ['release', 'users', key],
    ['acquire', 'users', key],
    ['release', 'users', key],
  ]);
  for (const [, message] of messages) t.is(message.key, key);
});

test.serial('a call for several keys acquires, waits and releases each by itself', async (t) => {
  const messages = watched(t);
  const locks = createLocksByKey<string>({name: 'users'});
  const guard = await locks.acquire('bob');
  const both = locks.withLocks(['ada', 'bob'], nothing);
  guard.release();
  await both;
  t.deepEqual(
    messages.map(([event, {key}]) => `${event} ${String(key)}`),
    [
      'acquire bob',
      'acquire ada',
      'wait bob',
      'release bob',
      'acquire bob',
      'release ada',
      'release bob',
    ],
  );
});

test.serial('a call for several keys times out once, by the key that it did not get', async (t) => {
  const messages = watched(t);
  const locks = createLocksByKey<string>({name: 'users'});
  const guard = await locks.acquire('bob');
  await t.throwsAsync(locks.withLocks(['ada', 'bob'], {timeoutMilliseconds: 10}, nothing), {
    code: 'ERR_LOCK_TIMEOUT',
  });
  await settle();
  t.deepEqual(
    messages.map(([event, {key}]) => `${event} ${String(key)}`),
    ['acquire bob', 'acquire ada', 'wait bob', 'release ada', 'timeout bob'],
  );
  guard.release();
});

test.serial('an heir is told of the thread that ended while it held the lock', async (t) => {
  const messages = watched(t);
  const told: number[] = [];
  const lock = createSharedLock(undefined, {
    name: 'everybody',
    onAbandoned: ({threadId}) => told.push(threadId),
  });
  const [first] = actors(t, 1);
  await first?.tell({do: 'attach', buffer: lock.buffer});
  await first?.tell({do: 'acquire'});
  const heir = lock.acquire();
  await first?.worker.terminate();
  (await heir).release();
  t.deepEqual(
    messages.filter(([event]) => event === 'abandon'),
    [['abandon', {lock: 'everybody', key: undefined, threadId: first?.threadId}]],
  );
  t.deepEqual(messages.map(([event]) => event).sort(), ['abandon', 'acquire', 'release', 'wait']);
  t.deepEqual(told, [first?.threadId], 'and the own callback is called as ever');
});

test.serial('an abandoned lock without a callback of its own is told of, too', async (t) => {
  const messages = watched(t);
  const lock = createSharedLock();
  const [first] = actors(t, 1);
  await first?.tell({do: 'attach', buffer: lock.buffer});
  await first?.tell({do: 'acquire'});
  await first?.worker.terminate();
  await lock.withLock(nothing);
  t.is(messages.find(([event]) => event === 'abandon')?.[1].threadId, first?.threadId);
});

test.serial('without stacks messages have the same times', async (t) => {
  const messages = watched(t, {stacks: false});
  const lock = createLock();
  await lock.withLock(() => pass(10));
  t.true((messages[1]?.[1].heldMilliseconds ?? 0) >= 10);
});

test.serial(
  'without stacks the beginning is not known of what was acquired before somebody subscribed',
  async (t) => {
    t.teardown(watchLocks({stacks: false}));
    const lock = createLock();
    const guard = await lock.acquire();
    const messages = listen(t);
    guard.release();
    t.deepEqual(messages, [
      ['release', {lock: undefined, key: undefined, heldMilliseconds: undefined}],
    ]);
  },
);

test.serial('while nobody watches nothing is published', async (t) => {
  const messages = listen(t);
  const lock = createLock();
  await Promise.all([lock.withLock(settle), lock.withLock(nothing)]);
  t.deepEqual(messages, []);
});
