/**
 * A thread that uses the lock, or the locks of keys, as often as it can: `callers` loops, each of
 * which acquires, works and releases. A thread that blocks has one, and no turn of its event loop
 * meanwhile. It counts what was begun while the measurement ran, to the end of each wait, so that a
 * waiter who starves shows.
 */
import {parentPort, workerData, type MessagePort} from 'node:worker_threads';
import {access, accessBlocking, type Access} from './locks.js';
import {BUCKETS, bucketOf} from './waits.js';
import {insideCell, PHASE, PREPARE, STOP, MEASURE, type Work} from './phases.js';

export interface ThreadTask {
  readonly access: Access;
  /** Whether this thread blocks while it waits. */
  readonly isBlocking: boolean;
  readonly callers: number;
  /** How many keys there are. Each call is for one of them, by chance. */
  readonly keys: number;
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
const {access: way, isBlocking, callers, keys, work, cells} = workerData as ThreadTask;
const names = Array.from({length: keys}, (_, key) => `key ${key}`);

let operations = 0;
let overlaps = 0;
let longest = 0;
const waits = new Uint32Array(BUCKETS);

function enter(key: number): void {
  if (Atomics.add(cells, insideCell(key), 1) !== 0) overlaps++;
}

function leave(key: number): void {
  Atomics.sub(cells, insideCell(key), 1);
}

function count(waited: number): void {
  operations++;
  if (waited > longest) longest = waited;
  const bucket = bucketOf(waited);
  waits[bucket] = (waits[bucket] ?? 0) + 1;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

const MICROSECONDS_20 = 0.02;

/** What one caller does under the lock. */
class Caller {
  start = 0;
  waited = 0;
  key = 0;

  readonly synchronous = () => {
    this.waited = performance.now() - this.start;
    enter(this.key);
    if (work === '20 µs') {
      const end = performance.now() + MICROSECONDS_20;
      while (performance.now() < end);
    }
    leave(this.key);
    return undefined;
  };

  readonly oneTurn = async () => {
    this.waited = performance.now() - this.start;
    enter(this.key);
    await turn();
    leave(this.key);
  };

  readonly section = work === 'one event-loop turn' ? this.oneTurn : this.synchronous;
}

async function call(withLock: ReturnType<typeof access>): Promise<void> {
  const caller = new Caller();
  for (;;) {
    const phase = Atomics.load(cells, PHASE);
    if (phase === STOP) return;
    const key = Math.floor(Math.random() * keys);
    caller.key = key;
    caller.start = performance.now();
    await withLock(caller.section, names[key] as string);
    if (phase === MEASURE) count(caller.waited);
  }
}

function block(withLock: ReturnType<typeof accessBlocking>): void {
  const caller = new Caller();
  for (;;) {
    const phase = Atomics.load(cells, PHASE);
    if (phase === STOP) return;
    caller.start = performance.now();
    withLock(caller.synchronous);
    if (phase === MEASURE) count(caller.waited);
  }
}

function use() {
  const withLock = access(way);
  return () => Promise.all(Array.from({length: callers}, () => call(withLock)));
}

function useBlocking() {
  const withLock = accessBlocking(way);
  return () => Promise.resolve(block(withLock));
}

// A pending Atomics.waitAsync keeps no thread alive; this does, for every lock alike.
port.on('message', () => undefined);
const run = isBlocking ? useBlocking() : use();
port.postMessage('ready');
Atomics.wait(cells, PHASE, PREPARE);
await run();
port.postMessage({operations, overlaps, longest, waits} satisfies ThreadResult);
