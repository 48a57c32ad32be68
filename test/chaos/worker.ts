/** A worker thread of a run: callers until the run stops, or until it is told how to end. */
import {parentPort, threadId, workerData} from 'node:worker_threads';
import {Callers, randomOf} from './callers.js';
import type {LockSource} from './locks.js';
import {Marks} from './marks.js';

export interface Data {
  readonly memory: SharedArrayBuffer;
  readonly source: LockSource;
  readonly seed: number;
}

const {memory, source, seed} = workerData as Data;
const marks = new Marks(memory);
const callers = new Callers(marks, source, randomOf(seed + threadId));

// A message says that there is an order for whatever the thread is doing. It also keeps a waiting thread alive.
parentPort?.on('message', () => {
  const end = marks.orderAt('any');
  if (end !== undefined) void callers.end(end);
});

void callers.blockNowAndThen();
void callers.run();
