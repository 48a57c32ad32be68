/**
 * The benchmarks of the locks by key across threads: N threads of M callers each, whose calls are
 * for keys that chance picks; and how many keys there may be.
 */
import {createPeerChild} from '../oneThread/part.js';
import {SHARED, SHARED_BY_KEY} from '../oneThread/peers.js';
import {UNCONTENDED} from '../oneThread/rows.js';
import {Child} from '../support/child.js';
import {OURS, type Cell} from '../support/report.js';
import {measureRows, type Row} from '../support/rounds.js';
import {KEY_LOCKS} from '../threads/locks.js';
import {measureContended} from '../threads/part.js';
import {uncontended, UNCONTENDED_USES, WORKS} from '../threads/rows.js';
import type {Question} from './child.js';
import {CALLERS, COUNTS, KEYS, keyedRow, limitRow, SINGLE, THREADS} from './rows.js';

/**
 * Each thread makes a line for each key first, and the heap grows to its size. Where that takes part
 * of the measurement, ten thousand keys come out several times too slow, and a few are slow, too.
 */
const WARM_UP_MILLISECONDS = 2500;

const LIMIT_MILLISECONDS = 120_000;

export async function measureKeys(quick: boolean): Promise<Cell[]> {
  return [
    ...(await measureUncontended(quick)),
    ...(await measureRows('keys', contendedRows(quick), quick ? 1 : 3)),
    ...(await measureRows('keys', limitRows(quick), 1)),
  ];
}

async function measureUncontended(quick: boolean): Promise<Cell[]> {
  const children = [SHARED, SHARED_BY_KEY].map((lock) => ({lock, child: createPeerChild()}));
  const rows = UNCONTENDED_USES.map((use): Row => ({
    name: uncontended(use),
    contestants: children.map(({lock, child}) => ({
      lock,
      measure: () => child.ask({measure: 'time', lock, use, load: UNCONTENDED, milliseconds: 60}),
    })),
  }));
  const cells = await measureRows('keys', rows, quick ? 3 : 11);
  for (const {child} of children) child.end();
  return cells;
}

const contendedRows = (quick: boolean) =>
  WORKS.flatMap((work) =>
    KEYS.filter((keys) => !quick || keys > 1).map((keys): Row => {
      const question = {threads: THREADS, callers: CALLERS, work};
      const byKey = (keys === 1 ? [OURS] : KEY_LOCKS).map((lock) => ({
        lock,
        measure: () => measureContended(quick, {...question, lock, keys}, WARM_UP_MILLISECONDS),
      }));
      const single = {
        lock: SINGLE,
        measure: () => measureContended(quick, {...question, lock: OURS}, WARM_UP_MILLISECONDS),
      };
      return {name: keyedRow(keys, work), contestants: keys === 1 ? [...byKey, single] : byKey};
    }),
  );

function limitRows(quick: boolean): Row[] {
  return Object.entries(COUNTS)
    .filter(([, count]) => !quick || count <= 100_000)
    .map(([of, count]) => ({
      name: limitRow(count, of),
      contestants: [
        {
          lock: OURS,
          measure: () =>
            new Child<Question>(new URL('./child.js', import.meta.url), LIMIT_MILLISECONDS).askOnce(
              {of: of as Question['of'], count},
            ),
        },
      ],
    }));
}
