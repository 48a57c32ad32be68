import {workerData} from 'node:worker_threads';
import {createLocksByKey} from '@databases/lock/shared';
import {transfersBetweenFiles} from '../transfers.js';

export interface Data {
  directory: string;
  /** The buffer of the locks. Without it, the worker uses no locks. */
  buffer?: SharedArrayBuffer;
}

const {directory, buffer} = workerData as Data;

if (buffer === undefined) {
  await transfersBetweenFiles(directory);
} else {
  const locks = createLocksByKey<string>({timeoutMilliseconds: 30_000, buffer});
  await transfersBetweenFiles(directory, locks);
}
