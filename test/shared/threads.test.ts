import {createRequire} from 'node:module';
import {pathToFileURL} from 'node:url';
import {threadId} from 'node:worker_threads';
import test from 'ava';
import {createLock, type LockTimeoutError, type SharedLock} from '../../src/shared/index.js';
import {SLOTS} from '../../src/shared/memory/layout.js';
import type {Slot} from '../../src/shared/memory/layout.js';
import {readOwnerThreadId} from '../../src/shared/memory/threads.js';
import {announceOrTake, countPoll, handOff} from '../../src/shared/memory/waiters.js';
import {
  isFree,
  isReserved,
  isReservedFor,
  readWord,
  tryTake,
} from '../../src/shared/memory/word.js';
import {actors} from '../support/actors.js';
import {settle, until, values, watch} from '../support/async.js';
import {attachNobody} from '../support/nobody.js';
import {countWaiting, createEntry, isCalled} from '../support/waiting.js';
import {compiledFile} from '../support/compiled.js';

const notHeld = {code: 'ERR_LOCK_NOT_HELD'};
interface Entry {
  createLock: typeof createLock;
}

for (const turn of [false, true]) {
  test.serial(
    `four threads of eight callers each count without loss, ${turn ? 'with' : 'without'} a turn of the event loop`,
    async (t) => {
      const {buffer} = createLock();
      const counter = new SharedArrayBuffer(4);
      const threads = actors(t, 4);
      const times = turn ? 50 : 2000;
      await Promise.all(threads.map((thread) => thread.tell({do: 'attach', buffer})));
      await Promise.all(
        threads.map((thread) => thread.tell({do: 'count', times, callers: 8, turn, counter})),
      );
      t.is(new Int32Array(counter)[0], 4 * 8 * times);
    },
  );
}

test.serial(
  'any thread may have made the lock, and the main thread takes part like the others',
  async (t) => {
    const [maker, other] = actors(t, 2);
    const buffer = (await maker?.tell({do: 'attach'})) as SharedArrayBuffer;
    await other?.tell({do: 'attach', buffer});
    const lock = createLock(undefined, {buffer});
    const counter = new SharedArrayBuffer(4);
    const numbers = new Int32Array(counter);
    await Promise.all([
      ...[maker, other].map((thread) =>
        thread?.tell({do: 'count', times: 20, callers: 5, turn: true, counter}),
      ),
      ...Array.from({length: 100}, () =>
        lock.withLock(async () => {
          const before = numbers[0] ?? 0;
          await settle();
          numbers[0] = before + 1;
        }),
      ),
    ]);
    t.is(numbers[0], 300);
  },
);

test.serial(
  'a waiter gets the lock that another thread releases, and keeps its async order',
  async (t) => {
    const [holder] = actors(t, 1);
    const lock = createLock();
    await holder?.tell({do: 'attach', buffer: lock.buffer});
    await holder?.tell({do: 'acquire'});
    const order: number[] = [];
    const calls = [1, 2, 3].map((n) => lock.withLock(() => order.push(n)));
    await settle();
    t.deepEqual(order, []);
    await holder?.tell({do: 'release'});
    await Promise.all(calls);
    t.deepEqual(order, [1, 2, 3]);
  },
);

test.serial('a timeout while another thread holds the lock leaves it there', async (t) => {
  const [holder] = actors(t, 1);
  const lock = createLock(50);
  const patient = createLock(undefined, {buffer: lock.buffer});
  await holder?.tell({do: 'attach', buffer: lock.buffer});
  await holder?.tell({do: 'acquire'});
  const waits = watch(patient.acquireLock('patient'));
  await t.throwsAsync(lock.acquireLock(), {code: 'ERR_LOCK_TIMEOUT'});
  await t.throwsAsync(createLock(0, {buffer: lock.buffer}).acquireLock(), {
    code: 'ERR_LOCK_TIMEOUT',
  });
  t.deepEqual(waits, []);
  await holder?.tell({do: 'release'});
  await until(() => waits.length > 0);
  t.deepEqual(values(waits), ['patient']);
  patient.releaseLock();
});

