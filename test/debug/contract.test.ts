// What every lock promises holds while somebody watches.
import test, {type Implementation, type ImplementationFn, type TestFn} from 'ava';
import {watchLocks} from '../../src/debug/index.js';
import {createLock} from '../../src/index.js';
import {createLock as createSharedLock} from '../../src/shared/index.js';
import {lockContract} from '../contract/lockContract.js';

/** Of a hundred thousand calls and more: to capture all their stacks takes a minute. */
const OF_CROWDS = /\d00,000/;

const ignore = () => undefined;

for (const [kind, make] of Object.entries({createLock, 'shared createLock': createSharedLock})) {
  const serial = ((title: string, run: Implementation<[]>) => {
    const stacks = !OF_CROWDS.test(title);
    test.serial(`${kind}, watched: ${title}`, (t) => {
      t.teardown(watchLocks({stacks, onReport: ignore}));
      return (run as ImplementationFn<[]>)(t);
    });
  }) as TestFn['serial'];
  lockContract({serial} as TestFn, (timeoutMilliseconds) => make(timeoutMilliseconds));
}
