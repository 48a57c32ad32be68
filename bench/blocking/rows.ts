/** What is measured of blocking calls across threads, and by which names it is found in a report. */
import type {Work} from '../threads/phases.js';

export type BlockingUse = 'withLockSync' | 'acquireSync';
export const BLOCKING_USES: readonly BlockingUse[] = ['withLockSync', 'acquireSync'];
export const blockingUncontended = (use: BlockingUse) => `blocking, uncontended, ${use}`;

export const THREADS = [2, 4];
export const WORKS: readonly Work[] = ['synchronous', '20 µs'];
export const blockingContended = (threads: number, work: Work) =>
  `blocking, ${threads} threads, ${work}`;

/** Some threads block, the others have several asynchronous callers each. */
export const MIXED_THREADS = {threads: 4, blockingThreads: 2, callers: 8, work: '20 µs'} as const;
export const MIXED = '2 blocking threads and 2 × 8 asynchronous ones, 20 µs';
