import type vm from 'node:vm';
import type workerThreads from 'node:worker_threads';
import {builtin} from './host.js';

const {threadId: ownThreadId, postMessageToThread} =
  builtin<typeof workerThreads>('node:worker_threads');
const {runInThisContext} = builtin<typeof vm>('node:vm');

export const threadId = ownThreadId as number;

const PROBE = {'@databases/lock': 'Are you there?'};

/** A thread that can answer does so within 5 ms; a main thread that is busy takes longer. */
const PATIENCE_MILLISECONDS = 250;

/**
 * The thread's own `globalThis`, also where this was loaded in a realm of `node:vm`, as by Jest.
 */
const threadGlobal = runInThisContext?.('globalThis') as typeof globalThis | undefined;

/**
 * Lets this thread be found by `probeThread`, for as long as it lives. Keeps nothing alive.
 *
 * One listener serves all locks, copies and realms of the thread. It must belong to none of them,
 * because it would keep its realm in memory. `Function.prototype` is a function that does nothing.
 */
export function becomeProbeable(): void {
  const {process, Function} = threadGlobal as typeof globalThis;
  const listener = Function.prototype as () => void;
  if (!process.listeners('workerMessage').includes(listener)) process.on('workerMessage', listener);
}

/** Asks the runtime about a thread. `'not found'` once is no proof that the thread has ended. */
export async function probeThread(id: number): Promise<'found' | 'not found' | 'no answer'> {
  try {
    await postMessageToThread?.(id, PROBE, [], PATIENCE_MILLISECONDS);
    return 'found';
  } catch (error) {
    const {code} = error as {code?: unknown};
    return code === 'ERR_WORKER_MESSAGING_FAILED' ? 'not found' : 'no answer';
  }
}
