import test from 'ava';
import {createLock, getLock} from '../../src/index.js';
import {lockSuite} from '../support/lockSuite.js';

lockSuite(test, createLock);

test('getLock is createLock', (t) => {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- old callers use it
  t.is(getLock, createLock);
});
