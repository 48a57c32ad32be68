// What the lock survives: threads that end, in every way, with the lock in their hands or while
// they wait for it.
import type {LockGuard} from '../../src/index.js';
import test from 'ava';
import {createLock, type SharedLock} from '../../src/shared/index.js';
import {announceOrTake} from '../../src/shared/memory/waiters.js';
import {hasWaiters, readWord} from '../../src/shared/memory/word.js';
import {actors, type Actor} from '../support/actors.js';
import {settle, until, values, watch} from '../support/async.js';
import {attachNobody} from '../support/nobody.js';
import {countWaiting, createEntry} from '../support/waiting.js';

const endings: Record<string, (actor: Actor) => unknown> = {
  'is terminated': ({worker}) => worker.terminate(),
  exits: (actor) => actor.tell({do: 'exit'}),
  'runs out of memory': (actor) => actor.tell({do: 'run out of memory'}),
  'throws an error that nobody catches': (actor) => actor.tell({do: 'throw'}),
  'finishes without releasing': (actor) => actor.tell({do: 'finish'}),
  'is terminated in the middle of a computation': async (actor) => {
    await actor.tell({do: 'block', milliseconds: 60_000});
    // By then it has been asked whether it is alive, and could not arm its tokens again.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await actor.worker.terminate();
  },
};

const small = {resourceLimits: {maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4}};

/** A lock of this thread that writes down whom it inherits from. */
function lockWithHeirs(timeout?: number, buffer?: SharedArrayBuffer) {
  const told: number[] = [];
  const onAbandoned = ({threadId}: {threadId: number}) => told.push(threadId);
  const lock = createLock(timeout, buffer ? {onAbandoned, buffer} : {onAbandoned});
  return {lock, told};
}

async function holds(actor: Actor | undefined, {buffer}: SharedLock): Promise<Actor> {
  if (actor === undefined) throw new Error('There is no such actor.');
  await actor.tell({do: 'attach', buffer});
  await actor.tell({do: 'acquire'});
  return actor;
}

for (const [ending, end] of Object.entries(endings)) {
  test(`the next in line inherits from a holder that ${ending}, and is told`, async (t) => {
    const {lock, told} = lockWithHeirs();
    const [first] = actors(t, 1, small);
    const holder = await holds(first, lock);
    const seen: unknown[] = [];
    const heir = lock.withLock(() => seen.push('heir', ...told));
    const next = lock.withLock(() => seen.push('next'));
    void end(holder);
    await Promise.all([heir, next]);
    t.deepEqual(seen, ['heir', holder.threadId, 'next']);
    t.deepEqual(told, [holder.threadId]);
  });
}

test('a lock whose holder ended is locked until somebody tries to get it and finds that out', async (t) => {
  const {lock, told} = lockWithHeirs();
  const [first] = actors(t, 1);
  const holder = await holds(first, lock);
  t.true(lock.isLocked);
  await holder.worker.terminate();
  t.true(lock.isLocked);
  let guard: LockGuard | undefined;
  await until(() => (guard = lock.tryAcquire()) !== undefined);
  t.deepEqual(told, [holder.threadId]);
  guard?.release();
});

test('tryAcquire inherits, and its object is told before it returns', async (t) => {
  const {lock, told} = lockWithHeirs();
  const [first] = actors(t, 1);
  const holder = await holds(first, lock);
  await holder.worker.terminate();
  let seen: number[] | undefined;
  await until(() => {
    using guard = lock.tryAcquire();
    if (guard) seen = [...told];
    return guard !== undefined;
  });
  t.deepEqual(seen, [holder.threadId]);
});

