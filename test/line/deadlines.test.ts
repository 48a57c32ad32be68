// A lock under a clock and timers that the test moves by hand, each for itself.
import test from 'ava';
import {createLock} from '../../src/index.js';
import {settle, watch} from '../support/async.js';

interface Timer {
  readonly callback: () => void;
  readonly delay: number;
}

const original = {setTimeout, clearTimeout, now: performance.now.bind(performance)};

function takeOver() {
  const timers: Timer[] = [];
  const clock = {now: 1000, timers};
  performance.now = () => clock.now;
  globalThis.setTimeout = ((callback: () => void, delay: number) => {
    const timer = {callback, delay};
    timers.push(timer);
    return timer;
  }) as unknown as typeof setTimeout;
  globalThis.clearTimeout = ((timer: Timer) => {
    if (timers.includes(timer)) timers.splice(timers.indexOf(timer), 1);
  }) as unknown as typeof clearTimeout;
  return clock;
}

test.afterEach.always(() => {
  globalThis.setTimeout = original.setTimeout;
  globalThis.clearTimeout = original.clearTimeout;
  performance.now = original.now;
});

const fire = (timers: Timer[]) => timers.shift()?.callback();
const delays = (timers: Timer[]) => timers.map(({delay}) => delay);

test.serial(
  'one timer serves all waiters of a lock, and is gone with the last of them',
  async (t) => {
    const {timers} = takeOver();
    const lock = createLock(50);
    await lock.acquireLock();
    const waiters = [1, 2, 3].map(() => lock.withLock(() => undefined));
    t.deepEqual(delays(timers), [50]);
    lock.releaseLock();
    await Promise.all(waiters);
    t.deepEqual(delays(timers), []);
  },
);

test.serial(
  'a timer that fires within the millisecond before the deadline ends no wait',
  async (t) => {
    const clock = takeOver();
    const lock = createLock(50);
    await lock.acquireLock();
    const waiter = watch(lock.acquireLock());
    clock.now += 49.5;
    fire(clock.timers);
    await settle();
    t.deepEqual(waiter, []);
    t.deepEqual(delays(clock.timers), [1]);
    clock.now += 0.5;
    fire(clock.timers);
    await settle();
    t.is(waiter.length, 1);
  },
);

test.serial('a timer ends waits also where timers are mocked and the clock is not', async (t) => {
  const {timers} = takeOver();
  const lock = createLock(50);
  await lock.acquireLock();
  const waiter = watch(lock.acquireLock());
  fire(timers);
  await settle();
  t.is(waiter.length, 1);
  t.deepEqual(timers, []);
});

test.serial('a deadline beyond the longest timer takes several timers', async (t) => {
  const clock = takeOver();
  const lock = createLock(2_147_483_647 + 10);
  await lock.acquireLock();
  const waiter = watch(lock.acquireLock());
  t.deepEqual(delays(clock.timers), [2_147_483_647]);
  clock.now += 2_147_483_647;
  fire(clock.timers);
  await settle();
  t.deepEqual(waiter, []);
  t.deepEqual(delays(clock.timers), [10]);
  clock.now += 10;
  fire(clock.timers);
  await settle();
  t.is(waiter.length, 1);
});

test.serial(
  'a fake timer ends a wait also a moment before a real clock says that it is time',
  async (t) => {
    const {timers} = takeOver();
    // The clock is the one that the lock knew when it was loaded.
    delete (performance as Partial<typeof performance>).now;
    const lock = createLock(50);
    await lock.acquireLock();
    const start = performance.now();
    const waiter = watch(lock.acquireLock());
    while (performance.now() - start < 49.3);
    fire(timers);
    await settle();
    t.is(waiter.length, 1);
  },
);
