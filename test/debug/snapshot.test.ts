// What is held and awaited now.
import test from 'ava';
import {locksSnapshot, watchLocks} from '../../src/debug/index.js';
import {createLock, createLocksByKey} from '../../src/index.js';

test.serial(
  'a snapshot has a row for each call that holds a lock, and each that waits',
  async (t) => {
    const stop = watchLocks();
    const accounts = createLock(undefined, {name: 'accounts'});
    const users = createLocksByKey({name: 'users'});
    const guard = await accounts.acquire();
    const waiting = accounts.withLock(() => undefined);
    const other = await users.acquire({id: 7});
    const rows = structuredClone(locksSnapshot());
    t.deepEqual(
      rows
        .map(({lock, key, state}) => ({lock, key, state}))
        .sort((a, b) => (a.lock + a.state < b.lock + b.state ? -1 : 1)),
      [
        {lock: 'accounts', key: undefined, state: 'held'},
        {lock: 'accounts', key: undefined, state: 'waiting'},
        {lock: 'users', key: '{ id: 7 }', state: 'held'},
      ],
    );
    for (const {at, stack, since, milliseconds} of rows) {
      t.regex(at ?? '', /snapshot\.test\.ts:\d+:\d+/);
      t.true(stack?.includes(at ?? '-'));
      t.true(since instanceof Date && milliseconds >= 0);
    }
    other.release();
    guard.release();
    await waiting;
    t.deepEqual(locksSnapshot(), []);
    stop();
  },
);

test.serial('a snapshot without a watcher is an error that says what to do', (t) => {
  t.throws(() => locksSnapshot(), {message: /Call watchLocks\(\)/});
});