test('an onAbandoned that releases or asks changes nothing for the heir', async (t) => {
  const lock = createLock();
  const [first] = actors(t, 1);
  const holder = await holds(first, lock);
  const order: string[] = [];
  const waits: Promise<unknown>[] = [];
  const heir = createLock(60_000, {
    buffer: lock.buffer,
    onAbandoned: () => {
      t.throws(() => heir.releaseLock(), {code: 'ERR_LOCK_NOT_HELD'});
      t.is(heir.tryAcquire(), undefined);
      t.true(heir.isLocked);
      waits.push(
        heir.withLock(() => order.push('asked by onAbandoned')),
        heir.pool().then(() => order.push('pooled')),
      );
      order.push('told');
    },
  });
  waits.push(
    heir.acquire().then((guard) => {
      order.push('heir');
      guard.release();
    }),
    heir.withLock(() => order.push('behind')),
  );
  await holder.worker.terminate();
  await until(() => order.includes('pooled'));
  await Promise.all(waits);
  t.deepEqual(order, ['told', 'heir', 'behind', 'asked by onAbandoned', 'pooled']);
  t.deepEqual([lock.isLocked, lock.pendingCount], [false, 0]);
});

test('an heir whose signal its onAbandoned aborts was told, and the lock goes to the next', async (t) => {
  const lock = createLock();
  const [first] = actors(t, 1);
  const holder = await holds(first, lock);
  const controller = new AbortController();
  const order: string[] = [];
  const heir = createLock(60_000, {
    buffer: lock.buffer,
    onAbandoned: () => {
      order.push('told');
      controller.abort(new Error('The heir has seen enough.'));
    },
  });
  const call = heir.acquire({signal: controller.signal});
  const behind = heir.withLock(() => order.push('behind'));
  await holder.worker.terminate();
  await t.throwsAsync(call, {message: 'The heir has seen enough.'});
  await behind;
  t.deepEqual(order, ['told', 'behind']);
  t.deepEqual([lock.isLocked, lock.pendingCount], [false, 0]);
});

test('exactly one of many waiting threads inherits, and the others get the lock after it', async (t) => {
  const {lock} = lockWithHeirs();
  const [first, ...others] = actors(t, 5);
  const holder = await holds(first, lock);
  const counter = new SharedArrayBuffer(4);
  for (const other of others) await other.tell({do: 'attach', buffer: lock.buffer});
  const waits = others.map((other) =>
    other.tell({do: 'count', times: 10, callers: 2, turn: true, counter}),
  );
  await settle();
  await holder.worker.terminate();
  await Promise.all(waits);
  t.is(new Int32Array(counter)[0], 80);
  const told = await Promise.all(others.map((other) => other.tell({do: 'abandoned'})));
  t.deepEqual(told.flat(), [holder.threadId]);
});

test("callers whose timeouts are short get a dead holder's lock in the end", async (t) => {
  for (const timeout of [0, 20]) {
    const {lock, told} = lockWithHeirs(timeout);
    const [first] = actors(t, 1);
    const holder = await holds(first, lock);
    await holder.worker.terminate();
    let heir: unknown;
    for (let tries = 0; heir === undefined; tries++) {
      heir = await lock
        .withLock(() => [...told])
        .catch((error: unknown) => {
          t.is((error as {code: string}).code, 'ERR_LOCK_TIMEOUT');
          return new Promise((resolve) => setTimeout(resolve, 5));
        });
    }
    t.deepEqual(heir, [holder.threadId]);
  }
});

test('an heir that releases while its promise resolves has not been told yet, and keeps the lock', async (t) => {
  const {lock, told} = lockWithHeirs();
  const [first] = actors(t, 1);
  const holder = await holds(first, lock);
  const task = {
    get then() {
      lock.releaseLock();
      return undefined;
    },
  };
  const heir = lock.acquireLock(task);
  void holder.tell({do: 'exit'});
  await t.throwsAsync(heir, {code: 'ERR_LOCK_NOT_HELD'});
  t.deepEqual(told, [holder.threadId]);
  lock.releaseLock();
  t.is(await lock.withLock(() => 'free'), 'free');
});

test('a caller with a timeout inherits as well', async (t) => {
  const {lock, told} = lockWithHeirs(60_000);
  const [first] = actors(t, 1);
  const holder = await holds(first, lock);
  const heir = lock.acquireLock('heir').then((task) => [task, ...told]);
  await holder.worker.terminate();
  t.deepEqual(await heir, ['heir', holder.threadId]);
  lock.releaseLock();
});

