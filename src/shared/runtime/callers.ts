import type asyncHooks from 'node:async_hooks';
import {builtin} from './host.js';

const {AsyncResource} = builtin<typeof asyncHooks>('node:async_hooks');
const {queueMicrotask} = globalThis;

/** Calls an action in a caller's async context. */
export type Context = (action: () => void) => void;

/** Captures the async context of this moment. */
export function captureContext(): Context {
  const resource = AsyncResource && new AsyncResource('@databases/lock');
  return (action) => (resource ? resource.runInAsyncScope(action) : action());
}

/**
 * Reports an error that no caller can catch: it ends the process, or reaches a listener of
 * `uncaughtException`.
 */
export function reportUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
