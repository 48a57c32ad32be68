// What every lock promises holds while somebody watches.
import test, {type Implementation, type ImplementationFn, type TestFn} from 'ava';
import {watchLocks} from '../../src/debug/index.js';
import {createLock, createLocksByKey} from '../../src/index.js';
import {createLock as createSharedLock} from '../../src/shared/index.js';
import {isOfCrowds} from '../contract/common.js';
import {lockContract} from '../contract/lockContract.js';
import {settle, watch} from '../support/async.js';

const ignore = () => undefined;

for (const [kind, make] of Object.entries({createLock, 'shared createLock': createSharedLock})) {
  const serial = ((title: string, run: Implementation<[]>) => {
    // What a watcher does for each of many calls is measured by bench/watch.ts.
    if (isOfCrowds(title)) return;
    test.serial(`${kind}, watched: ${title}`, (t) => {
      t.teardown(watchLocks({stacks: true, onReport: ignore}));
      return (run as ImplementationFn<[]>)(t);
    });
  }) as TestFn['serial'];
  lockContract({serial} as TestFn, (timeoutMilliseconds) => make(timeoutMilliseconds));
}

test.serial(
  'calls for several keys, watched: each settles as soon as it has all of them and is done',
  async (t) => {
    t.teardown(watchLocks({onReport: ignore}));
    const locks = createLocksByKey<string>();
    const guard = await locks.acquireAll(['x', 'y']);
    const withLocks = watch(locks.withLocks(['y', 'x'], () => 'done'));
    const acquireAll = watch(locks.acquireAll(['x', 'z']).then((own) => own.release()));
    await settle();
    t.deepEqual([withLocks, acquireAll], [[], []]);
    guard.release();
    await settle();
    t.deepEqual([withLocks, acquireAll], [[{value: 'done'}], [{value: undefined}]]);
  },
);
