import type asyncHooks from 'node:async_hooks';
import {builtin} from './host.js';

const {AsyncResource} = builtin<typeof asyncHooks>('node:async_hooks');
const {queueMicrotask} = globalThis;

/** Calls an action in the async context of a caller. */
export type Context = (action: () => void) => void;

/** The async context of this moment. */
export function captureContext(): Context {
  const resource = AsyncResource && new AsyncResource('@databases/lock');
  return (action) => (resource ? resource.runInAsyncScope(action) : action());
}

/** Lets an error that nobody can catch end the process, or reach its `uncaughtException`. */
export function reportUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
