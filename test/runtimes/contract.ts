/** The contract of every lock, against the installed package. For all runtimes but browsers. */
import process from 'node:process';
import {createLock, createLocksByKey} from '../../src/index.js';
import {keyContract, lockContract} from '../contract/lockContract.js';
import {lockOfKey} from '../fixtures/lockOfKey.js';
import {Suite} from './suite.js';

/** @param entry which reach of the package */
export async function runContract(entry: 'main' | 'shared') {
  const suite = new Suite();
  if (entry === 'main') {
    lockContract(suite.declare('a lock', true), createLock);
    keyContract(suite.declare('the lock of a key', false), (timeoutMilliseconds) =>
      lockOfKey(createLocksByKey<string>({timeoutMilliseconds}) as never, 'key'),
    );
  } else {
    // The main entry has to work where this one cannot be loaded.
    const shared = await import('../../src/shared/index.js');
    lockContract(suite.declare('a lock', false), shared.createLock);
    keyContract(suite.declare('the lock of a key', false), (timeoutMilliseconds) =>
      lockOfKey(shared.createLocksByKey({timeoutMilliseconds}), 'key'),
    );
  }
  const {bun, deno, node} = process.versions;
  return suite.run(bun ?? deno ?? node);
}
