import {assertType} from '../errors.js';
import type {AbortSignalLike, AcquireOptions} from '../types.js';
import {Queue} from './queue.js';
import type {Waiter} from './waiter.js';

/** @throws `TypeError` if the options are none, or their signal lacks what an `AbortSignal` has; the reason if that has aborted */
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
  if (signal.aborted) throw signal.reason;
  return signal;
}

/** Those of the signals that somebody has waited with. */
const known = new WeakMap<AbortSignalLike, Aborts>();

/**
 * The waiters of one `AbortSignal`, whichever lines they are in, and the one listener that ends their waits: a listener for
 * each would be looked at by each other that is added.
 *
 * The listener is there exactly while somebody waits.
 */
export class Aborts extends Queue {
  readonly #signal: AbortSignalLike;
  readonly #onAbort: () => void;

  /** @param end ends the wait of one waiter, by `refuse` */
  private constructor(signal: AbortSignalLike, end: (waiter: Waiter, reason: unknown) => void) {
    super();
    this.#signal = signal;
    this.#onAbort = () => {
      for (let waiter; (waiter = this.first) !== undefined;) end(waiter, signal.reason);
    };
  }

  static of(signal: AbortSignalLike, end: (waiter: Waiter, reason: unknown) => void): Aborts {
    const aborts = known.get(signal) ?? new Aborts(signal, end);
    known.set(signal, aborts);
    return aborts;
  }

  override join(waiter: Waiter): void {
    if (this.length === 0) this.#signal.addEventListener('abort', this.#onAbort);
    super.join(waiter);
  }

  override withdraw(waiter: Waiter): void {
    super.withdraw(waiter);
    if (this.length === 0) this.#signal.removeEventListener('abort', this.#onAbort);
  }
}
