import test from 'ava';
import {createLocksByKey} from '../../src/shared/index.js';
import {keyContract} from '../contract/lockContract.js';
import {lockOfKey} from '../fixtures/lockOfKey.js';

keyContract(test, (timeoutMilliseconds) => {
  const locks = createLocksByKey({timeoutMilliseconds});
  // A neighbour's key is held all the time.
  void locks.acquireLock('neighbour');
  return lockOfKey(locks, 'key');
});