test.serial('a thread that no longer waits passes on the lock that was meant for it', async (t) => {
  const [holder, other] = actors(t, 2);
  const lock = createLock(30);
  for (const thread of [holder, other]) await thread?.tell({do: 'attach', buffer: lock.buffer});
  for (let round = 0; round < 20; round++) {
    await holder?.tell({do: 'acquire'});
    const mine = lock.acquireLock().then(
      () => lock.releaseLock(),
      () => undefined,
    );
    const theirs = other?.tell({do: 'acquire'});
    // About when this thread gives up.
    await new Promise((resolve) => setTimeout(resolve, 25 + (round % 10)));
    await holder?.tell({do: 'release'});
    await Promise.all([mine, theirs]);
    await other?.tell({do: 'release'});
  }
  t.is(await lock.withLock(() => 'free'), 'free');
});

test.serial(
  'isLocked and tryAcquire speak for all threads, pendingCount for this one',
  async (t) => {
    const [holder, waiter] = actors(t, 2);
    const lock = createLock();
    const other = createLock(undefined, {buffer: lock.buffer});
    for (const thread of [holder, waiter]) await thread?.tell({do: 'attach', buffer: lock.buffer});
    await holder?.tell({do: 'acquire'});
    const theirs = waiter?.tell({do: 'acquire'});
    const entry = createEntry(lock.buffer);
    await until(() => countWaiting(entry) === 1);
    t.true(lock.isLocked);
    t.is(lock.tryAcquire(), undefined);
    t.is(lock.pendingCount, 0);
    await holder?.tell({do: 'release'});
    await theirs;
    // Not before: a caller of this thread that looks just then may have the lock first.
    const mine = [lock.acquire(), other.acquire()];
    t.deepEqual([lock.pendingCount, other.pendingCount], [2, 2]);
    t.true(lock.isLocked);
    await waiter?.tell({do: 'release'});
    for (const guard of mine) (await guard).release();
    t.deepEqual([lock.isLocked, lock.pendingCount], [false, 0]);
    using guard = lock.tryAcquire();
    t.truthy(guard);
  },
);

test.serial(
  'a wait for another thread is aborted at once, and takes nothing with it',
  async (t) => {
    const [holder] = actors(t, 1);
    const lock = createLock();
    await holder?.tell({do: 'attach', buffer: lock.buffer});
    await holder?.tell({do: 'acquire'});
    const controller = new AbortController();
    const first = watch(lock.acquire({signal: controller.signal}));
    const second = watch(lock.acquireLock('second'));
    controller.abort('the reason');
    await settle();
    t.deepEqual([first, second], [[{error: 'the reason'}], []]);
    await holder?.tell({do: 'release'});
    await until(() => second.length > 0);
    t.deepEqual(second, [{value: 'second'}]);
    lock.releaseLock();
  },
);

test.serial('a timeout tells which thread held the lock when the wait ended', async (t) => {
  const [holder] = actors(t, 1);
  const lock = createLock(30);
  const other = createLock(0, {buffer: lock.buffer});
  await holder?.tell({do: 'attach', buffer: lock.buffer});
  await holder?.tell({do: 'acquire'});
  for (const wait of [() => lock.acquireLock(), () => lock.acquire(), () => other.acquire()]) {
    const error = await t.throwsAsync<LockTimeoutError>(wait(), {code: 'ERR_LOCK_TIMEOUT'});
    t.is(error.ownerThreadId, holder?.threadId);
  }
  await holder?.tell({do: 'release'});
  const guard = await lock.acquire();
  const error = await t.throwsAsync<LockTimeoutError>(other.acquire());
  t.is(error.ownerThreadId, threadId);
  guard.release();
});

