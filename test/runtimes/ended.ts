/**
 * For Bun and Deno: what becomes of the lock of a thread that is terminated while it computes, in
 * both kinds of worker. Prints as JSON whether the thread computed to the end before its lock was
 * inherited.
 */
import process from 'node:process';
import {Worker as NodeWorker, isMainThread, workerData} from 'node:worker_threads';
import {createLock} from '../../src/shared/index.js';

interface Start {
  readonly buffer: SharedArrayBuffer;
  readonly progress: Int32Array;
}

interface AnyWorker {
  postMessage(start: Start): void;
  terminate(): unknown;
}

declare const Worker: new (url: URL, options: {type: 'module'}) => AnyWorker;

/** What `progress` tells of. */
const HOLDS = 1;
const HAS_COMPUTED = 2;

const COMPUTING_MILLISECONDS = 1500;

const web = globalThis as {
  postMessage?: unknown;
  onmessage?: (event: {data: Start}) => void;
};

/** Web Workers have none. */
const given = workerData as Start | null | undefined;

if (isMain()) await main();
else if (given !== null && given !== undefined) void hold(given);
else web.onmessage = ({data}) => void hold(data);

/** Deno's Web Workers say that they are. */
function isMain(): boolean {
  return isMainThread && !('WorkerGlobalScope' in globalThis);
}

async function hold({buffer, progress}: Start): Promise<void> {
  await createLock(undefined, {buffer}).acquireLock();
  Atomics.store(progress, 0, HOLDS);
  const end = performance.now() + COMPUTING_MILLISECONDS;
  while (performance.now() < end);
  Atomics.store(progress, 0, HAS_COMPUTED);
}

async function main(): Promise<void> {
  const program = new URL(import.meta.url);
  const starts: Record<string, (start: Start) => AnyWorker> = {
    node: (start) => new NodeWorker(program, {workerData: start}),
    web: (start) => {
      const worker = new Worker(program, {type: 'module'});
      worker.postMessage(start);
      return worker;
    },
  };
  const found: Record<string, {isTold: boolean; hasComputed: boolean}> = {};
  for (const [kind, start] of Object.entries(starts)) {
    const progress = new Int32Array(new SharedArrayBuffer(4));
    let isTold = false;
    const lock = createLock(undefined, {onAbandoned: () => (isTold = true)});
    const worker = start({buffer: lock.buffer, progress});
    while (Atomics.load(progress, 0) !== HOLDS) await new Promise((resolve) => setTimeout(resolve));
    void worker.terminate();
    await lock.acquireLock();
    found[kind] = {isTold, hasComputed: Atomics.load(progress, 0) === HAS_COMPUTED};
  }
  console.log(JSON.stringify(found));
  process.exit();
}
