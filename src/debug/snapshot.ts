import {Console} from 'node:console';
import process from 'node:process';
import type {LockState} from './types.js';

/** The columns of the table. The rest of a state does not fit in. */
const COLUMNS = ['lock', 'key', 'state', 'milliseconds', 'at', 'threadId'];

/** Prints a table to the standard error output. */
export function printSnapshot(states: readonly LockState[]): void {
  new Console(process.stderr).table(states, COLUMNS);
}
