import type timers from 'node:timers';
import {outside} from '../intrinsics.js';
import {builtin} from '../shared/runtime/host.js';

const {setImmediate} = builtin<typeof timers>('node:timers') as typeof timers;

/** Calls `action` in the next turn of the event loop, in no caller's async context. */
export function nextTurn(action: () => void): void {
  outside(() => setImmediate(action));
}
