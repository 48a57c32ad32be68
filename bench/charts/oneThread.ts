/**
 * The locks for one thread: nanoseconds a call, for ever more callers, without and with a timeout.
 */
import {FLOORS} from '../oneThread/peers.js';
import {FEW, MANY, rowName, TRAITS, UNCONTENDED, USES, type Use} from '../oneThread/rows.js';
import {OURS, PartReader, type Report} from '../support/report.js';
import {chart, type Figure, type Group} from './panels.js';

export function oneThreadChart(report: Report) {
  const part = new PartReader(report, 'one-thread');
  const rows = USES.filter(({way, isAsync}) => way === 'withLock' && isAsync).map((use) => ({
    figures: figures(part, use),
    axis: `ns a call${use.timeout === undefined ? '' : ', with a timeout of 30 s'}`,
  }));
  return chart(report, {
    title: 'Locks for one thread: time for each call',
    explanation: [
      'An asynchronous function under the lock; medians of interleaved rounds.',
      'Shorter is better. The scales are logarithmic.',
    ],
    flaw: 'loses the async context, or lets two in after a timeout',
    rows,
  });
}

const figures = (part: PartReader, use: Use): Figure[] =>
  [UNCONTENDED, FEW, MANY].flatMap((load) =>
    part.locks(rowName(use, load)).flatMap((lock) => {
      const value = part.figure(rowName(use, load), lock, 'nanoseconds');
      return value === undefined ? [] : {panel: load.name, lock, group: group(part, lock), value};
    }),
  );

function group(part: PartReader, lock: string): Group {
  if (lock === OURS) return 'ours';
  if (FLOORS.includes(lock)) return 'floor';
  const traits = ['keepsContext', 'excludesAfterTimeout'];
  return traits.some((trait) => part.figure(TRAITS, lock, trait) === 0) ? 'flawed' : 'others';
}
