import {workerData} from 'node:worker_threads';
import {createLock} from '@databases/lock/shared';
import {transfersSync} from '../transfers.js';

export interface Data {
  file: string;
  /** The buffer of the lock. Without it, the worker uses no lock. */
  buffer?: SharedArrayBuffer;
}

const {file, buffer} = workerData as Data;

if (buffer === undefined) transfersSync(file);
else transfersSync(file, createLock(30_000, {buffer}));
