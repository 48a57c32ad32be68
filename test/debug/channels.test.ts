// What is published on the channels of node:diagnostics_channel while somebody watches.
import {subscribe, unsubscribe} from 'node:diagnostics_channel';
import test from 'ava';
import {watchLocks, type LockMessage} from '../../src/debug/index.js';
import {createLock, createLocksByKey} from '../../src/index.js';
import {settle} from '../support/async.js';

const EVENTS = ['acquire', 'release', 'wait', 'timeout', 'abort', 'abandon'] as const;

/** What is published until the test ends. */
function listen() {
  const heard: (LockMessage & {event: string})[] = [];
  const ends = EVENTS.map((event) => {
    const on = (message: unknown) => heard.push({event, ...(message as LockMessage)});
    subscribe(`@databases/lock:${event}`, on);
    return () => unsubscribe(`@databases/lock:${event}`, on);
  });
  const stop = watchLocks({stacks: false, heldMilliseconds: Infinity});
  return {
    heard,
    names: () => heard.map(({event}) => event),
    end: () => {
      stop();
      for (const end of ends) end();
    },
  };
}

test.serial('a call that waits is told of when it waits, acquires and releases', async (t) => {
  const {heard, names, end} = listen();
  const lock = createLock(undefined, {name: 'accounts'});
  const guard = await lock.acquire();
  const call = lock.withLock(() => undefined);
  guard.release();
  await call;
  end();
  t.deepEqual(names(), ['acquire', 'wait', 'release', 'acquire', 'release']);
  t.true(heard.every((message) => message.lock === 'accounts' && message.key === undefined));
  const [first, , released, second] = heard;
  t.is(first?.waitedMilliseconds, 0);
  t.true((released?.heldMilliseconds ?? -1) >= 0);
  t.true((second?.waitedMilliseconds ?? -1) >= 0);
});

test.serial('a wait that ends early is told of as a timeout or as an abort', async (t) => {
  const {heard, names, end} = listen();
  const locks = createLocksByKey({name: 'users'});
  const guard = await locks.acquire('ada');
  const controller = new AbortController();
  const aborted = locks.withLock('ada', {signal: controller.signal}, () => undefined);
  controller.abort();
  await t.throwsAsync(aborted, {any: true});
  for (const timeoutMilliseconds of [0, 5]) {
    const late = locks.withLock('ada', {timeoutMilliseconds}, () => undefined);
    await t.throwsAsync(late, {name: 'LockTimeoutError'});
  }
  guard.release();
  await settle();
  end();
  t.deepEqual(names(), ['acquire', 'wait', 'abort', 'timeout', 'wait', 'timeout', 'release']);
  t.true(heard.every(({lock, key}) => lock === 'users' && key === 'ada'));
  const timeouts = heard.filter(({event}) => event === 'timeout');
  t.is(timeouts[0]?.waitedMilliseconds, 0);
  t.true((timeouts[1]?.waitedMilliseconds ?? 0) > 3);
});

test.serial('nothing is published once nobody watches', async (t) => {
  const {heard, end} = listen();
  const lock = createLock();
  await lock.withLock(() => undefined);
  const before = heard.length;
  t.true(before > 0);
  end();
  await lock.withLock(() => undefined);
  t.is(heard.length, before);
});
