/**
 * Deno. To `node:worker_threads`, each of its Web `Worker`s looks like the main thread and has the
 * main thread's number. So each memory numbers its threads itself, no thread counts as the main
 * thread when others ask whether it lives, and only the tokens answer that question.
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
