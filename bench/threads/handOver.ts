/**
 * How long it takes from when one thread releases the lock until the caller of another goes on:
 * two threads, one caller each. And the floor of that: one thread wakes the other with `notify`,
 * which waits with `waitAsync`. The process that is asked, and both of its threads.
 *
 * Each of them pauses before it wakes the other, for longer than a thread may keep the lock for
 * itself, so the other waits by then. Nothing else happens in between. Before, they use the lock
 * for a while, because code that is new to the engine is slow.
 */
import {once} from 'node:events';
import {setTimeout as pause} from 'node:timers/promises';
import {isMainThread, parentPort, Worker, workerData} from 'node:worker_threads';
import {createLock} from '@databases/lock/shared';
import {answer} from '../support/child.js';

interface Question {
  readonly hasLock: boolean;
  /** Of each thread. */
  readonly turns: number;
}

interface Player extends Question {
  readonly buffer: SharedArrayBuffer;
  /** When the last turn ended, by the clock that all threads share. */
  readonly ends: BigInt64Array;
  /** Of the bare kind: the cells on which the players wait. */
  readonly cells: Int32Array;
  readonly own: 0 | 1;
}

const PAUSE_MILLISECONDS = 2;
const WARM_UP_MILLISECONDS = 500;

if (isMainThread) {
  answer(async (question: Question) => {
    const {buffer} = createLock();
    const ends = new BigInt64Array(new SharedArrayBuffer(8));
    const cells = new Int32Array(new SharedArrayBuffer(8));
    const workers = ([0, 1] as const).map((own) => {
      const player: Player = {...question, buffer, ends, cells, own};
      return new Worker(new URL(import.meta.url), {workerData: player});
    });
    const waits = await Promise.all(
      workers.map(async (worker) => ((await once(worker, 'message')) as [number[]])[0]),
    );
    const sorted = waits.flat().sort((a, b) => a - b);
    return {microseconds: sorted[Math.floor(sorted.length / 2)] ?? NaN};
  });
} else {
  const player = workerData as Player;
  // A pending Atomics.waitAsync keeps no thread alive.
  parentPort?.on('message', () => undefined);
  const waits = await (player.hasLock ? playWithLock(player) : play(player));
  parentPort?.postMessage(waits);
  parentPort?.removeAllListeners();
}

async function playWithLock({buffer, ends, cells, own, turns}: Player): Promise<number[]> {
  const lock = createLock(undefined, {buffer});
  const warmUntil = performance.now() + WARM_UP_MILLISECONDS;
  while (performance.now() < warmUntil) await lock.withLock(() => undefined);
  const waits: number[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const guard = await lock.acquire();
    // At the beginning and at the end the other thread does not play.
    if (cells[0] === 1 - own) waits.push(microsecondsSince(ends));
    cells[0] = own;
    await pause(PAUSE_MILLISECONDS);
    ends[0] = process.hrtime.bigint();
    guard.release();
  }
  return waits.slice(1);
}

async function play({ends, cells, own, turns}: Player): Promise<number[]> {
  const other = 1 - own;
  const waits: number[] = [];
  for (let turn = 1; turn <= turns; turn++) {
    if (own === 1 || turn > 1) {
      const wait = Atomics.waitAsync(cells, own, turn - 2 + own);
      if (wait.async) await wait.value;
      waits.push(microsecondsSince(ends));
    }
    await pause(PAUSE_MILLISECONDS);
    ends[0] = process.hrtime.bigint();
    Atomics.store(cells, other, turn);
    Atomics.notify(cells, other);
  }
  return waits.slice(1);
}

function microsecondsSince(ends: BigInt64Array): number {
  return Number(process.hrtime.bigint() - (ends[0] ?? 0n)) / 1000;
}
