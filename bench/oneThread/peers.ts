/** The locks for one thread, each used as its documentation says, behind one interface. */
import {createRequire} from 'node:module';
import * as workerThreads from 'node:worker_threads';
import {createLock, createLocksByKey} from '@databases/lock';
import {
  createLock as createSharedLock,
  createLocksByKey as createSharedLocksByKey,
} from '@databases/lock/shared';
import AsyncLock from 'async-lock';
import type * as AsyncMutex from 'async-mutex';
import {Sema} from 'async-sema';
import AwaitLock from 'await-lock';
import * as version2 from 'databases-lock-2';
import pLimit from 'p-limit';
import {OURS} from '../support/report.js';

// Its CommonJS build takes a fraction of the time of its ES module.
const {Mutex, withTimeout} = createRequire(import.meta.url)('async-mutex') as typeof AsyncMutex;

export const VERSION_2 = '@databases/lock 2.1.0';
export const NO_LOCK = 'no lock';
/**
 * What waiting in line costs at least: a queue of promises, without a timeout, a check or an error.
 */
export const BARE_QUEUE = 'bare queue';
/** What the others are to be seen beside. */
export const FLOORS: readonly string[] = [NO_LOCK, BARE_QUEUE];
export const SHARED = '@databases/lock/shared';
export const SHARED_BY_KEY = '@databases/lock/shared, by key';

export type Fn = () => unknown;
export type Run = (fn: Fn) => unknown;
export type RunByKey = (key: string, fn: Fn) => unknown;

/** Each method makes a new lock, and the function that runs another with it. */
export interface Peer {
  readonly hasTimeouts?: true;
  create?(): unknown;
  withLock(timeout?: number): Run;
  byKey?(timeout?: number): RunByKey;
  /** For a synchronous function, by acquiring and releasing the lock. */
  acquireLock?(): Run;
  /**
   * The same, by whatever a call of `acquire` gives that releases it; by the lock where it gives
   * nothing.
   */
  acquire?(): Run;
  /**
   * The same, with a lock for each call, which is pooled at its end, as `@databases/pg` does for
   * each task and transaction.
   */
  lifetime?(timeout?: number): Run;
}

/** Those that are compared with each other. */
export const PEERS: Readonly<Record<string, Peer>> = {
  [OURS]: {
    hasTimeouts: true,
    create: () => createLock(),
    withLock(timeout) {
      const lock = createLock(timeout);
      return (fn) => lock.withLock(fn);
    },
    byKey(timeout) {
      const locks = createLocksByKey<string>({timeoutMilliseconds: timeout});
      return (key, fn) => locks.withLock(key, fn);
    },
    acquireLock: () => byLock(createLock()),
    acquire() {
      const lock = createLock();
      return async (fn) => {
        const guard = await lock.acquire();
        try {
          fn();
        } finally {
          guard.release();
        }
      };
    },
    lifetime: (timeout) => lifetime(() => createLock(timeout)),
  },

  [VERSION_2]: {
    hasTimeouts: true,
    withLock(timeout) {
      const lock = version2.createLock(timeout);
      return (fn) => lock.withLock(fn);
    },
    byKey(timeout) {
      const options = timeout === undefined ? {} : {timeoutMilliseconds: timeout};
      const locks = version2.createLocksByKey(options);
      return (key, fn) => locks.withLock(key, fn);
    },
    acquireLock: () => byLock(version2.createLock()),
    lifetime: (timeout) => lifetime(() => version2.createLock(timeout)),
  },

  'async-mutex': {
    hasTimeouts: true,
    withLock(timeout) {
      const mutex = timeout === undefined ? new Mutex() : withTimeout(new Mutex(), timeout);
      return (fn) => mutex.runExclusive(fn);
    },
    acquire() {
      const mutex = new Mutex();
      return async (fn) => {
        const release = await mutex.acquire();
        try {
          fn();
        } finally {
          release();
        }
      };
    },
  },

  'async-lock': {
    hasTimeouts: true,
    withLock(timeout) {
      const run = asyncLock(timeout);
      return (fn) => run('key', fn);
    },
    byKey: asyncLock,
  },

  'p-limit': {
    withLock: () => pLimit(1),
  },

  'await-lock': {
    hasTimeouts: true,
    withLock(timeout) {
      const lock = new AwaitLock();
      const options = timeout === undefined ? {} : {timeout};
      return async (fn) => {
        await lock.acquireAsync(options);
        try {
          return await fn();
        } finally {
          lock.release();
        }
      };
    },
    acquireLock: awaitLock,
    acquire: awaitLock,
  },

  'async-sema': {
    withLock() {
      const sema = new Sema(1);
      return async (fn) => {
        await sema.acquire();
        try {
          return await fn();
        } finally {
          sema.release();
        }
      };
    },
    acquireLock: asyncSema,
    acquire: asyncSema,
  },

  ...webLocks(),

  [BARE_QUEUE]: {
    withLock() {
      const queue = new BareQueue();
      return async (fn) => {
        await queue.acquireLock();
        try {
          return await fn();
        } finally {
          queue.releaseLock();
        }
      };
    },
    acquireLock: () => byLock(new BareQueue()),
  },

  [NO_LOCK]: {
    withLock: () => (fn) => fn(),
    byKey() {
      const held = new Map<string, Fn>();
      return async (key, fn) => {
        held.set(key, fn);
        await fn();
        held.delete(key);
      };
    },
  },
};

