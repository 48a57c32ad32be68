import * as timers from 'node:timers';
import {outside} from '../intrinsics.js';

// Not the global one: Jest's environment `jsdom`, for example, has none.
const {setImmediate} = timers;

/** Calls `action` in the next turn of the event loop, in no caller's async context. */
export function nextTurn(action: () => void): void {
  outside(() => setImmediate(action));
}
