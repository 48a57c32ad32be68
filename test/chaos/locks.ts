/** The locks that a run may be about, behind one interface. */
import * as workerThreads from 'node:worker_threads';
import {createLock, createLocksByKey} from '../../src/shared/index.js';
import {MAX_KEYS, attachToKeys} from './crowd.js';
import {timeoutError, useLock, type Player, type TestedLock} from './tested.js';

/** `keys` is the lock of one key, among others. */
export const LOCKS = ['ours', 'keys', 'plain', 'web'] as const;
export type LockName = (typeof LOCKS)[number];

export const isOurs = (name: LockName) => name === 'ours' || name === 'keys';

/** What a thread hands to another: `buffer` of ours, or of the plain one; the web's needs none. */
export interface LockSource {
  readonly name: LockName;
  readonly buffer: SharedArrayBuffer;
}

export function createSource(name: LockName): LockSource {
  if (name === 'ours') return {name, buffer: createLock().buffer};
  if (name === 'keys') return {name, buffer: createLocksByKey({maxKeys: MAX_KEYS}).buffer};
  return {name, buffer: new SharedArrayBuffer(4)};
}

/** @param random decides how our lock is used */
export function attach(
  {name, buffer}: LockSource,
  timeoutMilliseconds: number | undefined,
  player: Player,
  random: () => number,
): TestedLock {
  if (name === 'plain') return plainLock(buffer, timeoutMilliseconds);
  if (name === 'web') return webLock(timeoutMilliseconds);
  if (name === 'keys') return attachToKeys(buffer, timeoutMilliseconds, player, random);
  const lock = createLock(timeoutMilliseconds, {
    buffer,
    onAbandoned: ({threadId}) => player.told(tested, threadId),
  });
  const tested: TestedLock = {
    withLock: (section) => useLock(lock, player, random, section),
  };
  return tested;
}

/** The usual mutex over `compareExchange`, `waitAsync` and `notify`. */
function plainLock(buffer: SharedArrayBuffer, timeoutMilliseconds = Infinity): TestedLock {
  const cells = new Int32Array(buffer);
  return {
    async withLock(section) {
      const deadline = performance.now() + timeoutMilliseconds;
      while (Atomics.compareExchange(cells, 0, 0, 1) !== 0) {
        const left = deadline - performance.now();
        if (left <= 0) throw timeoutError();
        const wait = Atomics.waitAsync(cells, 0, 1, left);
        if (wait.async) await wait.value;
      }
      try {
        await section();
      } finally {
        Atomics.store(cells, 0, 0);
        Atomics.notify(cells, 0, 1);
      }
    },
  };
}

interface WebLocks {
  request(
    name: string,
    options: {ifAvailable?: boolean; steal?: boolean; signal?: AbortSignal},
    callback: (lock: unknown) => unknown,
  ): Promise<unknown>;
}

const webLocks = () => (workerThreads as unknown as {locks?: WebLocks}).locks;

export const isAvailable = (name: LockName) => name !== 'web' || webLocks() !== undefined;

function webLock(timeoutMilliseconds: number | undefined): TestedLock {
  const locks = webLocks();
  if (locks === undefined) throw new Error('This runtime has no Web Locks.');
  return {
    async withLock(section) {
      if (timeoutMilliseconds === 0) {
        await locks.request('chaos', {ifAvailable: true}, (lock) => {
          if (lock === null) throw timeoutError();
          return section();
        });
        return;
      }
      if (timeoutMilliseconds === undefined) {
        await locks.request('chaos', {}, section);
        return;
      }
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort(timeoutError()), timeoutMilliseconds);
      await locks.request('chaos', {signal: controller.signal}, () => {
        clearTimeout(timer);
        return section();
      });
    },
  };
}

/** Frees a lock that nobody gives back any more, so that the run can go on. */
export function repair({name, buffer}: LockSource): void {
  if (name === 'plain') {
    Atomics.store(new Int32Array(buffer), 0, 0);
    Atomics.notify(new Int32Array(buffer), 0);
  } else if (name === 'web') {
    void webLocks()
      ?.request('chaos', {steal: true}, () => undefined)
      .catch(() => undefined);
  }
}
