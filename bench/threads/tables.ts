/** The tables of the part across threads. */
import {SHARED} from '../oneThread/peers.js';
import {OURS, PartReader, type Report} from '../support/report.js';
import {formatTable, number, ratio, times, withUnit} from '../support/table.js';
import {BLOCKING, deadlocks} from './locks.js';
import type {Work} from './phases.js';
import {BARE, contended, HAND_OVER, SIZES, uncontended, UNCONTENDED_USES, WORKS} from './rows.js';

/** What is said of each lock that threads contend for: what `figures` gives. */
export const FIGURES = [
  'operations/s',
  'ours/it',
  'longest wait',
  'p99 wait',
  'Jain',
  'least share',
  'overlaps',
];

export function threadsTables(report: Report): string[] {
  const part = new PartReader(report, 'threads');
  return [floorTable(part), ...WORKS.map((work) => contendedTable(part, work))];
}

function floorTable(part: PartReader): string {
  const rows = UNCONTENDED_USES.map((use) => {
    const figure = (lock: string) => part.figure(uncontended(use), lock, 'nanoseconds');
    return [
      uncontended(use),
      withUnit(figure(OURS), 'ns'),
      withUnit(figure(SHARED), 'ns'),
      times(ratio(figure(SHARED), figure(OURS))),
    ];
  });
  const handOver = (lock: string) => withUnit(part.figure(HAND_OVER, lock, 'microseconds'), 'µs');
  return `A ${HAND_OVER} takes ${handOver(OURS)}, of which ${BARE} by themselves take ${handOver(BARE)}

${formatTable(['in one thread', OURS, SHARED, 'ratio'], rows)}`;
}

function contendedTable(part: PartReader, work: Work): string {
  const rows = [];
  for (const [threads, callers] of SIZES) {
    const row = contended(threads, callers, work);
    const locks = part.locks(row);
    let label = `${threads} × ${callers}`;
    for (const lock of locks) {
      rows.push([label, lock, ...figures(part, row, lock)]);
      label = '';
    }
    if (locks.length > 0 && deadlocks(BLOCKING, callers)) rows.push(['', BLOCKING, 'deadlocks']);
  }
  return `Across threads, work: ${work}

${formatTable(['threads × callers', 'lock', ...FIGURES], rows, 2)}`;
}

export function figures(part: PartReader, row: string, lock: string): string[] {
  const figure = (name: string, of = lock) => part.figure(row, of, name);
  const failures = part.failures(row, lock);
  if (figure('operationsPerSecond') === undefined) return [failures[0] ?? ''];
  return [
    number(figure('operationsPerSecond')),
    times(ratio(figure('operationsPerSecond', OURS), figure('operationsPerSecond'))),
    withUnit(figure('longestMilliseconds'), 'ms'),
    withUnit(figure('p99Milliseconds'), 'ms'),
    number(figure('jain')),
    number(figure('smallestShare')),
    number(part.highest(row, lock, 'overlaps')),
    failures.join(', '),
  ];
}
