/** The locks that a run may be about, behind one interface. */
import * as workerThreads from 'node:worker_threads';
import {createLock, type LockGuard, type SharedLock} from '../../src/shared/index.js';

export const LOCKS = ['ours', 'plain', 'web'] as const;
export type LockName = (typeof LOCKS)[number];

/** What a thread hands to another: `buffer` of ours, or of the plain one; the web's needs none. */
export interface LockSource {
  readonly name: LockName;
  readonly buffer: SharedArrayBuffer;
}

export interface TestedLock {
  /**
   * Runs `section` with the lock. After too long a wait, rejects with an error that `isTimeout`
   * knows.
   */
  withLock(section: () => PromiseLike<void> | undefined): Promise<void>;
}

export const isTimeout = (error: unknown) =>
  (error as {code?: unknown} | undefined)?.code === 'ERR_LOCK_TIMEOUT';

const LATEST_ABORT_MILLISECONDS = 500;

const timeoutError = () => Object.assign(new Error('Timed out'), {code: 'ERR_LOCK_TIMEOUT'});

export function createSource(name: LockName): LockSource {
  return {name, buffer: name === 'ours' ? createLock().buffer : new SharedArrayBuffer(4)};
}

/**
 * @param onAbandoned is told the lock object and the dead thread, by our lock alone
 * @param random decides how our lock is used
 */
export function attach(
  {name, buffer}: LockSource,
  timeoutMilliseconds: number | undefined,
  onAbandoned: (through: TestedLock, threadId: number) => void,
  random: () => number,
): TestedLock {
  if (name === 'plain') return plainLock(buffer, timeoutMilliseconds);
  if (name === 'web') return webLock(timeoutMilliseconds);
  const lock = createLock(timeoutMilliseconds, {
    buffer,
    onAbandoned: (info) => onAbandoned(tested, info.threadId),
  });
  const tested: TestedLock = {
    async withLock(section) {
      const way = random();
      if (way < 0.15 && !workerThreads.isMainThread) {
        using _guard = acquireBlocking(lock);
        return await section();
      }
      if (way < 0.5) return lock.withLock(async () => section());
      if (way < 0.7) {
        await lock.acquireLock();
        try {
          await section();
        } finally {
          lock.releaseLock();
        }
      } else {
        using _guard = await acquire(lock, random() * LATEST_ABORT_MILLISECONDS);
        await section();
      }
    },
  };
  return tested;
}

/** Gives up like a timeout where this thread has the lock, and could wait for ever. */
function acquireBlocking(lock: SharedLock): LockGuard {
  try {
    return lock.acquireSync();
  } catch (error) {
    const isDeadlock = (error as {code?: unknown}).code === 'ERR_LOCK_DEADLOCK';
    throw isDeadlock ? timeoutError() : error;
  }
}

/** Gives up like a timeout: at once in a few cases, and otherwise by a signal some time later. */
async function acquire(lock: SharedLock, milliseconds: number): Promise<LockGuard> {
  if (milliseconds < LATEST_ABORT_MILLISECONDS / 10) {
    const guard = lock.tryAcquire();
    if (guard === undefined) throw timeoutError();
    return guard;
  }
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(timeoutError()), milliseconds);
  try {
    return await lock.acquire({signal: controller.signal});
  } finally {
    clearTimeout(timer);
  }
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
  if (locks === undefined) throw new Error('This Node.js has no Web Locks.');
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

// Our lock's memory, by the layout and the constants in src/shared/memory.

const FIRST_SLOT = 16;
const SLOT_CELLS = 7;
const SLOTS = 128;
const ENTRY = 912;
const STATES = ['FREE_SLOT', 'IN_USE', 'DIED', 'PREPARING'];

function slots(cells: Int32Array) {
  return Array.from({length: SLOTS}, (_, slot) => {
    const [thread = 0, calls = 0, , , ...tokens] = cells.subarray(FIRST_SLOT + slot * SLOT_CELLS);
    return {
      slot,
      threadId: thread >> 2,
      state: STATES[thread & 3] ?? '',
      calls,
      isWaiting: hasBit(cells, ENTRY + 1, 32, slot),
      isUntold: hasBit(cells, ENTRY + 5, 26, slot),
      tokens: tokens.slice(0, 3),
    };
  });
}

/** Whether the bit of a slot is set in cells that have so many of them each. */
function hasBit(cells: Int32Array, first: number, bits: number, slot: number): boolean {
  return ((cells[first + Math.floor(slot / bits)] ?? 0) & (1 << (slot % bits))) !== 0;
}

/** The lock's word in words, and the slots that have to do with it or with one of `threads`. */
export function describe({name, buffer}: LockSource, threads: readonly number[] = []): string {
  const cells = new Int32Array(buffer);
  if (name !== 'ours') return `word ${cells[0] ?? 0}`;
  const word = cells[ENTRY] ?? 0;
  const owner = (word & 0xff) - 1;
  const state = owner < 0 ? 'free' : `${word & 0x100 ? 'reserved for' : 'held by'} slot ${owner}`;
  const flags = `${word & 0x200 ? ', WAITERS' : ''}${word & 0x400 ? ', ABANDONED' : ''}`;
  const lines = [`word: ${state}${flags}, turn ${word >> 11}`];
  for (const {slot, threadId, state: of, calls, isWaiting, isUntold, tokens} of slots(cells)) {
    if (!isWaiting && !isUntold && slot !== owner && !threads.includes(threadId)) continue;
    const shown = tokens.map((token) => (token > 0 ? 'armed' : token === 0 ? 'spent' : token));
    lines.push(
      `slot ${slot}: thread ${threadId} ${of}${isWaiting ? ', waits' : ''}${calls === 0 ? '' : ', called'}${isUntold ? ', untold' : ''}, tokens ${shown.join(' ')}`,
    );
  }
  return lines.join('\n');
}

/** What is wrong with the lock's memory when nobody uses it any more. */
export function unrest({name, buffer}: LockSource): string | undefined {
  if (name !== 'ours') return undefined;
  const cells = new Int32Array(buffer);
  const word = cells[ENTRY] ?? 0;
  if ((word & 0xff) !== 0) return 'the lock is not free';
  if ((word & 0x400) !== 0) return 'somebody is still to be told of a death';
  const untold = slots(cells).find(({isUntold}) => isUntold);
  return untold && `nobody was told of the death of thread ${untold.threadId}`;
}
