/**
 * Deno. Each of its Web `Worker`s has the number of the main thread, and looks like it to
 * `node:worker_threads`. So each memory numbers its threads, no thread passes for the main thread
 * when others ask whether it lives, and the tokens alone answer that.
 */
import type workerThreads from 'node:worker_threads';
import {builtin} from './host.js';
import {findLack} from './lacks.js';
import type {Runtime} from './runtime.js';

const {isMainThread} = builtin<typeof workerThreads>('node:worker_threads');

export const deno: Runtime = {
  obstacle: () => findLack('Deno', 'deno', '2.9'),
  threadId: undefined,
  // Only a Web Worker has this class.
  isMainThread: isMainThread === true && !('WorkerGlobalScope' in globalThis),
  becomeProbeable: () => undefined,
  probeThread: async () => 'no answer',
};
