/** The tables of the part about growth. */
import {NO_LOCK} from '../oneThread/peers.js';
import {OURS, PartReader, type Report} from '../support/report.js';
import {formatTable, number, ratio, times, withUnit} from '../support/table.js';
import {
  KINDS,
  REFUSALS,
  REFUSED,
  refusedRow,
  RUNTIMES,
  SIZES,
  sizeRow,
  THREADS,
  threadsRow,
} from './rows.js';

export function growthTables(report: Report): string[] {
  const part = new PartReader(report, 'growth');
  return [
    `How cost grows in one thread, in ns a call, all at once\n\n${sizesTable(part)}`,
    `How throughput falls across threads, one caller each, synchronous work\n\n${threadsTable(part)}`,
    `How long it takes until all waiters have been refused, by runtime\n\n${refusedTable(part)}`,
  ];
}

function sizesTable(part: PartReader): string {
  return formatTable(
    ['', ...KINDS.flatMap((kind) => [kind, NO_LOCK, 'ratio'])],
    SIZES.map((size) => [
      number(size),
      ...KINDS.flatMap((kind) => {
        const ours = part.figure(sizeRow(size, kind), OURS, 'nanoseconds');
        const floor = part.figure(sizeRow(size, kind), NO_LOCK, 'nanoseconds');
        return [number(ours), number(floor), times(ratio(ours, floor))];
      }),
    ]),
  );
}

function threadsTable(part: PartReader): string {
  const figure = (threads: number, name: string) => part.figure(threadsRow(threads), OURS, name);
  return formatTable(
    ['threads', 'operations/s', 'of one thread', 'longest wait', 'least share', 'overlaps'],
    THREADS.map((threads) => [
      number(threads),
      number(figure(threads, 'operationsPerSecond')),
      times(ratio(figure(threads, 'operationsPerSecond'), figure(1, 'operationsPerSecond'))),
      withUnit(figure(threads, 'longestMilliseconds'), 'ms'),
      number(figure(threads, 'smallestShare')),
      number(part.highest(threadsRow(threads), OURS, 'overlaps')),
    ]),
  );
}

const refusedTable = (part: PartReader): string =>
  formatTable(
    ['', ...Object.keys(RUNTIMES)],
    REFUSALS.flatMap((how) =>
      REFUSED.map((count) => [
        `${number(count)} ${how}`,
        ...Object.keys(RUNTIMES).map((runtime) =>
          withUnit(part.figure(refusedRow(count, how), runtime, 'milliseconds'), 'ms'),
        ),
      ]),
    ),
  );
