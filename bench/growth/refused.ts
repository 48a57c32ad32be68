/** `refused.js aborted|timed-out COUNT`: refuses so many waiters at once, and prints how long it took. */
import process from 'node:process';
import {createLock} from '@databases/lock';

const TIMEOUT_MILLISECONDS = 1000;

const [how, count] = process.argv.slice(-2);
const lock = createLock();
await lock.acquireLock();
const controller = new AbortController();
const options =
  how === 'aborted' ? {signal: controller.signal} : {timeoutMilliseconds: TIMEOUT_MILLISECONDS};
const begun = performance.now();
const waiters = Array.from({length: Number(count)}, () =>
  lock.acquire(options).then(
    () => process.exit(1),
    () => undefined,
  ),
);
let refusedAt = begun + TIMEOUT_MILLISECONDS;
if (how === 'aborted') {
  refusedAt = performance.now();
  controller.abort(new Error('Enough.'));
}
await Promise.all(waiters);
console.log(JSON.stringify({milliseconds: performance.now() - refusedAt}));
process.exit();
