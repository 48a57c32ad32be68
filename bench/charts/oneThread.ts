/** The locks for one thread: nanoseconds a call, for ever more callers. */
import {FLOORS} from '../oneThread/peers.js';
import {FEW, MANY, rowName, TRAITS, UNCONTENDED, type Use} from '../oneThread/rows.js';
import {OURS, PartReader, type Report} from '../support/report.js';
import {chart, majorOf, type Figure, type Group} from './panels.js';

export const oneThreadChart = (reports: readonly Report[]) =>
  chart(reports, {
    title: 'Locks for one thread: time for each call',
    explanation: 'An asynchronous function with the lock. Medians; shorter is better.',
    flaw: 'loses the async context, or lets two in after a timeout',
    rows: reports.map((report) => ({
      figures: figures(new PartReader(report, 'one-thread')),
      axis: `ns a call, Node.js ${majorOf(report)}`,
    })),
  });

const USE: Use = {name: 'asynchronous function', way: 'withLock', isAsync: true};

/** They take fifty times as long as the others, which could not be told apart beside them. */
const OFF_THE_SCALE = 'Web Locks';

const figures = (part: PartReader): Figure[] =>
  [UNCONTENDED, FEW, MANY].flatMap((load) =>
    part.locks(rowName(USE, load)).flatMap((lock) => {
      if (lock === OFF_THE_SCALE) return [];
      const value = part.figure(rowName(USE, load), lock, 'nanoseconds');
      return value === undefined ? [] : {panel: load.name, lock, group: group(part, lock), value};
    }),
  );

function group(part: PartReader, lock: string): Group {
  if (lock === OURS) return 'ours';
  if (FLOORS.includes(lock)) return 'floor';
  const traits = ['keepsContext', 'excludesAfterTimeout'];
  return traits.some((trait) => part.figure(TRAITS, lock, trait) === 0) ? 'flawed' : 'others';
}
