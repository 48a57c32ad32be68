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
import {countCells, MEASURE, PHASE, STOP, WARM_UP, type Work} from './phases.js';
import {percentile} from './waits.js';
import type {ThreadResult, ThreadTask} from './worker.js';

export interface Measurement {
  readonly lock: string;
  readonly threads: number;
  /** How many of the threads block while they wait, with one caller each. */
  readonly blockingThreads?: number;
  readonly callers: number;
  /** How many keys have a lock; without it there is one lock for all. */
  readonly keys?: number;
  readonly work: Work;
  readonly milliseconds: number;
  readonly warmUpMilliseconds: number;
}

answer(async (measurement: Measurement) => {
  const {lock, threads, blockingThreads = 0, work} = measurement;
  const {milliseconds, warmUpMilliseconds} = measurement;
  const keys = measurement.keys ?? 1;
  const bytes = countCells(keys) * Int32Array.BYTES_PER_ELEMENT;
  const cells = new Int32Array(new SharedArrayBuffer(bytes));
  const accesses = createAccesses(lock, threads, measurement.keys !== undefined);
  const workers = accesses.map((access, index) => {
    const isBlocking = index < blockingThreads;
    const task: ThreadTask = {access, isBlocking, callers: measurement.callers, keys, work, cells};
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
  return summary((await results) as ThreadResult[], blockingThreads, elapsed);
});

const messages = (workers: readonly Worker[]) =>
  Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0] as unknown));

function summary(
  threads: readonly ThreadResult[],
  blockingThreads: number,
  milliseconds: number,
): Figures {
  const shares = threads.map(({operations}) => operations);
  const total = sum(shares);
  const average = total / shares.length;
  const shareOf = (side: readonly number[]) => sum(side) / side.length / average;
  return {
    operationsPerSecond: (total * 1000) / milliseconds,
    longestMilliseconds: Math.max(...threads.map(({longest}) => longest)),
    p99Milliseconds: percentile(
      threads.map(({waits}) => waits),
      0.99,
    ),
    jain: total ** 2 / (shares.length * sum(shares.map((share) => share ** 2))),
    smallestShare: Math.min(...shares) / average,
    // Where there are both, those who block come first.
    smallestSide: Math.min(
      ...[shares.slice(0, blockingThreads), shares.slice(blockingThreads)]
        .filter((side) => side.length > 0)
        .map(shareOf),
    ),
    overlaps: sum(threads.map(({overlaps}) => overlaps)),
  };
}

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
