/** The locks that threads share, behind one interface. */
import * as workerThreads from 'node:worker_threads';
import {MessageChannel, type MessagePort} from 'node:worker_threads';
import {createLock} from '@databases/lock/shared';
import {OURS} from '../support/report.js';

export const PLAIN = 'plain waitAsync mutex';
export const BLOCKING = 'blocking Atomics.wait';
export const SERVER = 'lock server, postMessage';
export const WEB_LOCKS = 'Web Locks';

interface WebLocks {
  request(name: string, section: () => unknown): Promise<unknown>;
}

const webLocks = (workerThreads as unknown as {locks?: WebLocks}).locks;

export const LOCKS = [OURS, PLAIN, BLOCKING, SERVER, ...(webLocks ? [WEB_LOCKS] : [])];

/**
 * Blocks its thread while it waits, so that a second caller there keeps the first from ever
 * releasing.
 */
export const deadlocks = (lock: string, callers: number) => lock === BLOCKING && callers > 1;

export type WithLock = (section: () => PromiseLike<void> | undefined) => Promise<unknown>;

/** A way to the lock, for one thread. */
export interface Access {
  readonly lock: string;
  readonly buffer: SharedArrayBuffer;
  readonly port: MessagePort;
}

/** In the thread that starts the others. @returns how each of them gets at the one lock */
export function createAccesses(lock: string, threads: number): Access[] {
  const buffer = lock === OURS ? createLock().buffer : new SharedArrayBuffer(4);
  const serve = createServer();
  return Array.from({length: threads}, () => {
    const {port1, port2} = new MessageChannel();
    serve(port1);
    return {lock, buffer, port: port2};
  });
}

/** In a thread that uses the lock. */
export function access({lock, buffer, port}: Access): WithLock {
  switch (lock) {
    case OURS: {
      const ours = createLock(undefined, {buffer});
      return (section) => ours.withLock(section);
    }
    case PLAIN:
      return plainMutex(new Int32Array(buffer));
    case BLOCKING:
      return blockingMutex(new Int32Array(buffer));
    case SERVER:
      return lockServer(port);
    default:
      return (section) => (webLocks as WebLocks).request('bench', section);
  }
}

function plainMutex(cells: Int32Array): WithLock {
  return async (section) => {
    while (Atomics.compareExchange(cells, 0, 0, 1) !== 0) {
      const wait = Atomics.waitAsync(cells, 0, 1);
      if (wait.async) await wait.value;
    }
    try {
      await section();
    } finally {
      Atomics.store(cells, 0, 0);
      Atomics.notify(cells, 0, 1);
    }
  };
}

function blockingMutex(cells: Int32Array): WithLock {
  return async (section) => {
    while (Atomics.compareExchange(cells, 0, 0, 1) !== 0) Atomics.wait(cells, 0, 1);
    try {
      await section();
    } finally {
      Atomics.store(cells, 0, 0);
      Atomics.notify(cells, 0, 1);
    }
  };
}

const REQUEST = 0;
const RELEASE = 1;

/** The lock server's side: whoever asked first is granted the lock first. */
function createServer(): (port: MessagePort) => void {
  const line: MessagePort[] = [];
  return (port) => {
    port.on('message', (message) => {
      if (message === RELEASE) line.shift();
      else if (line.push(port) > 1) return;
      line[0]?.postMessage(undefined);
    });
  };
}

/** The lock server's client: grants come in the order of the requests. */
function lockServer(port: MessagePort): WithLock {
  const waiting: (() => void)[] = [];
  port.on('message', () => waiting.shift()?.());
  return async (section) => {
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
      port.postMessage(REQUEST);
    });
    try {
      await section();
    } finally {
      port.postMessage(RELEASE);
    }
  };
}
