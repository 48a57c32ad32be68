import {workerData} from 'node:worker_threads';
import {createLock} from '@databases/lock/shared';
import {transfersSync} from '../transfers.js';

export interface Data {
  file: string;
  /** Of the lock, unless the worker goes without. */
  buffer?: SharedArrayBuffer;
}

const {file, buffer} = workerData as Data;

if (buffer === undefined) transfersSync(file);
else transfersSync(file, createLock(30_000, {buffer}));