test('an heir gives the lock to another thread in its turn, however long its own line is', async (t) => {
  const lock = createLock();
  const entry = createEntry(lock.buffer);
  const [first] = actors(t, 1);
  const holder = await holds(first, lock);
  // A thread that waits and never looks: it depends on what the heir knows.
  announceOrTake(entry, attachNobody(entry.cells, 1001));
  const waiters: {areKnown: boolean; standing: number}[] = [];
  const line = Array.from({length: 20}, () =>
    lock.withLock(() => {
      waiters.push({areKnown: hasWaiters(readWord(entry)), standing: countWaiting(entry)});
      // As long as a tenure may be.
      const end = performance.now() + 4;
      while (performance.now() < end);
    }),
  );
  await holder.worker.terminate();
  await Promise.all(line);
  t.deepEqual(waiters[0], {areKnown: true, standing: 1});
  const sections = waiters.findIndex(({standing}) => standing === 0);
  t.log(`the other thread was called after ${sections} of ${line.length} sections`);
  t.true(sections >= 1 && sections <= 3, `called after ${sections} sections`);
});

test('nobody is told twice, and an heir that dies in turn is inherited from', async (t) => {
  const {lock, told} = lockWithHeirs();
  const [first, second] = actors(t, 2);
  const holder = await holds(first, lock);
  await second?.tell({do: 'attach', buffer: lock.buffer});
  const inherited = second?.tell({do: 'acquire'});
  await holder.worker.terminate();
  await inherited;
  t.deepEqual(await second?.tell({do: 'abandoned'}), [holder.threadId]);
  const heir = lock.withLock(() => [...told]);
  await second?.worker.terminate();
  t.deepEqual(await heir, [second?.threadId]);
  t.deepEqual(await lock.withLock(() => [...told]), [second?.threadId]);
});

test('only the object whose caller inherits is told, and what its callback throws changes nothing', async (t) => {
  const told: string[] = [];
  const uncaught: unknown[] = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => uncaught.push(error.message));
  t.teardown(() => {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  });
  const bystander = createLock(undefined, {onAbandoned: () => told.push('bystander')});
  const heirs = createLock(undefined, {
    buffer: bystander.buffer,
    onAbandoned: () => {
      told.push('heir');
      throw new Error('from onAbandoned');
    },
  });
  const [first] = actors(t, 1);
  const holder = await holds(first, heirs);
  const heir = heirs.withLock(async () => settle().then(() => 'inherited'));
  const next = bystander.withLock(() => 'next');
  await holder.worker.terminate();
  t.deepEqual(await Promise.all([heir, next]), ['inherited', 'next']);
  t.deepEqual(told, ['heir']);
  t.deepEqual(uncaught, ['from onAbandoned']);
});

test.serial('a holder that computes for five seconds keeps its lock', async (t) => {
  const {lock, told} = lockWithHeirs();
  const [first] = actors(t, 1);
  const holder = await holds(first, lock);
  const waiter = watch(lock.acquireLock('waiter'));
  await holder.tell({do: 'block', milliseconds: 5000});
  const release = watch(holder.tell({do: 'release'}));
  // It answers only after its computation, and has released just before.
  await until(() => release.length > 0 || waiter.length > 0);
  await until(() => release.length > 0);
  await until(() => waiter.length > 0);
  t.deepEqual(values(waiter), ['waiter']);
  t.deepEqual(values(release), [undefined], 'the holder released what it held');
  t.deepEqual(told, []);
  lock.releaseLock();
});

test.serial('a holder whose event loop does nothing keeps its lock', async (t) => {
  const {lock} = lockWithHeirs();
  const [first] = actors(t, 1);
  const holder = await holds(first, lock);
  const hasty = createLock(1500, {buffer: lock.buffer});
  await t.throwsAsync(hasty.acquireLock(), {code: 'ERR_LOCK_TIMEOUT'});
  await holder.tell({do: 'release'});
  t.is(await lock.withLock(() => 'free'), 'free');
});

