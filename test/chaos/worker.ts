/** A worker thread of a run: callers until the run stops, or until it is told how to end. */
import {parentPort, threadId, workerData} from 'node:worker_threads';
import {randomNumbers} from '../support/random.js';
import {Callers} from './callers.js';
import type {LockSource} from './locks.js';
import {Marks} from './marks.js';

export interface Data {
  readonly memory: SharedArrayBuffer;
  readonly source: LockSource;
  readonly seed: number;
}

const {memory, source, seed} = workerData as Data;
const marks = new Marks(memory);
const callers = new Callers(marks, source, randomNumbers(seed + threadId));

// A message means that the thread is to end, whatever it is doing. The listener also keeps it
// alive.
parentPort?.on('message', () => {
  const end = marks.orderAt('any');
  if (end !== undefined) void callers.end(end);
});

void callers.blockNowAndThen();
void callers.run();
