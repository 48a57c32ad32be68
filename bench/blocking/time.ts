/**
 * What a blocking call costs where nobody else wants the lock. The process that is asked, and its
 * worker: a blocking call is not for the main thread.
 */
import {once} from 'node:events';
import {isMainThread, parentPort, Worker, workerData} from 'node:worker_threads';
import {createLock} from '@databases/lock/shared';
import {answer} from '../support/child.js';
import {OURS} from '../support/report.js';
import {FutexMutex} from './futexMutex.js';
import type {BlockingUse} from './rows.js';

export interface BlockingQuestion {
  readonly lock: string;
  readonly use: BlockingUse;
  readonly milliseconds: number;
}

/** Kept here, so that a guard is an object that somebody has. */
const last: {guard?: {release(): void}; calls: number} = {calls: 0};

const section = () => {
  last.calls++;
};

function createCall({lock, use}: BlockingQuestion): () => void {
  if (lock === OURS) {
    const ours = createLock();
    if (use === 'withLockSync') return () => ours.withLockSync(section);
    return byGuard(() => ours.acquireSync());
  }
  const mutex = new FutexMutex(new Int32Array(new SharedArrayBuffer(4)));
  if (use === 'withLockSync') return () => mutex.withLock(section);
  return byGuard(() => mutex.guard());
}

function byGuard(acquire: () => {release(): void}): () => void {
  return () => {
    const guard = acquire();
    last.guard = guard;
    section();
    guard.release();
  };
}

const CALLS = 10_000;

/** @returns nanoseconds a call */
function repeat(call: () => void, milliseconds: number): number {
  const start = performance.now();
  let done = 0;
  let elapsed;
  do {
    for (let n = 0; n < CALLS; n++) call();
    done += CALLS;
    elapsed = performance.now() - start;
  } while (elapsed < milliseconds);
  return (elapsed / done) * 1e6;
}

if (isMainThread) {
  answer(async (question: BlockingQuestion) => {
    const worker = new Worker(new URL(import.meta.url), {workerData: question});
    const [nanoseconds] = (await once(worker, 'message')) as [number];
    return {nanoseconds};
  });
} else {
  const question = workerData as BlockingQuestion;
  const call = createCall(question);
  // To get fast.
  repeat(call, question.milliseconds * 3);
  parentPort?.postMessage(repeat(call, question.milliseconds));
}
