/**
 * How the cost of an operation grows, from one to a million, beside the cost of doing the same
 * without a lock.
 */
import {execFile} from 'node:child_process';
import {existsSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {createPeerChild} from '../oneThread/part.js';
import {NO_LOCK} from '../oneThread/peers.js';
import {USES, type Use} from '../oneThread/rows.js';
import {OURS, type Cell, type Figures, type Outcome} from '../support/report.js';
import {measureRows, type Row} from '../support/rounds.js';
import {measureContended} from '../threads/part.js';
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

export async function measureGrowth(quick: boolean): Promise<Cell[]> {
  return [
    ...(await measureSizes(quick)),
    ...(await measureRows('growth', threadRows(quick), quick ? 1 : 3)),
    ...(await measureRows('growth', refusedRows(quick), quick ? 1 : 5)),
  ];
}

async function measureSizes(quick: boolean): Promise<Cell[]> {
  const use = USES[0] as Use;
  const milliseconds = quick ? 10 : 20;
  const children = [OURS, NO_LOCK].map((lock) => ({lock, child: createPeerChild()}));
  const rows = KINDS.flatMap((kind) =>
    SIZES.filter((size) => !quick || size <= 1000).map((size): Row => ({
      name: sizeRow(size, kind),
      contestants: children.map(({lock, child}) => ({
        lock,
        measure: () =>
          child.ask({
            measure: 'time',
            lock,
            use,
            load: {name: sizeRow(size, kind), of: kind, count: size},
            milliseconds,
          }),
      })),
    })),
  );
  const cells = await measureRows('growth', rows, quick ? 1 : 5);
  for (const {child} of children) child.end();
  return cells;
}

const threadRows = (quick: boolean) =>
  THREADS.filter((threads) => !quick || threads <= 8).map((threads): Row => ({
    name: threadsRow(threads),
    contestants: [
      {
        lock: OURS,
        measure: () =>
          measureContended(quick, {lock: OURS, threads, callers: 1, work: 'synchronous'}),
      },
    ],
  }));

/** The same on each runtime that npm has installed: engines differ in what many refusals cost. */
const refusedRows = (quick: boolean) =>
  REFUSALS.flatMap((how) =>
    REFUSED.filter((count) => !quick || count <= 25_000).map((count): Row => ({
      name: refusedRow(count, how),
      contestants: Object.keys(RUNTIMES)
        .filter((runtime) => existsSync(binaryOf(runtime)))
        .map((runtime) => ({lock: runtime, measure: () => measureRefused(runtime, how, count)})),
    })),
  );

const binaryOf = (runtime: string) =>
  runtime === 'Node.js'
    ? process.execPath
    : fileURLToPath(new URL(`../../node_modules/.bin/${runtime.toLowerCase()}`, import.meta.url));

const LIMIT_MILLISECONDS = 60_000;

async function measureRefused(runtime: string, how: string, count: number): Promise<Outcome> {
  const program = fileURLToPath(new URL('./refused.js', import.meta.url));
  const args = [...(RUNTIMES[runtime] ?? []), program, how, String(count)];
  try {
    const {stdout} = await promisify(execFile)(binaryOf(runtime), args, {
      timeout: LIMIT_MILLISECONDS,
    });
    return JSON.parse(stdout) as Figures;
  } catch {
    return 'crashed';
  }
}
