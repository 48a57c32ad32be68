/** Everything that the shared lock needs of Node.js, beside the language itself. */
// As a whole, because a name that this Node.js does not have must not keep the module from loading.
import * as workerThreads from 'node:worker_threads';
import {LockError} from '../errors.js';

export const {threadId} = workerThreads;

/** Milliseconds on a clock of this thread. */
export const now = (): number => performance.now();

/** Milliseconds on a clock that all threads share, about. */
export const sharedNow = (): number => Math.floor(performance.timeOrigin + performance.now());

/** @throws `LockError`, `code: 'ERR_LOCK_UNSUPPORTED'`, if a lock across threads cannot work here. */
export function assertSupported(): void {
  const missing =
    typeof SharedArrayBuffer !== 'function'
      ? 'SharedArrayBuffer'
      : typeof Atomics.waitAsync !== 'function'
        ? 'Atomics.waitAsync'
        : typeof workerThreads.postMessageToThread !== 'function'
          ? 'worker_threads.postMessageToThread'
          : undefined;
  if (missing !== undefined) {
    throw new LockError(
      'ERR_LOCK_UNSUPPORTED',
      `A lock across threads needs ${missing}, which Node.js has from 20.19 and 22.5 on.`,
    );
  }
}

const QUESTION = {'@databases/lock': 'Are you there?'};
const PATIENCE_MILLISECONDS = 250;

/** Lets this thread be found by `ask`, for as long as it lives. Keeps nothing alive. */
export function answer(): void {
  process.on('workerMessage', () => undefined);
}

/** Whether the thread answered, or the runtime does not know it (once is no proof of death), or neither. */
export async function ask(id: number): Promise<'answered' | 'not found' | 'no answer'> {
  try {
    await workerThreads.postMessageToThread(id, QUESTION, [], PATIENCE_MILLISECONDS);
    return 'answered';
  } catch (error) {
    const {code} = error as {code?: unknown};
    return code === 'ERR_WORKER_MESSAGING_FAILED' ? 'not found' : 'no answer';
  }
}

/** Calls `action` once, later. With `keepsAlive` the thread does not end before. */
export function startTimer(milliseconds: number, keepsAlive: boolean, action: () => void) {
  const timer = setTimeout(action, milliseconds);
  if (!keepsAlive) timer.unref();
  return timer;
}

export type Timer = ReturnType<typeof startTimer>;

export function stopTimer(timer: Timer): void {
  clearTimeout(timer);
}

/** Lets an error that nobody can catch end the process, or reach its `uncaughtException` listeners. */
export function reportUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

let idle = 0;

/**
 * Lets a little time pass for a thread that is spinning, without touching memory that others use: each look at a
 * word costs the thread that works with it, too. (`Atomics.pause` would do, but Node.js 20 and 22 have none.)
 */
export function pause(): void {
  for (let i = 0; i < 10; i++) idle = (idle + i) | 0;
}
