/** How many keys there may be: one measurement, in a process of its own, which leads the threads. */
import {once} from 'node:events';
import {Worker} from 'node:worker_threads';
import {createLocksByKey} from '@databases/lock/shared';
import {answer} from '../support/child.js';
import type {Figures} from '../support/report.js';
import {AT_ONCE, LEFT, OVER_TIME, THREADS, type COUNTS} from './rows.js';
import type {HolderTask} from './holder.js';

export interface Question {
  readonly of: keyof typeof COUNTS;
  readonly count: number;
}

answer(({of, count}: Question): Promise<Figures> => {
  switch (of) {
    case OVER_TIME:
      return useOneAfterTheOther(count);
    case AT_ONCE:
      return holdAtOnce(count);
    case LEFT:
      return inherit(count);
  }
});

/** So many callers at a time, each of which goes on to another key. */
const CALLERS = 100;

/** What the memory grows by from a tenth of the keys, by which all is as large as it gets. */
async function useOneAfterTheOther(count: number): Promise<Figures> {
  const locks = createLocksByKey<string>();
  let next = 0;
  const useUntil = async (end: number) => {
    const call = async () => {
      while (next < end) await locks.withLock(`key ${next++}`, () => undefined);
    };
    await Promise.all(Array.from({length: CALLERS}, call));
  };
  const start = performance.now();
  await useUntil(count / 10);
  const before = await usedMegabytes();
  await useUntil(count);
  const microseconds = ((performance.now() - start) * 1000) / count;
  const after = await usedMegabytes();
  return {
    microseconds,
    heapMegabytes: after.heap - before.heap,
    processMegabytes: after.process - before.process,
  };
}

async function usedMegabytes() {
  // What is finalized is collected the next time.
  for (let n = 0; n < 3; n++) {
    globalThis.gc?.();
    await new Promise(setImmediate);
  }
  const {heapUsed, rss} = process.memoryUsage();
  return {heap: heapUsed / 2 ** 20, process: rss / 2 ** 20};
}

async function holdAtOnce(count: number): Promise<Figures> {
  const locks = createLocksByKey({maxKeys: count});
  const start = performance.now();
  const workers = Array.from({length: THREADS}, (_, index) =>
    startHolder({
      buffer: locks.buffer,
      first: (count / THREADS) * index,
      count: count / THREADS,
    }),
  );
  await Promise.all(workers.map(async (worker) => once(worker, 'message')));
  return {milliseconds: performance.now() - start, held: locks.size};
}

/** One thread holds all of the keys and is ended; then all are asked for at once. */
async function inherit(count: number): Promise<Figures> {
  let told = 0;
  const locks = createLocksByKey<string>({onAbandoned: () => told++});
  const worker = startHolder({buffer: locks.buffer, first: 0, count});
  await once(worker, 'message');
  await worker.terminate();
  const start = performance.now();
  const calls = Array.from({length: count}, (_, index) =>
    locks.withLock(`key ${index}`, () => undefined),
  );
  await Promise.all(calls);
  return {milliseconds: performance.now() - start, told};
}

const startHolder = (task: HolderTask) =>
  new Worker(new URL('./holder.js', import.meta.url), {workerData: task});
