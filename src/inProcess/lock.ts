import {badTypeError} from '../errors.js';
import {createDeadlines} from '../line/deadlines.js';
import {LineLock} from '../line/lineLock.js';
import type {Lock} from '../types.js';
import {InProcessLine} from './inProcessLine.js';

/**
 * Creates a lock for one thread.
 *
 * @param timeoutMilliseconds how long a caller waits for the lock. Without it, or with `Infinity`,
 *   as long as it takes; with `0`, not at all.
 * @throws `TypeError` when `timeoutMilliseconds` is not a number, or when there is another
 *   argument; `RangeError` when the timeout is negative or NaN.
 *
 * @example
 * const lock = createLock(30_000);
 * await lock.withLock(async () => { await onlyOneAtATime(); });
 */
export function createLock(timeoutMilliseconds?: number): Lock;
export function createLock(timeoutMilliseconds?: number, other?: unknown): Lock {
  if (other !== undefined) {
    const hint = " A buffer is for createLock of '@databases/lock/shared'.";
    throw badTypeError('createLock(timeoutMilliseconds) without another argument', other, hint);
  }
  return new LineLock(new InProcessLine(), createDeadlines(timeoutMilliseconds));
}
