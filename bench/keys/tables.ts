/** The tables of the part about locks by key across threads. */
import {SHARED, SHARED_BY_KEY} from '../oneThread/peers.js';
import {OURS, PartReader, type Report} from '../support/report.js';
import {formatTable, number, ratio, times, withUnit} from '../support/table.js';
import type {Work} from '../threads/phases.js';
import {uncontended, UNCONTENDED_USES, WORKS} from '../threads/rows.js';
import {FIGURES, figures} from '../threads/tables.js';
import {
  AT_ONCE,
  CALLERS,
  COUNTS,
  KEYS,
  keyedRow,
  LEFT,
  limitRow,
  OVER_TIME,
  THREADS,
} from './rows.js';

export function keysTables(report: Report): string[] {
  const part = new PartReader(report, 'keys');
  return [
    uncontendedTable(part),
    ...WORKS.map((work) => contendedTable(part, work)),
    limitsTable(part),
  ];
}

function uncontendedTable(part: PartReader): string {
  const rows = UNCONTENDED_USES.map((use) => {
    const figure = (lock: string) => part.figure(uncontended(use), lock, 'nanoseconds');
    return [
      uncontended(use),
      withUnit(figure(SHARED), 'ns'),
      withUnit(figure(SHARED_BY_KEY), 'ns'),
      times(ratio(figure(SHARED_BY_KEY), figure(SHARED))),
    ];
  });
  return `By key across threads, in one thread, always the same key

${formatTable(['', SHARED, SHARED_BY_KEY, 'ratio'], rows)}`;
}

function contendedTable(part: PartReader, work: Work): string {
  const rows = KEYS.flatMap((keys) => {
    const row = keyedRow(keys, work);
    return part
      .locks(row)
      .map((lock, index) => [index === 0 ? number(keys) : '', lock, ...figures(part, row, lock)]);
  });
  return `By key across threads, ${THREADS} × ${CALLERS}, work: ${work}

${formatTable(['keys', 'lock', ...FIGURES], rows, 2)}`;
}

function limitsTable(part: PartReader): string {
  const rows = ([OVER_TIME, AT_ONCE, LEFT] as const).map((of) => {
    const row = limitRow(COUNTS[of], of);
    const figure = (name: string) => part.figure(row, OURS, name);
    return [
      row,
      withUnit(figure('microseconds'), 'µs a key'),
      withUnit(figure('heapMegabytes'), 'MB'),
      withUnit(figure('processMegabytes'), 'MB'),
      number(figure('held')),
      number(figure('told')),
      withUnit(figure('milliseconds'), 'ms'),
      part.failures(row, OURS).join(', '),
    ];
  });
  const header = ['', 'time', 'heap grows by', 'process grows by', 'held', 'told of', 'after'];
  return `How many keys there may be\n\n${formatTable(header, rows)}`;
}
