/** The locks across threads: how much gets done, and how long the unluckiest waits. */
import {OURS, PartReader, type Report} from '../support/report.js';
import {contended} from '../threads/rows.js';
import {chart, type Figure, type Group} from './panels.js';

export function acrossThreadsChart(report: Report) {
  const part = new PartReader(report, 'threads');
  return chart(report, {
    title: 'Locks across threads: operations, and the longest wait',
    explanation: [
      'Threads × callers of each, all on one lock; medians of interleaved rounds.',
      'The scales are logarithmic.',
    ],
    flaw: 'let two in at the same time',
    rows: [
      {
        figures: figures(part, 'operationsPerSecond'),
        axis: 'operations a second; longer is better',
      },
      {figures: figures(part, 'longestMilliseconds'), axis: 'longest wait, ms; shorter is better'},
    ],
  });
}

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
