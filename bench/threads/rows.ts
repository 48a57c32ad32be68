/** What is measured across threads, and by which names it is found in a report. */
import {USES, type Use} from '../oneThread/rows.js';
import type {Work} from './phases.js';

export const WORKS: readonly Work[] = ['synchronous', 'one event-loop turn'];
export const THREADS = [1, 2, 4, 8];
export const CALLERS = [1, 8, 100];

/** So many threads of so many callers. */
export const SIZES: readonly (readonly [threads: number, callers: number])[] = [
  ...THREADS.flatMap((threads) => CALLERS.map((callers) => [threads, callers] as const)),
  [16, 1],
  [64, 1],
];

export const contended = (threads: number, callers: number, work: Work) =>
  `${threads} × ${callers}, ${work}`;

/** One caller after the other, in one thread: what the lock costs where nobody else wants it. */
export const uncontended = (use: Use) => `uncontended, ${use.name}`;
export const UNCONTENDED_USES = USES.filter(
  ({way, timeout}) => way === 'withLock' && timeout === undefined,
);

/** From the release in one thread to the caller of the other, and the same without any lock. */
export const HAND_OVER = 'hand-over between two threads';
export const BARE = 'waitAsync and notify';
