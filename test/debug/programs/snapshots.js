// Asks for a table of what is held and awaited, while something is.
import {channel} from 'node:diagnostics_channel';

const [, , entry, sharedEntry, how] = process.argv;
const {createLock, createLocksByKey} = await import(entry);
const {createLock: createSharedLock} = await import(sharedEntry);

const orders = createLock(undefined, {name: 'orders'});
const users = createLocksByKey({name: 'users'});
const shared = createSharedLock(undefined, {name: 'everybody'});

async function placeOrder() {
  return orders.acquire();
}

async function shipOrder() {
  const guard = await orders.acquire();
  guard.release();
}

async function renameUser() {
  return users.acquire('ada');
}

async function countUsers() {
  return shared.acquire();
}

const guards = await Promise.all([placeOrder(), renameUser(), countUsers()]);
const shipped = shipOrder();
if (how === 'signal') {
  // A signal does not keep the event loop going that tells of it.
  const alive = setInterval(() => undefined, 1000);
  const told = new Promise((resolve) => process.once('SIGUSR2', resolve));
  process.kill(process.pid, 'SIGUSR2');
  await told;
  clearInterval(alive);
} else {
  channel('locks/show').publish('now');
}
for (const guard of guards) guard.release();
await shipped;