test.serial('a waiting thread that computes stops nobody else', async (t) => {
  const {lock} = lockWithHeirs();
  const [busy, ...others] = actors(t, 3);
  const counter = new SharedArrayBuffer(12);
  const numbers = new Int32Array(counter);
  for (const actor of [busy, ...others]) await actor?.tell({do: 'attach', buffer: lock.buffer});
  const working = others.map((other) => other.tell({do: 'keep acquiring', counter}));
  for (let round = 0; round < 3; round++) {
    // While this thread holds the lock: the busy one shall wait for it, not hold it, when it begins
    // to compute.
    await lock.acquireLock();
    void busy?.tell({do: 'acquire'}).then(() => busy.tell({do: 'release'}));
    await busy?.tell({do: 'block', milliseconds: 700});
    Atomics.store(numbers, 2, 0);
    lock.releaseLock();
    await new Promise((resolve) => setTimeout(resolve, 800));
  }
  Atomics.store(numbers, 0, 1);
  for (const acquired of await Promise.all(working)) t.true(Number(acquired) > 0);
  const longestGap = numbers[1] ?? 0;
  t.log(`longest gap ${longestGap} ms`);
  // Far below the time that it computed, and far above what it takes on a slow machine.
  t.true(longestGap < 500, `a gap of ${longestGap} ms`);
});

test('waiting threads that die stop nobody else', async (t) => {
  const {lock} = lockWithHeirs();
  const all = actors(t, 8);
  const counter = new SharedArrayBuffer(12);
  for (const actor of all) await actor.tell({do: 'attach', buffer: lock.buffer});
  const working = all.slice(0, 2).map((actor) => actor.tell({do: 'keep acquiring', counter}));
  for (const actor of all.slice(2)) {
    const other = new SharedArrayBuffer(12);
    void actor.tell({do: 'keep acquiring', counter: other});
    await new Promise((resolve) => setTimeout(resolve, 20));
    await actor.worker.terminate();
  }
  Atomics.store(new Int32Array(counter), 0, 1);
  await Promise.all(working);
  t.is(await lock.withLock(() => 'free'), 'free');
});

test.serial('a dead holder is inherited from also while the main thread is blocked', async (t) => {
  const lock = createLock();
  const [first, heir] = actors(t, 2);
  const holder = await holds(first, lock);
  await heir?.tell({do: 'attach', buffer: lock.buffer});
  const counter = new SharedArrayBuffer(4);
  const waiting = heir?.tell({do: 'acquire and mark', counter});
  void holder.tell({do: 'exit'});
  // This is the main thread: nothing but the heir itself can end this wait.
  const outcome = Atomics.wait(new Int32Array(counter), 0, 0, 20_000);
  t.is(outcome, 'ok');
  await waiting;
});

test('a nested thread whose parent was terminated is inherited from', async (t) => {
  const {lock, told} = lockWithHeirs();
  const [parent] = actors(t, 1);
  const nestedId = await parent?.tell({do: 'nest'});
  await parent?.tell({do: 'relay', command: {do: 'attach', buffer: lock.buffer}});
  await parent?.tell({do: 'relay', command: {do: 'acquire'}});
  const heir = lock.withLock(() => [...told]);
  await parent?.worker.terminate();
  t.deepEqual(await heir, [nestedId]);
});

test.serial(
  'a hundred and fifty threads that come, hold or wait, and die use one lock after the other',
  async (t) => {
    const {lock, told} = lockWithHeirs();
    // More than the lock has slots for.
    let holders = 0;
    for (let batch = 0; batch < 15; batch++) {
      const threads = actors(t, 10);
      await Promise.all(threads.map((thread) => thread.tell({do: 'attach', buffer: lock.buffer})));
      if (batch % 5 === 0) {
        await threads[0]?.tell({do: 'acquire'});
        holders++;
      }
      for (const thread of threads.slice(1)) void thread.tell({do: 'acquire'});
      for (const {worker} of threads) await worker.terminate();
      t.is(await lock.withLock(() => 'inherited or free'), 'inherited or free');
    }
    t.true(told.length >= holders);
  },
);
