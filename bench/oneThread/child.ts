/**
 * Measures one lock for one thread.
 *
 * The batches are timed here rather than by mitata, whose `measure` generates a new loop for each
 * call and takes many samples with it: every round would begin with cold code, and here the rounds
 * are the samples.
 */
import {setImmediate as turn} from 'node:timers/promises';
import {answer} from '../support/child.js';
import type {Figures} from '../support/report.js';
import {PEERS, SHARED_PEERS, type Peer, type Run} from './peers.js';
import {excludesAfterTimeout, keepsContext} from './probes.js';
import {rowName, UNCONTENDED, type Load, type Use} from './rows.js';

export type Question =
  | TimeQuestion
  | {measure: 'heap'; lock: string; waiters: number; timeout?: number | undefined}
  | {measure: 'lock' | 'traits'; lock: string};

interface TimeQuestion {
  measure: 'time';
  lock: string;
  use: Use;
  load: Load;
  milliseconds: number;
}

answer(async (question: Question): Promise<Figures> => {
  const peer = (SHARED_PEERS[question.lock] ?? PEERS[question.lock]) as Peer;
  switch (question.measure) {
    case 'time':
      return {nanoseconds: await time(peer, question)};
    case 'heap':
      return {bytes: await heapPerWaiter(peer, question)};
    case 'lock':
      return {bytes: heapOfLock(peer)};
    case 'traits':
      return {
        keepsContext: Number(await keepsContext(peer)),
        ...(peer.hasTimeouts && {excludesAfterTimeout: Number(await excludesAfterTimeout(peer))}),
      };
  }
});

const touched = {calls: 0};
const asynchronous = async () => {
  touched.calls++;
};
const synchronous = () => {
  touched.calls++;
};

/** Makes some calls and resolves to their number. */
type Batch = () => Promise<number>;

const batches = new Map<string, Batch>();

/**
 * Nanoseconds a call, with warm code. The heap is as the calls before left it, as in any program: a
 * forced collection would shrink the young generation, and the time to grow it again is none of the
 * lock's.
 */
async function time(peer: Peer, {use, load, milliseconds}: TimeQuestion): Promise<number> {
  const name = rowName(use, load);
  let batch = batches.get(name);
  if (batch === undefined) {
    batch = createBatch(peer, use, load);
    batches.set(name, batch);
    // Some peers take a fifth of a second to get fast; later rounds find them so.
    await repeat(batch, milliseconds * 5);
  } else {
    await repeat(batch, milliseconds / 3);
  }
  return repeat(batch, milliseconds);
}

function createBatch(peer: Peer, use: Use, load: Load): Batch {
  const fn = use.isAsync ? asynchronous : synchronous;
  if (load.of === 'keys') {
    const run = (peer.byKey as NonNullable<Peer['byKey']>)(use.timeout);
    const keys = Array.from({length: load.count}, (_, index) => `key ${index}`);
    if (load.count === 1) return oneByOne(() => run('key', fn));
    return () => all(load.count, (index) => run(keys[index] as string, fn));
  }
  const run = peer[use.way]?.(use.timeout) as Run;
  if (load.name !== UNCONTENDED.name) return () => all(load.count, () => run(fn));
  return oneByOne(() => run(fn));
}

const oneByOne =
  (call: () => unknown): Batch =>
  async () => {
    for (let n = 0; n < 1000; n++) await call();
    return 1000;
  };

async function all(count: number, call: (index: number) => unknown): Promise<number> {
  const promises = new Array<unknown>(count);
  for (let index = 0; index < count; index++) promises[index] = call(index);
  await Promise.all(promises);
  return count;
}

async function repeat(batch: Batch, milliseconds: number): Promise<number> {
  const start = performance.now();
  let done = 0;
  let elapsed;
  do {
    done += await batch();
    elapsed = performance.now() - start;
  } while (elapsed < milliseconds);
  return (elapsed / done) * 1e6;
}

async function heapPerWaiter(
  peer: Peer,
  {waiters, timeout}: {waiters: number; timeout?: number | undefined},
): Promise<number> {
  const run = peer.withLock(timeout);
  const promises = new Array<unknown>(waiters).fill(undefined);
  let release: () => void = () => undefined;
  const holder = run(() => new Promise<void>((resolve) => (release = resolve)));
  await turn();
  const before = collectedHeap();
  for (let waiter = 0; waiter < waiters; waiter++) promises[waiter] = run(asynchronous);
  await turn();
  const bytes = collectedHeap() - before;
  release();
  await holder;
  await Promise.all(promises);
  return bytes / waiters;
}

const HEAP_LOCKS = 100_000;

function heapOfLock({create}: Peer): number {
  const locks = new Array<unknown>(HEAP_LOCKS).fill(undefined);
  const before = collectedHeap();
  for (let lock = 0; lock < HEAP_LOCKS; lock++) locks[lock] = create?.();
  const bytes = (collectedHeap() - before) / HEAP_LOCKS;
  return locks.length > 0 ? bytes : 0;
}

function collectedHeap(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}
