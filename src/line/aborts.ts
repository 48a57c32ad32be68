import {assertType} from '../errors.js';
import type {AbortSignalLike, AcquireOptions} from '../types.js';
import {Limit} from './limit.js';

/** Those of the signals that somebody has waited with. */
const known = new WeakMap<AbortSignalLike, Aborts>();

/**
 * The waiters of one `AbortSignal`, and the one listener that ends their waits: a listener for each would be looked at by each
 * other that is added.
 */
class Aborts extends Limit {
  readonly #signal: AbortSignalLike;

  constructor(signal: AbortSignalLike) {
    super();
    this.#signal = signal;
    known.set(signal, this);
  }

  protected start(): void {
    this.#signal.addEventListener('abort', this.#onAbort);
  }

  protected stop(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => {
    for (let waiter; (waiter = this.first);) waiter.lock.giveUp(waiter, this.#signal.reason);
  };
}

/** Those who wait with `signal`. */
export const abortsOf = (signal: AbortSignalLike): Aborts =>
  known.get(signal) ?? new Aborts(signal);

/** @throws `TypeError` if the options are none, or their signal lacks what an `AbortSignal` has; its reason if it has aborted */
export function signalOf(options: AcquireOptions | undefined): AbortSignalLike | undefined {
  if (options === undefined) return undefined;
  assertType(options, 'object', 'options to be an object');
  const {signal} = options;
  if (signal === undefined) return undefined;
  const {aborted, addEventListener, removeEventListener} = (signal as typeof signal | null) ?? {};
  const expected = 'options.signal to be an AbortSignal';
  assertType(aborted, 'boolean', expected, signal);
  assertType(addEventListener, 'function', expected, signal);
  assertType(removeEventListener, 'function', expected, signal);
  if (aborted) throw signal.reason;
  return signal;
}
