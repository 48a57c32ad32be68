// The options of one call, for the lock of a key. A neighbour's key is held all the time.
import test from 'ava';
import {createLocksByKey, type Lock} from '../../src/index.js';
import {callOptions} from '../contract/callOptions.js';
import {AT_HAND} from '../contract/common.js';

const createLock = (timeoutMilliseconds?: number) => {
  const locks = createLocksByKey<string>({timeoutMilliseconds});
  void locks.acquireLock('neighbour');
  const lock = {
    withLock: (...args: [() => unknown]) => locks.withLock('key', ...args),
    acquireLock: (task: unknown) => locks.acquireLock('key', task),
    releaseLock: () => locks.releaseLock('key'),
    acquire: (...args: []) => locks.acquire('key', ...args),
    tryAcquire: () => locks.tryAcquire('key'),
    get isLocked() {
      return locks.isLocked('key');
    },
    get pendingCount() {
      return locks.pendingCount('key');
    },
  };
  return lock as unknown as Lock;
};
callOptions(test.serial, createLock, AT_HAND);
