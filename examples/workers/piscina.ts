// Runs the transfers in the threads of a Piscina pool, first without a lock and then with one. With
// the lock, one more task is aborted in the middle of a transfer.
import {once} from 'node:events';
import {MessageChannel} from 'node:worker_threads';
import {createLock} from '@databases/lock/shared';
import {Piscina} from 'piscina';
import {audit} from '../transfers.js';
import type {Task} from './piscinaTask.js';

const pool = new Piscina<Task, void>({
  filename: new URL('./piscinaTask.ts', import.meta.url).href,
  minThreads: 3,
  maxThreads: 3,
});

await audit('Two Piscina tasks without the lock', async (file) => {
  await Promise.all([pool.run({file}), pool.run({file})]);
});

const {buffer} = createLock();

const balanced = await audit('Two Piscina tasks with the lock', async (file) => {
  const tasks = [pool.run({file, buffer}), pool.run({file, buffer})];
  await abortHalfway(file);
  await Promise.all(tasks);
});
if (!balanced) {
  console.error('Money was lost or made although every transfer held the lock.');
  process.exitCode = 1;
}
await pool.close();

/** Aborts a task while it holds the lock. Piscina ends the thread of an aborted task. */
async function abortHalfway(file: string): Promise<void> {
  const {port1, port2} = new MessageChannel();
  const controller = new AbortController();
  const task = pool.run(
    {file, buffer, stuckHalfway: port2},
    {name: 'stuckTransfer', transferList: [port2], signal: controller.signal},
  );
  const aborted = task.catch((error: unknown) => {
    if (!controller.signal.aborted) throw error;
  });
  await Promise.race([once(port1, 'message'), aborted]);
  console.log('A task has made half of a transfer and holds the lock: aborting it');
  controller.abort();
  await aborted;
  port1.close();
}
