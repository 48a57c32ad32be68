import type {AbortSignalLike} from '../types.js';
import {WaitQueue, type Source} from './waitQueue.js';
import {rejectingWith, type CancellableWaiters, type Waiter} from './waiter.js';

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
    const refusal = rejectingWith(abortReason(this.#signal));
    for (let waiter; (waiter = this.waiters.first);) waiter.entrance.cancel(waiter, refusal);
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
