// To be bundled into one file with the package: watches, and waits for itself.
import {createLock, createLocksByKey} from '@databases/lock';
import {watchLocks} from '@databases/lock/debug';

watchLocks();
const orders = createLock(undefined, {name: 'orders'});
const users = createLocksByKey({name: 'users'});

async function placeOrder() {
  await orders.withLock(payOrder);
}

async function payOrder() {
  await orders.withLock(() => undefined);
}

async function mergeUsers() {
  await users.withLocks(['ada', 'bob'], renameUser);
}

async function renameUser() {
  await users.acquireLock('bob');
}

await Promise.all([placeOrder(), mergeUsers()]);
