// Holds a lock for a fifth of a second, once after a wait.
import {createRequire} from 'node:module';

const [, , entry] = process.argv;
const {createLock} = entry.startsWith('file:')
  ? await import(entry)
  : createRequire(import.meta.url)(entry);

const lock = createLock(undefined, {name: 'accounts'});

async function pay() {
  await lock.withLock(() => new Promise((resolve) => setTimeout(resolve, 200)));
}

async function refund() {
  await lock.withLock(() => 'refunded');
}

await Promise.all([pay(), refund()]);
console.log('done');
