import {assertOptions, assertType} from '../errors.js';
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
  #isListening = false;

  constructor(signal: AbortSignalLike) {
    super();
    this.#signal = signal;
    known.set(signal, this);
  }

  protected start(): void {
    if (this.#isListening) return;
    this.#signal.addEventListener('abort', this.#onAbort);
    this.#isListening = true;
  }

  protected stop(): void {
    if (!this.#isListening) return;
    this.#isListening = false;
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => {
    for (let waiter; (waiter = this.first);) waiter.lock.giveUp(waiter, reasonOf(this.#signal));
  };
}

/** Those who wait with `signal`. */
export const abortsOf = (signal: AbortSignalLike): Aborts =>
  known.get(signal) ?? new Aborts(signal);

/** What a caller of a signal that has aborted is rejected with. Polyfills have signals without a reason. */
export const reasonOf = ({reason}: AbortSignalLike): unknown =>
  reason === undefined
    ? Object.assign(new Error('The operation was aborted.'), {name: 'AbortError'})
    : reason;

/** @throws `TypeError` if the options are none, or their signal lacks what an `AbortSignal` has; its reason if it has aborted */
export function signalOf(options: AcquireOptions | undefined): AbortSignalLike | undefined {
  if (options === undefined) return undefined;
  assertOptions(options, 'acquire({signal})', ['signal']);
  const {signal} = options;
  if (signal === undefined) return undefined;
  const {aborted, addEventListener, removeEventListener} = (signal as typeof signal | null) ?? {};
  const expected = 'options.signal to be an AbortSignal';
  assertType(aborted, 'boolean', expected, signal);
  assertType(addEventListener, 'function', expected, signal);
  assertType(removeEventListener, 'function', expected, signal);
  if (aborted) throw reasonOf(signal);
  return signal;
}
