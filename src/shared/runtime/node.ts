/** Node.js. Its threads can send messages to each other by their numbers. */
import type vm from 'node:vm';
import type workerThreads from 'node:worker_threads';
import {builtin} from './host.js';
import {findLack} from './lacks.js';
import type {Presence, Runtime} from './runtime.js';

const {threadId, isMainThread, postMessageToThread} =
  builtin<typeof workerThreads>('node:worker_threads');
const {runInThisContext} = builtin<typeof vm>('node:vm');

const PROBE = {'@databases/lock': 'Are you there?'};

/**
 * How long to wait for an answer. A thread that can answer does so within 5 ms, but a busy main
 * thread takes longer.
 */
const PATIENCE_MILLISECONDS = 250;

/** The thread's own `globalThis`, even if this was loaded in a realm of `node:vm`, as Jest does. */
const threadGlobal = runInThisContext?.('globalThis') as typeof globalThis | undefined;

export const node: Runtime = {
  obstacle: () =>
    findLack('Node.js', 'node', '20.19 and 22.5', {
      'worker_threads.postMessageToThread': postMessageToThread,
    }),
  threadId,
  isMainThread: isMainThread === true,

  // One listener serves all locks, copies and realms of the thread. It must not belong to any of
  // those realms, because it would keep that realm in memory. `Function.prototype` is a function
  // that does nothing.
  becomeProbeable() {
    const {process, Function} = threadGlobal as typeof globalThis;
    const listener = Function.prototype as () => void;
    if (!process.listeners('workerMessage').includes(listener)) {
      process.on('workerMessage', listener);
    }
  },

  // (A thread that has just started may be unknown.)
  async probeThread(id): Promise<Presence> {
    try {
      await postMessageToThread?.(id, PROBE, [], PATIENCE_MILLISECONDS);
      return 'found';
    } catch (error) {
      const {code} = error as {code?: unknown};
      return code === 'ERR_WORKER_MESSAGING_FAILED' ? 'not found' : 'no answer';
    }
  },
};
