import {LockTimeoutError, assertOptions, assertType} from '../errors.js';
import type {AbortSignalLike, AcquireOptions} from '../types.js';
import {abortReason, waitersWith} from './aborts.js';
import {findDeadlines, type Deadlines} from './deadlines.js';
import type {OnAbandoned} from './protocol.js';
import type {Waiter} from './waiter.js';
import {watchTurnedAway} from './watching.js';

/** What may end a wait. */
export interface WaitLimits {
  readonly deadlines?: Deadlines | undefined;
  readonly signal?: AbortSignalLike | undefined;
}

/** The settings of a lock, or of all locks by key together. */
export interface LockSettings extends WaitLimits {
  readonly name: string | undefined;
  readonly onAbandoned?: OnAbandoned | undefined;
}

/** Many locks have neither a timeout nor a name. */
const NONE: LockSettings = {name: undefined};

/**
 * The settings of a lock with this timeout and this name.
 *
 * @throws `TypeError` or `RangeError` if `timeoutMilliseconds` is not a length of time, or the name
 *   is not a string
 */
export function createSettings(timeoutMilliseconds?: number, name?: string): LockSettings {
  const deadlines = findDeadlines(timeoutMilliseconds);
  if (name !== undefined) assertType(name, 'string', 'name to be a string');
  return deadlines || name !== undefined ? {deadlines, name} : NONE;
}

/**
 * What may end the wait of a call with `options`.
 *
 * @param own the limits of the lock, for a call without a timeout of its own
 * @param usage how the call is written
 * @throws `TypeError` or `RangeError` if the options are not valid; the signal's reason if the
 *   signal has aborted
 */
export function limitsOf(
  options: AcquireOptions | undefined,
  own: WaitLimits,
  usage: string,
): WaitLimits {
  if (options === undefined) return own;
  assertOptions(options, usage, ['signal', 'timeoutMilliseconds']);
  const {signal, timeoutMilliseconds} = options;
  const deadlines =
    timeoutMilliseconds === undefined ? own.deadlines : findDeadlines(timeoutMilliseconds);
  if (signal !== undefined) assertUnaborted(signal);
  return {deadlines, signal};
}

function assertUnaborted(signal: AbortSignalLike): void {
  const {aborted, addEventListener, removeEventListener} = (signal as typeof signal | null) ?? {};
  const expected = 'options.signal to be an AbortSignal';
  assertType(aborted, 'boolean', expected, signal);
  assertType(addEventListener, 'function', expected, signal);
  assertType(removeEventListener, 'function', expected, signal);
  if (aborted) throw abortReason(signal);
}

/**
 * Lets `waiter` begin to wait.
 *
 * @throws `LockTimeoutError` if its timeout is 0
 */
export function waitWithin(waiter: Waiter, {deadlines, signal}: WaitLimits): Promise<unknown> {
  if (deadlines?.timeoutMilliseconds === 0) {
    watchTurnedAway(waiter.entrance);
    throw new LockTimeoutError(0, waiter.entrance.details());
  }
  return waiter.wait(deadlines?.currentWaiters(), signal && waitersWith(signal));
}
