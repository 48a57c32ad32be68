/**
 * The benchmarks across threads: N threads of M callers each, all on one lock; and what they cannot
 * fall below.
 */
import {createPeerChild} from '../oneThread/part.js';
import {SHARED} from '../oneThread/peers.js';
import {UNCONTENDED} from '../oneThread/rows.js';
import {Child} from '../support/child.js';
import {OURS, type Cell} from '../support/report.js';
import {measureRows, type Row} from '../support/rounds.js';
import type {Measurement} from './child.js';
import {deadlocks, LOCKS} from './locks.js';
import {BARE, contended, HAND_OVER, SIZES, uncontended, UNCONTENDED_USES, WORKS} from './rows.js';

const LIMIT_MILLISECONDS = 10_000;

/** Each thread compiles the code for itself, and they share the processor meanwhile. */
const WARM_UP_MILLISECONDS_PER_THREAD = 200;

/**
 * A thread has the lock for a millisecond here and there, and the operating system says where. In
 * too short a time its share tells more of that luck than of the lock.
 */
const MILLISECONDS = {least: 500, perThread: 250};

/**
 * In a process of its own, so that no measurement finds what another left behind.
 *
 * @param leastWarmUp for what takes longer to come to a steady state, in milliseconds
 */
export function measureContended(
  quick: boolean,
  question: Omit<Measurement, 'milliseconds' | 'warmUpMilliseconds'>,
  leastWarmUp = 0,
) {
  const {least, perThread} = MILLISECONDS;
  const milliseconds = quick ? 200 : Math.max(least, perThread * question.threads);
  const warmUpMilliseconds = Math.max(
    leastWarmUp,
    WARM_UP_MILLISECONDS_PER_THREAD * (quick ? 1 : question.threads),
  );
  const child = new Child<Measurement>(
    new URL('./child.js', import.meta.url),
    LIMIT_MILLISECONDS + warmUpMilliseconds + milliseconds,
  );
  return child.askOnce({...question, milliseconds, warmUpMilliseconds});
}

export async function measureThreads(quick: boolean): Promise<Cell[]> {
  return [
    ...(await measureFloor(quick)),
    ...(await measureRows('threads', contendedRows(quick), quick ? 1 : 5)),
  ];
}

async function measureFloor(quick: boolean): Promise<Cell[]> {
  const children = [OURS, SHARED].map((lock) => ({lock, child: createPeerChild()}));
  const rows: Row[] = UNCONTENDED_USES.map((use) => ({
    name: uncontended(use),
    contestants: children.map(({lock, child}) => ({
      lock,
      measure: () => child.ask({measure: 'time', lock, use, load: UNCONTENDED, milliseconds: 60}),
    })),
  }));
  rows.push({
    name: HAND_OVER,
    contestants: [BARE, OURS].map((lock) => ({
      lock,
      measure: () => measureHandOver(lock === OURS, quick ? 50 : 300),
    })),
  });
  const cells = await measureRows('threads', rows, quick ? 3 : 11);
  for (const {child} of children) child.end();
  return cells;
}

function measureHandOver(hasLock: boolean, turns: number) {
  const url = new URL('./handOver.js', import.meta.url);
  return new Child<{hasLock: boolean; turns: number}>(url, LIMIT_MILLISECONDS).askOnce({
    hasLock,
    turns,
  });
}

function contendedRows(quick: boolean): Row[] {
  const sizes = SIZES.filter(([threads, callers]) => !quick || isQuick(threads, callers));
  return WORKS.flatMap((work) =>
    sizes.map(([threads, callers]) => ({
      name: contended(threads, callers, work),
      contestants: LOCKS.filter((lock) => !deadlocks(lock, callers)).map((lock) => ({
        lock,
        measure: () => measureContended(quick, {lock, threads, callers, work}),
      })),
    })),
  );
}

const isQuick = (threads: number, callers: number) =>
  (threads === 2 && callers < 100) || (threads === 4 && callers === 100);
