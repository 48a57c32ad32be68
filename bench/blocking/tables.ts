/** The tables of the part about blocking calls across threads. */
import {OURS, PartReader, type Report} from '../support/report.js';
import {formatTable, number, ratio, times, withUnit} from '../support/table.js';
import {FUTEX} from '../threads/locks.js';
import {FIGURES, figures} from '../threads/tables.js';
import {
  BLOCKING_USES,
  blockingContended,
  blockingUncontended,
  MIXED,
  THREADS,
  WORKS,
} from './rows.js';

export function blockingTables(report: Report): string[] {
  const part = new PartReader(report, 'blocking');
  return [uncontendedTable(part), contendedTable(part), mixedTable(part)];
}

function uncontendedTable(part: PartReader): string {
  const rows = BLOCKING_USES.map((use) => {
    const figure = (lock: string) => part.figure(blockingUncontended(use), lock, 'nanoseconds');
    return [
      use,
      withUnit(figure(OURS), 'ns'),
      withUnit(figure(FUTEX), 'ns'),
      times(ratio(figure(OURS), figure(FUTEX))),
    ];
  });
  return `Blocking, uncontended; ${FUTEX} runs a function, or makes a guard

${formatTable(['', OURS, FUTEX, 'ratio'], rows)}`;
}

function contendedTable(part: PartReader): string {
  const rows = WORKS.flatMap((work) =>
    THREADS.flatMap((threads) => {
      const row = blockingContended(threads, work);
      return part
        .locks(row)
        .map((lock, index) => [index === 0 ? row : '', lock, ...figures(part, row, lock)]);
    }),
  );
  return `Blocking, across threads

${formatTable(['', 'lock', ...FIGURES], rows, 2)}`;
}

function mixedTable(part: PartReader): string {
  const rows = part
    .locks(MIXED)
    .map((lock) => [
      MIXED,
      lock,
      number(part.figure(MIXED, lock, 'smallestSide')),
      ...figures(part, MIXED, lock),
    ]);
  return `Blocking and asynchronous callers, across threads

${formatTable(['', 'lock', 'least side', ...FIGURES], rows, 2)}`;
}
