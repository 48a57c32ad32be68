/**
 * One measurement across threads, in a process of its own: starts the threads, leads them, and sums
 * up.
 */
import {once} from 'node:events';
import {setTimeout as sleep} from 'node:timers/promises';
import {Worker} from 'node:worker_threads';
import {answer} from '../support/child.js';
import type {Figures} from '../support/report.js';
import {createAccesses} from './locks.js';
import {CELLS, MEASURE, PHASE, STOP, WARM_UP, type Work} from './phases.js';
import {percentile} from './waits.js';
import type {ThreadResult, ThreadTask} from './worker.js';

export interface Measurement {
  readonly lock: string;
  readonly threads: number;
  readonly callers: number;
  readonly work: Work;
  readonly milliseconds: number;
  readonly warmUpMilliseconds: number;
}

answer(async (measurement: Measurement) => {
  const {lock, threads, callers, work, milliseconds, warmUpMilliseconds} = measurement;
  const cells = new Int32Array(new SharedArrayBuffer(CELLS * Int32Array.BYTES_PER_ELEMENT));
  const workers = createAccesses(lock, threads).map((access) => {
    const task: ThreadTask = {access, callers, work, cells};
    return new Worker(new URL('./worker.js', import.meta.url), {
      workerData: task,
      transferList: [access.port],
    });
  });
  await messages(workers);

  const lead = (phase: number) => {
    Atomics.store(cells, PHASE, phase);
    Atomics.notify(cells, PHASE);
  };
  const results = messages(workers);
  lead(WARM_UP);
  await sleep(warmUpMilliseconds);
  lead(MEASURE);
  const start = performance.now();
  await sleep(milliseconds);
  lead(STOP);
  const elapsed = performance.now() - start;
  return summary((await results) as ThreadResult[], elapsed);
});

const messages = (workers: readonly Worker[]) =>
  Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0] as unknown));

function summary(threads: readonly ThreadResult[], milliseconds: number): Figures {
  const shares = threads.map(({operations}) => operations);
  const total = sum(shares);
  return {
    operationsPerSecond: (total * 1000) / milliseconds,
    longestMilliseconds: Math.max(...threads.map(({longest}) => longest)),
    p99Milliseconds: percentile(
      threads.map(({waits}) => waits),
      0.99,
    ),
    jain: total ** 2 / (shares.length * sum(shares.map((share) => share ** 2))),
    smallestShare: Math.min(...shares) / (total / shares.length),
    overlaps: sum(threads.map(({overlaps}) => overlaps)),
  };
}

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
