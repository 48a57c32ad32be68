/** The benchmarks of blocking calls across threads, beside a mutex for threads that block. */
import {Child} from '../support/child.js';
import {OURS, type Cell} from '../support/report.js';
import {measureRows, type Row} from '../support/rounds.js';
import {FUTEX} from '../threads/locks.js';
import {measureContended} from '../threads/part.js';
import {
  BLOCKING_USES,
  blockingContended,
  blockingUncontended,
  MIXED,
  MIXED_THREADS,
  THREADS,
  WORKS,
} from './rows.js';
import type {BlockingQuestion} from './time.js';

const LIMIT_MILLISECONDS = 10_000;

export async function measureBlocking(quick: boolean): Promise<Cell[]> {
  return [
    ...(await measureRows('blocking', uncontendedRows(quick), quick ? 3 : 11)),
    ...(await measureRows('blocking', contendedRows(quick), quick ? 1 : 5)),
  ];
}

const uncontendedRows = (quick: boolean) =>
  BLOCKING_USES.map((use): Row => ({
    name: blockingUncontended(use),
    contestants: [OURS, FUTEX].map((lock) => ({
      lock,
      measure: () =>
        new Child<BlockingQuestion>(
          new URL('./time.js', import.meta.url),
          LIMIT_MILLISECONDS,
        ).askOnce({lock, use, milliseconds: quick ? 30 : 100}),
    })),
  }));

function contendedRows(quick: boolean): Row[] {
  const rows = WORKS.flatMap((work) =>
    THREADS.map((threads): Row => ({
      name: blockingContended(threads, work),
      contestants: [OURS, FUTEX].map((lock) => ({
        lock,
        measure: () =>
          measureContended(quick, {lock, threads, blockingThreads: threads, callers: 1, work}),
      })),
    })),
  );
  rows.push({
    name: MIXED,
    contestants: [
      {lock: OURS, measure: () => measureContended(quick, {lock: OURS, ...MIXED_THREADS})},
    ],
  });
  return rows;
}
