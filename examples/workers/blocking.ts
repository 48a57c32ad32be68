// Workers make transfers with `fs.*Sync`, in calls that block their threads. At the same time, the
// main thread makes transfers that it awaits. First they all run without a lock, and then with one
// that they share.
import {once} from 'node:events';
import {Worker} from 'node:worker_threads';
import {createLock} from '@databases/lock/shared';
import {audit, transfers} from '../transfers.js';
import type {Data} from './blockingWorker.js';

await audit('Two blocking workers and the main thread without the lock', async (file) => {
  await Promise.all([run({file}), run({file}), transfers(file)]);
});

const lock = createLock(30_000);

const balanced = await audit(
  'Two blocking workers and the main thread with the lock',
  async (file) => {
    const {buffer} = lock;
    await Promise.all([run({file, buffer}), run({file, buffer}), transfers(file, lock)]);
  },
);
if (!balanced) {
  console.error('Money was lost or made although every transfer held the lock.');
  process.exitCode = 1;
}

/** Rejects with the worker's error if the worker failed. */
async function run(data: Data): Promise<void> {
  const worker = new Worker(new URL('./blockingWorker.ts', import.meta.url), {workerData: data});
  await once(worker, 'exit');
}
