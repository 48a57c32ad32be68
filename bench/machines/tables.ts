/** The tables of the part across processes. */
import {OURS, PartReader, type Report} from '../support/report.js';
import {formatTable, number, ratio, times, withUnit} from '../support/table.js';
import {IDLE_ROW, SIZES, machinesRow} from './rows.js';

const FIGURES = [
  'operations/s',
  'ours/it',
  'hand-over',
  'p99',
  'longest wait',
  'turns',
  'connections',
  'server CPU',
  'overlaps',
];

export function machinesTables(report: Report): string[] {
  const part = new PartReader(report, 'machines');
  const rows = SIZES.flatMap((size) => {
    const row = machinesRow(size);
    return part
      .locks(row)
      .map((lock, index) => [index === 0 ? row : '', lock, ...figures(part, row, lock)]);
  });
  const idle = part
    .locks(IDLE_ROW)
    .map((lock) => [
      lock,
      withUnit(part.figure(IDLE_ROW, lock, 'idlePercent'), '%'),
      number(part.figure(IDLE_ROW, lock, 'connections')),
      part.failures(IDLE_ROW, lock).join(', '),
    ]);
  return [
    `Across processes, on PostgreSQL: processes × callers, each with 1 ms of work

${formatTable(['', 'lock', ...FIGURES], rows, 2)}`,
    `${IDLE_ROW} for one that holds

${formatTable(['lock', 'of a core of the server', 'connections'], idle)}`,
  ];
}

function figures(part: PartReader, row: string, lock: string): string[] {
  const figure = (name: string, of = lock) => part.figure(row, of, name);
  const failures = part.failures(row, lock);
  const operations = figure('operationsPerSecond');
  if (operations === undefined) return [failures[0] ?? ''];
  return [
    number(operations),
    times(ratio(figure('operationsPerSecond', OURS), operations)),
    withUnit(figure('handOverMilliseconds'), 'ms'),
    withUnit(figure('p99HandOverMilliseconds'), 'ms'),
    withUnit(figure('longestMilliseconds'), 'ms'),
    `${number(figure('fewestTurns'))} to ${number(figure('mostTurns'))}`,
    number(figure('connections')),
    withUnit(figure('serverCpuPerOperation'), 'ms'),
    number(part.highest(row, lock, 'overlaps')),
    failures.join(', '),
  ];
}
