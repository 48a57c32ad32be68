// Runs the transfers in plain workers, first without a lock and then with one. The workers get the
// lock's buffer by postMessage. With the lock, one more worker is terminated in the middle of a
// transfer.
import {once} from 'node:events';
import {Worker} from 'node:worker_threads';
import {createLock} from '@databases/lock/shared';
import {audit} from '../transfers.js';
import type {Message} from './postMessageWorker.js';

await audit('Two workers without the lock', async (file) => {
  await Promise.all([end(start({file})), end(start({file}))]);
});

const {buffer} = createLock();

const balanced = await audit('Two workers with the lock', async (file) => {
  const workers = [end(start({file, buffer})), end(start({file, buffer}))];
  await terminateHalfway(file);
  await Promise.all(workers);
});
if (!balanced) {
  console.error('Money was lost or made although every transfer held the lock.');
  process.exitCode = 1;
}

function start(message: Message): Worker {
  const worker = new Worker(new URL('./postMessageWorker.ts', import.meta.url));
  worker.postMessage(message);
  return worker;
}

/** Rejects with the worker's error if the worker failed. */
async function end(worker: Worker): Promise<void> {
  await once(worker, 'exit');
}

/** Terminates a worker while it holds the lock. */
async function terminateHalfway(file: string): Promise<void> {
  const worker = start({file, buffer, stuck: true});
  await once(worker, 'message');
  console.log('A worker has made half of a transfer and holds the lock: terminating it');
  await worker.terminate();
}
