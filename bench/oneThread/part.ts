/** The benchmarks of the locks for one thread. */
import {Child} from '../support/child.js';
import {measureRows, type Row} from '../support/rounds.js';
import type {Cell, Outcome} from '../support/report.js';
import type {Question} from './child.js';
import {FLOORS, PEERS, type Peer} from './peers.js';
import {has, heapRow, LOADS, LOCK_HEAP, rowName, TRAITS, USES, type Use} from './rows.js';

const LIMIT_MILLISECONDS = 20_000;

export const createPeerChild = () =>
  new Child<Question>(new URL('./child.js', import.meta.url), LIMIT_MILLISECONDS);

export async function measureOneThread(quick: boolean): Promise<Cell[]> {
  return [...(await measureTraits(quick)), ...(await measureTimes(quick))];
}

/** In processes of their own: AsyncLocalStorage alone makes every promise of its process slower. */
function measureTraits(quick: boolean): Promise<Cell[]> {
  const row = (name: string, timeout: number | undefined, question: (lock: string) => Question) =>
    createRow(
      name,
      (lock, peer) =>
        !FLOORS.includes(lock) && (timeout === undefined || peer.hasTimeouts === true),
      (lock) => createPeerChild().askOnce(question(lock)),
    );
  return measureRows(
    'one-thread',
    [
      row(TRAITS, undefined, (lock) => ({measure: 'traits', lock})),
      createRow(
        LOCK_HEAP,
        (_, {create}) => create !== undefined,
        (lock) => createPeerChild().askOnce({measure: 'lock', lock}),
      ),
      ...[undefined, 30_000].map((timeout) =>
        row(heapRow(timeout), timeout, (lock) => ({
          measure: 'heap',
          lock,
          waiters: quick ? 10_000 : 100_000,
          timeout,
        })),
      ),
    ],
    1,
  );
}

/** What the compiler makes of the same code differs from process to process by a third. */
const ROUNDS_OF_A_PROCESS = 4;

/**
 * In one process for each lock, as a program that uses one lock does; in another after some rounds.
 */
async function measureTimes(quick: boolean): Promise<Cell[]> {
  const children = new Map<string, ReturnType<typeof createPeerChild>>();
  const ask = (lock: string, question: Question) => {
    const child = children.get(lock) ?? createPeerChild();
    children.set(lock, child);
    return child.ask(question);
  };
  const endAll = () => {
    for (const child of children.values()) child.end();
  };
  const milliseconds = quick ? 10 : 60;
  const inQuick = ({way, isAsync}: Use) => isAsync || way === 'acquireLock' || way === 'lifetime';
  const uses = USES.filter((use) => !quick || inQuick(use));
  const rows = uses.flatMap((use) =>
    LOADS.map((load) =>
      createRow(
        rowName(use, load),
        (_, peer) => has(peer, use, load),
        (lock) => ask(lock, {measure: 'time', lock, use, load, milliseconds}),
      ),
    ),
  );
  const cells = await measureRows('one-thread', rows, quick ? 3 : 11, (round) => {
    if (round % ROUNDS_OF_A_PROCESS === 0) endAll();
  });
  endAll();
  return cells;
}

function createRow(
  name: string,
  takesPart: (lock: string, peer: Peer) => boolean,
  measure: (lock: string) => Promise<Outcome>,
): Row {
  const locks = Object.entries(PEERS).filter(([lock, peer]) => takesPart(lock, peer));
  return {name, contestants: locks.map(([lock]) => ({lock, measure: () => measure(lock)}))};
}
