/** The locks that threads share, one or one for each key, behind one interface. */
import * as workerThreads from 'node:worker_threads';
import {MessageChannel, type MessagePort} from 'node:worker_threads';
import {createLock, createLocksByKey} from '@databases/lock/shared';
import {OURS} from '../support/report.js';
import {FutexMutex} from '../blocking/futexMutex.js';

export const PLAIN = 'plain waitAsync mutex';
export const BLOCKING = 'blocking Atomics.wait';
export const SERVER = 'lock server, postMessage';
export const WEB_LOCKS = 'Web Locks';
export const STRIPED = 'striped plain mutexes';
export const FUTEX = 'futex mutex, Atomics.wait';

interface WebLocks {
  request(name: string, section: () => unknown): Promise<unknown>;
}

const webLocks = (workerThreads as unknown as {locks?: WebLocks}).locks;

export const LOCKS = [OURS, PLAIN, BLOCKING, SERVER, ...(webLocks ? [WEB_LOCKS] : [])];
export const KEY_LOCKS = [OURS, STRIPED, SERVER, ...(webLocks ? [WEB_LOCKS] : [])];

/** The cells of the table in which each key has the plain mutex that its hash names. */
const STRIPES = 1024;

/**
 * Blocks its thread while it waits, so that a second caller there keeps the first from ever
 * releasing.
 */
export const deadlocks = (lock: string, callers: number) => lock === BLOCKING && callers > 1;

type Section = () => PromiseLike<void> | undefined;
/** A lock that is one for all ignores the key. */
export type WithLock = (section: Section, key: string) => Promise<unknown>;

/** A way to the lock, for one thread. */
export interface Access {
  readonly lock: string;
  readonly isByKey: boolean;
  readonly buffer: SharedArrayBuffer;
  readonly port: MessagePort;
}

/** In the thread that starts the others. @returns how each of them gets at the lock, or the locks */
export function createAccesses(lock: string, threads: number, isByKey: boolean): Access[] {
  const buffer = createBuffer(lock, isByKey);
  const serve = createServer();
  return Array.from({length: threads}, () => {
    const {port1, port2} = new MessageChannel();
    serve(port1);
    return {lock, isByKey, buffer, port: port2};
  });
}

function createBuffer(lock: string, isByKey: boolean): SharedArrayBuffer {
  if (lock !== OURS) return new SharedArrayBuffer(STRIPES * Int32Array.BYTES_PER_ELEMENT);
  return isByKey ? createLocksByKey().buffer : createLock().buffer;
}

/** In a thread that uses the lock. */
export function access({lock, isByKey, buffer, port}: Access): WithLock {
  switch (lock) {
    case OURS: {
      if (isByKey) {
        const ours = createLocksByKey<string>({buffer});
        return (section, key) => ours.withLock(key, section);
      }
      const ours = createLock(undefined, {buffer});
      return (section) => ours.withLock(section);
    }
    case PLAIN:
      return plainMutex(new Int32Array(buffer));
    case STRIPED:
      return stripedMutexes(new Int32Array(buffer));
    case BLOCKING:
      return blockingMutex(new Int32Array(buffer));
    case SERVER:
      return lockServer(port);
    default:
      return (section, key) => (webLocks as WebLocks).request(key, section);
  }
}

/** In a thread that blocks while it waits. */
export function accessBlocking({lock, buffer}: Access): (section: () => void) => void {
  if (lock === FUTEX) {
    const mutex = new FutexMutex(new Int32Array(buffer));
    return (section) => mutex.withLock(section);
  }
  const ours = createLock(undefined, {buffer});
  return (section) => ours.withLockSync(section);
}

function plainMutex(cells: Int32Array, cell = 0): WithLock {
  return async (section) => {
    while (Atomics.compareExchange(cells, cell, 0, 1) !== 0) {
      const wait = Atomics.waitAsync(cells, cell, 1);
      if (wait.async) await wait.value;
    }
    try {
      await section();
    } finally {
      Atomics.store(cells, cell, 0);
      Atomics.notify(cells, cell, 1);
    }
  };
}

function stripedMutexes(cells: Int32Array): WithLock {
  const stripes = Array.from(cells, (_, cell) => plainMutex(cells, cell));
  return (section, key) => (stripes[hash(key) % STRIPES] as WithLock)(section, key);
}

/** FNV-1a. */
function hash(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return hash >>> 0;
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

/** What a client sends to the lock server, which answers a request with the key. */
interface ServerMessage {
  readonly key: string;
  readonly isRelease: boolean;
}

/** The lock server's side: whoever asked first for a key is granted its lock first. */
function createServer(): (port: MessagePort) => void {
  const lines = new Map<string, MessagePort[]>();
  return (port) => {
    port.on('message', ({key, isRelease}: ServerMessage) => {
      const line = lines.get(key) ?? [];
      if (isRelease) line.shift();
      else if (line.push(port) > 1) return;
      else lines.set(key, line);
      if (line.length === 0) lines.delete(key);
      line[0]?.postMessage(key);
    });
  };
}

/** The lock server's client: grants of a key come in the order of the requests. */
function lockServer(port: MessagePort): WithLock {
  const waiting = new Map<string, (() => void)[]>();
  port.on('message', (key: string) => waiting.get(key)?.shift()?.());
  const send = (message: ServerMessage) => port.postMessage(message);
  return async (section, key) => {
    await new Promise<void>((resolve) => {
      const line = waiting.get(key);
      if (line === undefined) waiting.set(key, [resolve]);
      else line.push(resolve);
      send({key, isRelease: false});
    });
    try {
      await section();
    } finally {
      send({key, isRelease: true});
    }
  };
}