test('a word that is reserved for another thread is locked, and owned by nobody, until the reservation has expired', async (t) => {
  const lock = createLock();
  const entry = createEntry(lock.buffer);
  // Two threads of which the one is woken to take the lock from the other, and does not come.
  const owner = attachNobody(entry.cells, 1001);
  const absent = attachNobody(entry.cells, 1002);
  tryTake(entry, owner);
  t.is(readOwnerThreadId(entry), 1001);
  announceOrTake(entry, absent);
  handOff(entry, readWord(entry));
  t.true(lock.isLocked);
  t.is(readOwnerThreadId(entry), undefined);
  // From now on this thread knows of the reservation.
  t.is(lock.tryAcquire(), undefined);
  await until(() => !lock.isLocked);
  using guard = lock.tryAcquire();
  t.truthy(guard);
  t.true(lock.isLocked);
});

test('a reservation for a thread that does not come is ended by the thread that made it, also if nobody looks', async (t) => {
  const lock = createLock();
  const entry = createEntry(lock.buffer);
  const absent = attachNobody(entry.cells, 1001);
  // The second time this thread has had the lock for long while another waits.
  for (const milliseconds of [0, 5]) {
    await lock.acquireLock();
    t.is(announceOrTake(entry, absent), undefined);
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    lock.releaseLock();
  }
  t.true(isReserved(readWord(entry)));
  await until(() => isFree(readWord(entry)));
});

test('a reservation is ended also if the caller for whom the thread that made it waits gives up', async (t) => {
  const lock = createLock();
  const entry = createEntry(lock.buffer);
  const absent = attachNobody(entry.cells, 1001);
  const controller = new AbortController();
  await lock.acquireLock();
  announceOrTake(entry, absent);
  const second = lock.acquireLock();
  const third = lock.acquire({signal: controller.signal});
  lock.releaseLock();
  await second;
  await new Promise((resolve) => setTimeout(resolve, 5));
  lock.releaseLock();
  t.true(isReservedFor(readWord(entry), absent));
  controller.abort(new Error('The third has waited enough.'));
  await t.throwsAsync(third, {message: 'The third has waited enough.'});
  await until(() => isFree(readWord(entry)));
});

test.serial(
  'once sections turn slow, and the tenure is over, no more than one begins before others',
  async (t) => {
    const lock = createLock();
    // As quick as they get.
    for (let n = 0; n < 20_000; n++) await lock.withLock(() => undefined);
    const entry = createEntry(lock.buffer);
    const other = attachNobody(entry.cells, 1001);
    for (let quick = 16; quick < 24; quick++) {
      await lock.acquireLock();
      announceOrTake(entry, other);
      let begun = 0;
      const section = (isSlow: boolean) => {
        if (!isSlow || isCalled(entry, other)) return;
        begun++;
        // Longer than any tenure.
        const end = performance.now() + 10;
        while (performance.now() < end);
      };
      const calls = Array.from({length: quick + 10}, (_, n) => lock.withLock(section, n >= quick));
      lock.releaseLock();
      await Promise.all(calls);
      t.true(begun <= 2, `${begun} slow ones began after ${quick} quick ones`);
      t.true(isCalled(entry, other));
    }
  },
);

/** A thread that is woken and does not come. */
interface Absent {
  readonly slot: Slot;
  readonly wait: () => void;
}

test('a reservation lasts, also if the thread that made it left the lock a moment before', async (t) => {
  // Once more if this thread was so slow that it has ended rightly when it is looked at.
  for (let age = Infinity; age > 4;) {
    const lock = createLock();
    const entry = createEntry(lock.buffer);
    const [first, second] = [1001, 1002].map((id) => {
      const slot = attachNobody(entry.cells, id);
      return {slot, wait: () => announceOrTake(entry, slot)};
    }) as [Absent, Absent];
    let left = NaN;
    for (const milliseconds of [0, 10]) {
      const guard = lock.tryAcquire();
      first.wait();
      second.wait();
      // Blocked, so that what is due for the first time it left the lock happens after the second.
      const end = performance.now() + milliseconds;
      while (performance.now() < end);
      left = performance.now();
      guard?.release();
    }
    const wasReserved = isReservedFor(readWord(entry), first.slot);
    await settle();
    const isStillReserved = isReservedFor(readWord(entry), first.slot);
    age = performance.now() - left;
    if (age <= 4) t.deepEqual([wasReserved, isStillReserved], [true, true]);
    await until(() => isFree(readWord(entry)));
  }
});

