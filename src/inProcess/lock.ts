import {assertOptions} from '../errors.js';
import {createSettings} from '../line/limits.js';
import {LineLock} from '../line/lineLock.js';
import type {Lock, LockOptions} from '../types.js';
import {InProcessLine} from './inProcessLine.js';

/**
 * Creates a lock for one thread.
 *
 * @param timeoutMilliseconds how long a caller waits for the lock. Without it, or with `Infinity`,
 *   a caller waits as long as it takes. With `0`, a caller does not wait at all.
 * @throws `TypeError` if `timeoutMilliseconds` is not a number, or the options are not valid.
 *   `RangeError` if the timeout is negative or NaN.
 *
 * @example
 * const lock = createLock(30_000, {name: 'accounts'});
 * await lock.withLock(async () => { await onlyOneAtATime(); });
 */
export function createLock(timeoutMilliseconds?: number, options?: LockOptions): Lock {
  const usage = 'createLock(timeoutMilliseconds, {name})';
  const hint = " Use createLock of '@databases/lock/shared' for a buffer.";
  if (options !== undefined) assertOptions(options, usage, ['name'], hint);
  return new LineLock(new InProcessLine(), createSettings(timeoutMilliseconds, options?.name));
}
