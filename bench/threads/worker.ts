/**
 * A thread that uses the lock as often as it can: `callers` loops, each of which acquires, works
 * and releases. It counts what was begun while the measurement ran, to the end of each wait, so
 * that a waiter who starves shows.
 */
import {parentPort, workerData, type MessagePort} from 'node:worker_threads';
import {access, type Access} from './locks.js';
import {BUCKETS, bucketOf} from './waits.js';
import {INSIDE, PHASE, PREPARE, STOP, MEASURE, type Work} from './phases.js';

export interface ThreadTask {
  readonly access: Access;
  readonly callers: number;
  readonly work: Work;
  readonly cells: Int32Array;
}

export interface ThreadResult {
  readonly operations: number;
  readonly overlaps: number;
  readonly longest: number;
  readonly waits: Uint32Array;
}

const port = parentPort as MessagePort;
const {access: way, callers, work, cells} = workerData as ThreadTask;
const withLock = access(way);

let operations = 0;
let overlaps = 0;
let longest = 0;
const waits = new Uint32Array(BUCKETS);

function enter(): void {
  if (Atomics.add(cells, INSIDE, 1) !== 0) overlaps++;
}

function leave(): void {
  Atomics.sub(cells, INSIDE, 1);
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function call(): Promise<void> {
  let start = 0;
  let waited = 0;
  const synchronous = () => {
    waited = performance.now() - start;
    enter();
    leave();
    return undefined;
  };
  const oneTurn = async () => {
    waited = performance.now() - start;
    enter();
    await turn();
    leave();
  };
  const section = work === 'synchronous' ? synchronous : oneTurn;
  for (;;) {
    const phase = Atomics.load(cells, PHASE);
    if (phase === STOP) return;
    start = performance.now();
    await withLock(section);
    if (phase !== MEASURE) continue;
    operations++;
    if (waited > longest) longest = waited;
    const bucket = bucketOf(waited);
    waits[bucket] = (waits[bucket] ?? 0) + 1;
  }
}

// A pending Atomics.waitAsync keeps no thread alive; this does, for every lock alike.
port.on('message', () => undefined);
port.postMessage('ready');
Atomics.wait(cells, PHASE, PREPARE);
await Promise.all(Array.from({length: callers}, call));
port.postMessage({operations, overlaps, longest, waits} satisfies ThreadResult);
