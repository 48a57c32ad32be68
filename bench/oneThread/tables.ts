/** The tables of the part in one thread. */
import {OURS, PartReader, type Report} from '../support/report.js';
import {formatTable, number, ratio, times} from '../support/table.js';
import {heapRow, LOADS, rowName, TRAITS, USES, type Use} from './rows.js';

export const oneThreadTables = (report: Report): string[] => {
  const part = new PartReader(report, 'one-thread');
  return [...USES.flatMap((use) => timesTable(part, use)), heapTable(part)];
};

function timesTable(part: PartReader, use: Use): string[] {
  const loads = LOADS.filter((load) => part.locks(rowName(use, load)).length > 0);
  const [first] = loads;
  if (first === undefined) return [];
  const table = formatTable(
    [
      'ns a call, times ours',
      ...loads.flatMap(({name}) => [name, '']),
      'keeps async context',
      'excludes after timeout',
    ],
    part
      .locks(rowName(use, first))
      .map((lock) => [
        lock,
        ...loads.flatMap((load) => timeCells(part, rowName(use, load), lock)),
        yesOrNo(part.figure(TRAITS, lock, 'keepsContext')),
        yesOrNo(part.figure(TRAITS, lock, 'excludesAfterTimeout')),
      ]),
  );
  return [`In one thread: ${use.name}\n\n${table}`];
}

function timeCells(part: PartReader, row: string, lock: string): string[] {
  const figure = part.figure(row, lock, 'nanoseconds');
  if (figure === undefined) return [part.failures(row, lock)[0] ?? '', ''];
  return [number(figure), times(ratio(figure, part.figure(row, OURS, 'nanoseconds')))];
}

function heapTable(part: PartReader): string {
  const bytes = (lock: string, timeout?: number) =>
    number(part.figure(heapRow(timeout), lock, 'bytes'));
  return formatTable(
    ['heap, bytes a waiter', 'no timeout', '30 s timeout'],
    part.locks(heapRow()).map((lock) => [lock, bytes(lock), bytes(lock, 30_000)]),
  );
}

const yesOrNo = (value: number | undefined) => (value === undefined ? '' : value ? 'yes' : 'no');
