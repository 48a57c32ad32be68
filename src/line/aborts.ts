import type {AbortSignalLike} from '../types.js';
import {WaitQueue, type Source} from './waitQueue.js';
import {rejectingWith, type CancellableWaiters, type Waiter} from './waiter.js';

/** All signals with which anybody has waited. */
const known = new WeakMap<AbortSignalLike, SignalSource>();

/**
 * One `AbortSignal`, and one listener for everybody who waits with it: a signal looks through all
 * its listeners whenever another is added.
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

/** The queue of those who wait with `signal`. */
export const waitersWith = (signal: AbortSignalLike): CancellableWaiters =>
  (known.get(signal) ?? new SignalSource(signal)).waiters;

/** The reason with which an aborted call rejects. The signals of some polyfills have none. */
export const abortReason = ({reason}: AbortSignalLike): unknown =>
  reason === undefined
    ? Object.assign(new Error('The operation was aborted.'), {name: 'AbortError'})
    : reason;
