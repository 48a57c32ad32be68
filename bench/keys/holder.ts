/** A thread that acquires many keys, says so, and holds them until it is ended. */
import {parentPort, workerData} from 'node:worker_threads';
import {createLocksByKey} from '@databases/lock/shared';

export interface HolderTask {
  readonly buffer: SharedArrayBuffer;
  /** The number of its first key, and how many it holds. */
  readonly first: number;
  readonly count: number;
}

const {buffer, first, count} = workerData as HolderTask;
const locks = createLocksByKey<string>({buffer});
await Promise.all(
  Array.from({length: count}, (_, index) => locks.acquireLock(`key ${first + index}`)),
);
parentPort?.on('message', () => undefined);
parentPort?.postMessage('holding');
