/**
 * The floor of everything across threads: how long it takes one thread to wake another with
 * `notify` and to be woken in turn, both waiting with `waitAsync`. The process that is asked, and
 * both of its threads.
 */
import {once} from 'node:events';
import {isMainThread, parentPort, Worker, workerData} from 'node:worker_threads';
import {answer} from '../support/child.js';

interface Player {
  readonly cells: Int32Array;
  /** The cell that this player waits on; the other is the one it wakes. */
  readonly own: 0 | 1;
  readonly roundTrips: number;
}

if (isMainThread) {
  answer(async ({roundTrips}: {roundTrips: number}) => {
    const cells = new Int32Array(new SharedArrayBuffer(8));
    const start = ([0, 1] as const).map((own) => {
      const task: Player = {cells, own, roundTrips};
      return new Worker(new URL(import.meta.url), {workerData: task});
    });
    const [microseconds] = await Promise.all(
      start.map(async (worker) => ((await once(worker, 'message')) as [number])[0]),
    );
    return {microseconds: microseconds ?? NaN};
  });
} else {
  await play(workerData as Player);
}

async function play({cells, own, roundTrips}: Player): Promise<void> {
  // A pending Atomics.waitAsync keeps no thread alive.
  parentPort?.on('message', () => undefined);
  const other = 1 - own;
  const hit = (trip: number) => {
    Atomics.store(cells, other, trip);
    Atomics.notify(cells, other);
  };
  let start = 0;
  // The first trip waits for the other thread to start.
  for (let trip = 1; trip <= roundTrips + 1; trip++) {
    if (own === 0) hit(trip);
    const wait = Atomics.waitAsync(cells, own, trip - 1);
    if (wait.async) await wait.value;
    if (own === 1) hit(trip);
    if (trip === 1) start = performance.now();
  }
  parentPort?.postMessage(((performance.now() - start) * 1000) / roundTrips);
}
