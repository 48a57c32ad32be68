import test from 'ava';
import {createLock, getLock} from '../../src/index.js';
import {lockContract} from '../contract/lockContract.js';

lockContract(test, createLock);

test('getLock is createLock', (t) => {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- old callers use it
  t.is(getLock, createLock);
});
