/** The locks across threads: how much gets done, and how long the unluckiest waits. */
import {OURS, PartReader, type Report} from '../support/report.js';
import {contended} from '../threads/rows.js';
import {chart, majorOf, type Figure, type Group} from './panels.js';

export const acrossThreadsChart = (reports: readonly Report[]) =>
  chart(reports, {
    title: 'Locks across threads: operations, and the longest wait',
    explanation: 'Threads × callers of each, all on one lock. Medians.',
    flaw: 'lets two in at the same time',
    rows: reports.flatMap((report) => {
      const part = new PartReader(report, 'threads');
      const node = `Node.js ${majorOf(report)}`;
      return [
        {figures: figures(part, 'operationsPerSecond'), axis: `operations a second, ${node}`},
        {figures: figures(part, 'longestMilliseconds'), axis: `longest wait, ms, ${node}`},
      ];
    }),
  });

const PANELS = [
  {label: '2 × 8, synchronous work', row: contended(2, 8, 'synchronous')},
  {label: '4 × 100, synchronous work', row: contended(4, 100, 'synchronous')},
  {label: '4 × 100, one event-loop turn', row: contended(4, 100, 'one event-loop turn')},
];

const figures = (part: PartReader, name: string): Figure[] =>
  PANELS.flatMap(({label, row}) =>
    part.locks(row).flatMap((lock) => {
      const value = part.figure(row, lock, name);
      return value === undefined ? [] : {panel: label, lock, group: group(part, lock), value};
    }),
  );

function group(part: PartReader, lock: string): Group {
  if (lock === OURS) return 'ours';
  const overlaps = part.cells.some(
    (cell) => cell.lock === lock && (part.highest(cell.row, lock, 'overlaps') ?? 0) > 0,
  );
  return overlaps ? 'flawed' : 'others';
}