test.serial('contending threads poll less often the more of them poll', async (t) => {
  const crowds = [2, 16].map((size) => {
    const lock = createLock();
    const memory = new Int32Array(lock.buffer);
    // Each is counted as a poll, by the threads as well.
    let readings = 0;
    const pollsOfEach = () => (countPoll(memory) - readings++) / size;
    return {lock, threads: actors(t, size), pollsOfEach};
  });
  for (const {lock, threads} of crowds) {
    await lock.acquireLock();
    await Promise.all(threads.map((thread) => thread.tell({do: 'attach', buffer: lock.buffer})));
    for (const thread of threads) void thread.tell({do: 'acquire'});
  }
  const [few, many] = crowds.map(({pollsOfEach}) => pollsOfEach) as [() => number, () => number];
  while (few() < 20) await new Promise((resolve) => setTimeout(resolve, 500));
  const polls = many();
  t.true(polls < 10, `each of many polled ${polls} times`);
});

test('all objects of a buffer are one lock in a thread, in one line', async (t) => {
  const first = createLock();
  const second = createLock(undefined, {buffer: first.buffer});
  const copy = structuredClone(first.buffer);
  const third = createLock(undefined, {buffer: copy});
  const order: string[] = [];
  await Promise.all([
    first.withLock(async () => settle().then(() => order.push('first'))),
    second.withLock(() => order.push('second')),
    third.withLock(() => order.push('third')),
    first.withLock(() => order.push('first again')),
  ]);
  t.deepEqual(order, ['first', 'second', 'third', 'first again']);
});

test('a lock that was taken through one object is released through that object only', async (t) => {
  const taker = createLock();
  const other = createLock(undefined, {buffer: taker.buffer});
  await taker.acquireLock();
  t.throws(() => other.releaseLock(), notHeld);
  const waiter = watch(other.acquireLock('other'));
  await settle();
  t.deepEqual(waiter, []);
  taker.releaseLock();
  await settle();
  t.deepEqual(waiter, [{value: 'other'}]);
  t.throws(() => taker.releaseLock(), notHeld);
  other.releaseLock();
});

test('the copies for import and for require are one lock, with one line', async (t) => {
  const esm = (await import(
    pathToFileURL(compiledFile('src/shared/index')).href
  )) as unknown as Entry;
  const commonjs = createRequire(import.meta.url)(
    compiledFile('src/shared/index', 'commonjs'),
  ) as Entry;
  t.not(esm.createLock, commonjs.createLock);
  const a = esm.createLock(10_000);
  const b = commonjs.createLock(10_000, {buffer: a.buffer});
  const c = createLock(10_000, {buffer: b.buffer});
  const order: string[] = [];
  const enter = (lock: SharedLock, name: string) =>
    lock.withLock(async () => {
      await settle();
      order.push(name);
    });
  await Promise.all([
    enter(a, 'a1'),
    enter(b, 'b1'),
    enter(c, 'c1'),
    enter(b, 'b2'),
    enter(a, 'a2'),
  ]);
  t.deepEqual(order, ['a1', 'b1', 'c1', 'b2', 'a2']);
  await b.acquireLock();
  t.throws(() => a.releaseLock(), notHeld);
  await t.throwsAsync(commonjs.createLock(0, {buffer: a.buffer}).acquireLock(), {
    code: 'ERR_LOCK_TIMEOUT',
  });
  b.releaseLock();
});

