import {assertOptions, assertType} from '../errors.js';
import type {AbortSignalLike, AcquireOptions} from '../types.js';
import {WaitQueue, type Source} from './waitQueue.js';
import type {CancellableWaiters, Waiter} from './waiter.js';

/** The signals that somebody has waited with. */
const known = new WeakMap<AbortSignalLike, SignalSource>();

/**
 * One `AbortSignal`, and one listener for all who wait with it: a signal looks through the
 * listeners that it has whenever another is added.
 */
class SignalSource implements Source<Waiter> {
  readonly waiters: CancellableWaiters;
  readonly #signal: AbortSignalLike;
  #isListening = false;

  constructor(signal: AbortSignalLike) {
    this.#signal = signal;
    this.waiters = new WaitQueue(this);
    known.set(signal, this);
  }

  start(): void {
    if (this.#isListening) return;
    this.#signal.addEventListener('abort', this.#onAbort);
    this.#isListening = true;
  }

  stop(): void {
    if (!this.#isListening) return;
    this.#isListening = false;
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => {
    const reason = abortReason(this.#signal);
    for (let waiter; (waiter = this.waiters.first);) {
      waiter.entrance.cancel(waiter, () => {
        throw reason;
      });
    }
  };
}

/** Those who wait with `signal`. */
export const waitersWith = (signal: AbortSignalLike): CancellableWaiters =>
  (known.get(signal) ?? new SignalSource(signal)).waiters;

/** What an aborted caller is rejected with. Some polyfills have signals without a reason. */
export const abortReason = ({reason}: AbortSignalLike): unknown =>
  reason === undefined
    ? Object.assign(new Error('The operation was aborted.'), {name: 'AbortError'})
    : reason;

/**
 * @returns the signal among the options, if there is one
 * @throws `TypeError` if the options are not valid, the signal's reason if it has aborted
 */
export function checkOptions(options: AcquireOptions | undefined): AbortSignalLike | undefined {
  if (options === undefined) return undefined;
  assertOptions(options, 'acquire({signal})', ['signal']);
  const {signal} = options;
  if (signal === undefined) return undefined;
  const {aborted, addEventListener, removeEventListener} = (signal as typeof signal | null) ?? {};
  const expected = 'options.signal to be an AbortSignal';
  assertType(aborted, 'boolean', expected, signal);
  assertType(addEventListener, 'function', expected, signal);
  assertType(removeEventListener, 'function', expected, signal);
  if (aborted) throw abortReason(signal);
  return signal;
}
