/**
 * Everything that the shared lock needs of Node.js, beside the language itself.
 *
 * All of it is taken when this is loaded, and from Node.js rather than from `globalThis`: in a test, the globals may be
 * fake ones, or belong to a realm that is gone before its memory is.
 */
import type asyncHooks from 'node:async_hooks';
import type perfHooks from 'node:perf_hooks';
import type timers from 'node:timers';
import type vm from 'node:vm';
import type workerThreads from 'node:worker_threads';
import {LockError} from '../errors.js';
import {outside} from '../intrinsics.js';
import {floor} from './intrinsics.js';

const host: {process?: Partial<typeof process>} = globalThis;
const hostPerformance = globalThis.performance;

/** Not by `import`, because a module or a name that a platform does not have must not keep this from loading. */
const builtin = (name: string): object => host.process?.getBuiltinModule?.(name) ?? {};

const {AsyncResource} = builtin('node:async_hooks') as Partial<typeof asyncHooks>;
const {performance = hostPerformance} = builtin('node:perf_hooks') as Partial<typeof perfHooks>;
const {setTimeout, clearTimeout} = builtin('node:timers') as typeof timers;
const {runInThisContext} = builtin('node:vm') as Partial<typeof vm>;
const {threadId: ownThreadId, postMessageToThread} = builtin('node:worker_threads') as Partial<
  typeof workerThreads
>;
const {queueMicrotask} = globalThis;

export const threadId = ownThreadId as number;

/** Milliseconds on a clock of this thread. */
export const now: () => number = performance.now.bind(performance);

const {timeOrigin} = performance;

/** Milliseconds on a clock that all threads share, about. */
export const sharedNow = (): number => floor(timeOrigin + now());

/** @throws `LockError`, `code: 'ERR_LOCK_UNSUPPORTED'`, if a lock across threads cannot work here. */
export function assertSupported(): void {
  const missing =
    typeof SharedArrayBuffer !== 'function'
      ? 'SharedArrayBuffer'
      : typeof globalThis.Atomics.waitAsync !== 'function'
        ? 'Atomics.waitAsync'
        : typeof postMessageToThread !== 'function'
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

/** The thread's own `globalThis`, also where this was loaded in a realm made by `node:vm`, as by Jest. */
const threadGlobal = runInThisContext?.('globalThis') as typeof globalThis | undefined;

/**
 * Lets this thread be found by `ask`, for as long as it lives. Keeps nothing alive.
 *
 * One listener serves all locks, copies and realms of the thread, and belongs to none of them: it would keep its realm in
 * memory. `Function.prototype` is a function, too, and does nothing.
 */
export function answer(): void {
  const {process, Function} = threadGlobal as typeof globalThis;
  const listener = Function.prototype as () => void;
  if (!process.listeners('workerMessage').includes(listener)) process.on('workerMessage', listener);
}

/** Whether the thread answered, or the runtime does not know it (once is no proof of death), or neither. */
export async function ask(id: number): Promise<'answered' | 'not found' | 'no answer'> {
  try {
    await postMessageToThread?.(id, QUESTION, [], PATIENCE_MILLISECONDS);
    return 'answered';
  } catch (error) {
    const {code} = error as {code?: unknown};
    return code === 'ERR_WORKER_MESSAGING_FAILED' ? 'not found' : 'no answer';
  }
}

/** Calls `action` once, later. With `keepsAlive` the thread does not end before. */
export function startTimer(milliseconds: number, keepsAlive: boolean, action: () => void) {
  const timer = outside(() => setTimeout(action, milliseconds));
  if (!keepsAlive) timer.unref();
  return timer;
}

export type Timer = ReturnType<typeof startTimer>;

export function stopTimer(timer: Timer): void {
  clearTimeout(timer);
}

/** Calls its argument in the async context of the call of this. */
export function currentContext(): (action: () => void) => void {
  const resource = AsyncResource && new AsyncResource('@databases/lock');
  return (action) => (resource ? resource.runInAsyncScope(action) : action());
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
