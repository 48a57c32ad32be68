// Where a watcher hooks in: whatever it does, a lock keeps its promises.
import test from 'ava';
import {createLock, createLocksByKey} from '../../src/index.js';
import {Entrance} from '../../src/line/entrance.js';
import {InProcessLine} from '../../src/inProcess/inProcessLine.js';
import {watching, type Watcher} from '../../src/line/watching.js';
import {settle} from '../support/async.js';

const EVENTS = [
  'acquired',
  'waits',
  'givesUp',
  'turnedAway',
  'gathers',
  'gathered',
  'abandoned',
] as const satisfies (keyof Watcher)[];

/** A watcher that does `step` whenever it is told something, and what it was told. */
function watchBy(step: (...told: never[]) => unknown) {
  const told = new Set<string>();
  watching.watcher = Object.fromEntries(
    EVENTS.map((event) => [
      event,
      (...facts: never[]) => {
        told.add(event);
        return step(...facts);
      },
    ]),
  ) as unknown as Watcher;
  return told;
}

test.afterEach.always(() => {
  watching.watcher = undefined;
});

const fail = () => {
  throw new Error('of the watcher');
};

/** Gives a call that waits its own promise, and every acquisition a record that fails. */
const record = (_subject: never, outcome?: unknown) =>
  outcome instanceof Promise ? outcome : {lasts: fail, released: fail, frame: undefined};

for (const [title, step] of [
  ['throws whenever it is told something', fail],
  ['throws when an acquisition lasts or ends', record],
] as const) {
  test.serial(`a lock keeps its promises under a watcher that ${title}`, async (t) => {
    watchBy(step);
    const lock = createLock();
    const guard = await lock.acquire();
    const called = lock.withLock(() => 'called');
    const late = lock.withLock({timeoutMilliseconds: 1}, () => undefined);
    const hasty = lock.withLock({timeoutMilliseconds: 0}, () => undefined);
    await t.throwsAsync(hasty, {name: 'LockTimeoutError'});
    await t.throwsAsync(late, {name: 'LockTimeoutError'});
    guard.release();
    t.is(await called, 'called');
    t.is(await lock.acquireLock('task'), 'task');
    lock.releaseLock();
    t.false(lock.isLocked);
  });

  test.serial(`a call for several keys does under a watcher that ${title}`, async (t) => {
    watchBy(step);
    const locks = createLocksByKey<string>();
    t.is(await locks.withLocks(['a', 'b'], () => 'at once'), 'at once');
    const first = await locks.acquireAll(['a']);
    const hasty = locks.acquireAll(['b', 'a'], {timeoutMilliseconds: 0});
    await t.throwsAsync(hasty, {name: 'LockTimeoutError'});
    first.release();
    t.is(locks.size, 0);
  });
}

test.serial('an heir is told of a death, although a watcher throws when it is', (t) => {
  const deaths: number[] = [];
  const entrance = new Entrance(createLock(), new InProcessLine(), {
    name: undefined,
    onAbandoned: ({threadId}) => deaths.push(threadId),
  });
  const told = watchBy(fail);
  entrance.onAbandoned?.({threadId: 7});
  t.deepEqual(deaths, [7]);
  t.true(told.has('abandoned'));
});

test.serial('a watcher is told of all that happens', async (t) => {
  const told = watchBy(fail);
  const locks = createLocksByKey<string>({timeoutMilliseconds: 1});
  const guard = await locks.acquire('a');
  await t.throwsAsync(locks.withLocks(['a', 'b'], () => undefined));
  await t.throwsAsync(locks.withLock('a', {timeoutMilliseconds: 0}, () => undefined));
  guard.release();
  await settle();
  t.deepEqual([...told].sort(), ['acquired', 'gathers', 'givesUp', 'turnedAway', 'waits']);
});
