import {outside} from '../intrinsics.js';

const {setImmediate} = globalThis;

/** Calls `action` in the next turn of the event loop, in no caller's async context. */
export function nextTurn(action: () => void): void {
  outside(() => setImmediate(action));
}
