// Workers make transfers between accounts that have a file each, first without locks and then with
// locks by key. A key is the path of a file. So transfers between different accounts go on at the
// same time.
import {once} from 'node:events';
import {Worker} from 'node:worker_threads';
import {createLocksByKey} from '@databases/lock/shared';
import {audit, manyFiles} from '../transfers.js';
import type {Data} from './byKeyWorker.js';

await audit(
  'Three workers without the locks of the files',
  async (directory) => {
    await Promise.all([run({directory}), run({directory}), run({directory})]);
  },
  manyFiles,
);

const {buffer} = createLocksByKey();

const balanced = await audit(
  'Three workers with the locks of the files',
  async (directory) => {
    const data = {directory, buffer};
    await Promise.all([run(data), run(data), run(data)]);
  },
  manyFiles,
);
if (!balanced) {
  console.error('Money was lost or made although every transfer held the locks of both accounts.');
  process.exitCode = 1;
}

/** Rejects with the worker's error if the worker failed. */
async function run(data: Data): Promise<void> {
  const worker = new Worker(new URL('./byKeyWorker.ts', import.meta.url), {workerData: data});
  await once(worker, 'exit');
}
