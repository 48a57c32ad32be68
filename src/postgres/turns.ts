import * as timers from 'node:timers';
import {outside} from '../intrinsics.js';

// Not the global one, which Jest's environment `jsdom` lacks and fake timers replace.
const {setImmediate} = timers;

/** Calls `action` in the next turn of the event loop, in no caller's async context. */
export function nextTurn(action: () => void): void {
  outside(() => setImmediate(action));
}
