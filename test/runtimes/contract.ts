/**
 * `contract.js main|shared`: the contract of every lock, on a runtime that is no browser. Prints the
 * results as JSON.
 */
import process from 'node:process';
import {createLock, createLocksByKey} from '../../src/index.js';
import {keyContract, lockContract} from '../contract/lockContract.js';
import {lockOfKey} from '../fixtures/lockOfKey.js';
import {Suite} from './suite.js';

const {bun, deno, node} = process.versions;
const suite = new Suite();
const reach = process.argv.at(-1);
if (reach === 'main') {
  // Crowds where the engine is not, or not just, that of the Node.js that runs the other tests.
  lockContract(suite.declare('a lock', bun !== undefined || deno !== undefined), createLock);
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
console.log(JSON.stringify(await suite.run(bun ?? deno ?? node)));
process.exit();
