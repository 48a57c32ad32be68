/** The runtimes and the kinds of worker: everything that differs between them. */
import {Worker, parentPort, threadId, workerData} from 'node:worker_threads';
import type {LockSource} from './locks.js';

/** Those of `node:worker_threads`, and Web `Worker`s, which Node.js does not have. */
export const WORKER_KINDS = ['node', 'web'] as const;
export type WorkerKind = (typeof WORKER_KINDS)[number];

const {bun, deno, node} = process.versions;

/** The runtime that runs this. (Bun and Deno have a version of Node.js, too.) */
export const RUNTIME =
  bun !== undefined ? `Bun ${bun}` : deno !== undefined ? `Deno ${deno}` : `Node.js ${node}`;

/** Elsewhere a worker that runs out of memory ends the process (Bun), or never ends (Deno). */
export const canRunOutOfMemory = bun === undefined && deno === undefined;

/**
 * Whether a thread may end by an error, and the runtime tell of another that the thread would have
 * handled a moment later. (Seen on Deno, in about one of 500 threads: a timeout.)
 */
export const mayTellOfHandledError = deno !== undefined;

/**
 * By which number the lock knows this thread; `undefined` where that can only be seen in the lock's
 * memory. (Deno gives the number of the main thread to all Web `Worker`s.)
 */
export const numberInLock = deno === undefined ? threadId : undefined;

/** Small enough that a worker runs out of it soon. */
const RESOURCE_LIMITS = {maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 4};

/** What a worker is given when it starts. */
export interface Data {
  readonly memory: SharedArrayBuffer;
  readonly source: LockSource;
  readonly seed: number;
}

// For main

/** A worker, as main sees it. */
export interface Thread {
  /** Its number in this run, which no other has. */
  readonly id: number;
  /** Calls what `runThread` was given for it. */
  call(): void;
  terminate(): unknown;
}

interface Events {
  onError(error: Partial<NodeJS.ErrnoException>): void;
  /** Once. It may be a little early: the thread has run its last line, or is about to do so. */
  onEnd(): void;
}

/** @param program the path of a file that calls `runThread` */
export function startThread(
  kind: WorkerKind,
  program: URL,
  data: Data,
  createEvents: (id: number) => Events,
): Thread {
  return kind === 'node'
    ? startNodeWorker(program, data, createEvents)
    : startWebWorker(program, data, createEvents);
}

function startNodeWorker(program: URL, data: Data, createEvents: (id: number) => Events): Thread {
  const worker = new Worker(program, {
    workerData: data,
    ...(canRunOutOfMemory ? {resourceLimits: RESOURCE_LIMITS} : {}),
  });
  const id = worker.threadId;
  const {onError, onEnd} = createEvents(id);
  worker.on('error', onError);
  worker.once('exit', onEnd);
  return {
    id,
    call: () => worker.postMessage('now'),
    terminate: () => worker.terminate(),
  };
}

interface WebWorker extends EventTarget {
  postMessage(message: unknown): void;
  terminate(): void;
}
/** Of a `Worker` of the web, and in it. */
const web = globalThis as {
  Worker?: new (program: URL, options: {type: 'module'}) => WebWorker;
  postMessage?: (message: unknown) => void;
  onmessage?: (event: {data: unknown}) => void;
  close?: () => void;
};

export const isAvailableKind = (kind: WorkerKind) => kind === 'node' || web.Worker !== undefined;

/** The numbers of the other workers, which may be in a pool of the same run, are smaller. */
let lastWebId = 1 << 16;

/** What a Web `Worker` says right before it ends itself. */
const ENDING = 'ending';

function startWebWorker(program: URL, data: Data, createEvents: (id: number) => Events): Thread {
  if (web.Worker === undefined) throw new Error(`${RUNTIME} has no Web Workers.`);
  const worker = new web.Worker(program, {type: 'module'});
  const id = ++lastWebId;
  const {onError, onEnd} = createEvents(id);
  let isOver = false;
  const end = () => {
    if (!isOver) onEnd();
    isOver = true;
  };
  worker.addEventListener('message', ({data}: Event & {data?: unknown}) => {
    if (data === ENDING) end();
  });
  worker.addEventListener('error', (event) => {
    // Otherwise Deno ends the process.
    event.preventDefault();
    onError(event as Event & {message?: string});
    end();
  });
  // Bun alone tells this.
  worker.addEventListener('close', end);
  worker.postMessage({...data, thread: id});
  return {
    id,
    call: () => worker.postMessage('now'),
    terminate() {
      worker.terminate();
      end();
    },
  };
}

// For workers

/** Those have no such data. */
const isWebWorker = workerData == null;

/**
 * In a worker's program: `start` gets what the worker was given and its number. What `start` returns
 * is called when main calls the thread.
 */
export function runThread(start: (data: Data, thread: number) => () => void): void {
  if (!isWebWorker) {
    parentPort?.on('message', start(workerData as Data, threadId));
    return;
  }
  web.onmessage = ({data}) => {
    const given = data as Data & {thread: number};
    web.onmessage = start(given, given.thread);
  };
}

/** Ends this worker. */
export function exitThread(): void {
  if (isWebWorker) web.postMessage?.(ENDING);
  // Bun's Web Workers have no `close`.
  if (isWebWorker && web.close !== undefined) web.close();
  else process.exit();
}