/** Compared with ours alone, which is for one thread and otherwise promises the same. */
export const SHARED_PEERS: Readonly<Record<string, Peer>> = {
  [SHARED]: {
    withLock() {
      const lock = createSharedLock();
      return (fn) => lock.withLock(fn);
    },
  },
  /** Always the same key. */
  [SHARED_BY_KEY]: {
    withLock() {
      const locks = createSharedLocksByKey<string>();
      return (fn) => locks.withLock('key', fn);
    },
  },
};

function byLock(lock: {acquireLock(): Promise<void>; releaseLock(): void}): Run {
  return async (fn) => {
    await lock.acquireLock();
    try {
      fn();
    } finally {
      lock.releaseLock();
    }
  };
}

function lifetime(create: () => version2.Lock): Run {
  return async (fn) => {
    const lock = create();
    await lock.acquireLock();
    try {
      fn();
    } finally {
      lock.releaseLock();
    }
    await lock.pool();
  };
}

class BareQueue {
  #isHeld = false;
  #waiting: (() => void)[] = [];
  #head = 0;

  acquireLock(): Promise<void> {
    if (this.#isHeld) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#isHeld = true;
    return Promise.resolve();
  }

  releaseLock(): void {
    if (this.#head < this.#waiting.length) {
      this.#waiting[this.#head++]?.();
    } else {
      this.#isHeld = false;
      this.#waiting = [];
      this.#head = 0;
    }
  }
}

function awaitLock(): Run {
  const lock = new AwaitLock();
  return async (fn) => {
    await lock.acquireAsync();
    try {
      fn();
    } finally {
      lock.release();
    }
  };
}

function asyncSema(): Run {
  const sema = new Sema(1);
  return async (fn) => {
    await sema.acquire();
    try {
      fn();
    } finally {
      sema.release();
    }
  };
}

function asyncLock(timeout = 0): RunByKey {
  // Without maxPending it refuses the thousand-and-first waiter. A timeout of 0 means none.
  const lock = new AsyncLock({maxPending: Infinity, timeout});
  return (key, fn) => lock.acquire(key, fn as () => Promise<unknown>);
}

function webLocks(): Record<string, Peer> {
  const {locks} = workerThreads as {
    locks?: {request(name: string, fn: Fn): Promise<unknown>};
  };
  if (locks === undefined) return {};
  const run = () => (fn: Fn) => locks.request('bench', fn);
  // Whoever wants to acquire and release writes a callback, too.
  return {'Web Locks': {withLock: run, acquireLock: run, acquire: run}};
}
