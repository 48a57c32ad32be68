import {Console} from 'node:console';
import process from 'node:process';
import type {LockState} from './types.js';

/** What of a state fits in a table. */
const COLUMNS = ['lock', 'key', 'state', 'milliseconds', 'at', 'threadId'];

/** Prints a table to the standard error output. */
export function printSnapshot(states: readonly LockState[]): void {
  new Console(process.stderr).table(states, COLUMNS);
}