test('objects of one lock in one thread each have their own timeout', async (t) => {
  const patient = createLock(10_000);
  const hasty = createLock(30, {buffer: patient.buffer});
  await patient.acquireLock();
  const waits = watch(patient.acquireLock('patient'));
  await t.throwsAsync(hasty.acquireLock(), {
    code: 'ERR_LOCK_TIMEOUT',
    message: 'Timed out waiting for lock after 30ms',
  });
  t.deepEqual(waits, []);
  patient.releaseLock();
  await settle();
  t.deepEqual(values(waits), ['patient']);
  patient.releaseLock();
});

test('pool() waits for the callers of its own object, and retires nothing else', async (t) => {
  const lock = createLock();
  const other = createLock(undefined, {buffer: lock.buffer});
  await other.acquireLock();
  await lock.pool();
  await t.throwsAsync(lock.acquireLock(), {code: 'ERR_LOCK_POOLED'});
  t.throws(() => lock.releaseLock(), {code: 'ERR_LOCK_POOLED'});
  const third = createLock(undefined, {buffer: lock.buffer});
  const waiter = third.withLock(() => 'served');
  const pooled = watch(third.pool());
  await settle();
  t.deepEqual(pooled, []);
  other.releaseLock();
  t.is(await waiter, 'served');
  await settle();
  t.deepEqual(pooled, [{value: undefined}]);
  t.is(await other.withLock(() => 'carries on'), 'carries on');
});

test("what is not a lock's buffer is refused", (t) => {
  const make = (options: unknown) => () =>
    createLock(undefined, options as {buffer: SharedArrayBuffer});
  for (const buffer of [
    undefined,
    null,
    'buffer',
    4,
    {},
    new ArrayBuffer(8192),
    new Int32Array(4),
  ]) {
    t.throws(make({buffer}), {
      instanceOf: TypeError,
      message: /^Expected options\.buffer to be a lock's SharedArrayBuffer, but got /,
    });
  }
  for (const size of [0, 4, 8320, 100_000]) {
    t.throws(make({buffer: new SharedArrayBuffer(size)}), {
      instanceOf: TypeError,
      message: /^Expected options\.buffer to be a lock's/,
    });
  }
  for (const options of [null, 'options', 5]) t.throws(make(options), {instanceOf: TypeError});
  for (const onAbandoned of [null, 'log', {}]) {
    t.throws(make({onAbandoned}), {
      instanceOf: TypeError,
      message: /^Expected onAbandoned to be a function, but got /,
    });
  }
  t.notThrows(make({onAbandoned: undefined}));
});

test('the buffer of an incompatible version is refused', (t) => {
  const {buffer} = createLock();
  const other = new SharedArrayBuffer(buffer.byteLength);
  new Int32Array(other).set(new Int32Array(buffer));
  new Int32Array(other, 4, 1)[0] = 99;
  t.throws(() => createLock(undefined, {buffer: other}), {
    name: 'LockError',
    code: 'ERR_LOCK_VERSION',
  });
});

test('one thread too many gets a clear error, and the lock still works', async (t) => {
  const lock = createLock();
  const memory = new Int32Array(lock.buffer);
  const slots = new Set<number | undefined>();
  // Threads that are there as far as anybody can tell.
  for (let id = 1001; slots.size < SLOTS - 1; id++) slots.add(attachNobody(memory, id));
  t.false(slots.has(undefined));
  const [thread] = actors(t, 1);
  await t.throwsAsync(thread?.tell({do: 'attach', buffer: lock.buffer}) ?? Promise.resolve(), {
    code: 'ERR_LOCK_FULL',
    message: 'Too many threads: at most 128 can use a lock at a time.',
  });
  t.is(await lock.withLock(() => 'works'), 'works');
});

test.serial('a platform without waitAsync is refused when the lock is made', (t) => {
  const original = Object.getOwnPropertyDescriptor(Atomics, 'waitAsync') ?? {};
  Reflect.deleteProperty(Atomics, 'waitAsync');
  try {
    t.throws(() => createLock(), {code: 'ERR_LOCK_UNSUPPORTED', message: /Atomics\.waitAsync/});
  } finally {
    Object.defineProperty(Atomics, 'waitAsync', original);
  }
  t.notThrows(() => createLock());
});
