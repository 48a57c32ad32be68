import {badTypeError, notHeldError, type LockTimeoutDetails} from '../errors.js';
import {LineLock} from '../line/lineLock.js';
import type {Waiter} from '../line/waiter.js';
import type {Lock, LocksByKey, LocksByKeyOptions} from '../types.js';
import {InProcessLine} from './lock.js';

type Store<TKey> = NonNullable<LocksByKeyOptions<TKey>['store']>;

/** The line of one key. Its lock is in the store exactly while somebody holds it. */
class KeyLine<TKey> extends InProcessLine {
  readonly #key: TKey;
  readonly #store: Store<TKey>;

  constructor(key: TKey, store: Store<TKey>) {
    super();
    this.#key = key;
    this.#store = store;
  }

  override tryEnter(waiter: Waiter): boolean {
    if (this.holder === undefined) this.#store.set(this.#key, waiter.lock);
    return super.tryEnter(waiter);
  }

  override leave(): void {
    super.leave();
    if (this.holder === undefined) this.#store.delete(this.#key);
  }

  override timeoutDetails(): LockTimeoutDetails {
    return {key: this.#key};
  }
}

class LocksInStore<TKey> implements LocksByKey<TKey> {
  readonly #store: Store<TKey>;
  /** The same for all keys, and so one timer for all of them. */
  readonly #deadlines;

  constructor(store: Store<TKey>, timeoutMilliseconds: number | undefined) {
    this.#store = store;
    this.#deadlines = LineLock.deadlines(timeoutMilliseconds);
  }

  withLock<TArgs extends unknown[], TResult>(
    key: TKey,
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult> {
    // A caller's own store may throw.
    try {
      return this.#lockOf(key).withLock(fn, ...args);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  acquireLock(key: TKey): Promise<void>;
  acquireLock<T>(key: TKey, task: T): Promise<T>;
  acquireLock(key: TKey, task?: unknown): Promise<unknown> {
    // A caller's own store may throw.
    try {
      return this.#lockOf(key).acquireLock(task);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  releaseLock(key: TKey): void {
    const lock = this.#store.get(key);
    if (lock === undefined) throw notHeldError();
    lock.releaseLock();
  }

  #lockOf(key: TKey): Lock {
    return this.#store.get(key) ?? new LineLock(new KeyLine(key, this.#store), this.#deadlines);
  }
}

/**
 * Creates a lock for each key, on demand.
 *
 * Keys are compared as in a `Map`, or as `options.store` compares them.
 *
 * @throws `TypeError` when an option is of the wrong type, `RangeError` when `timeoutMilliseconds` is
 *   negative or NaN.
 *
 * @example
 * const locks = createLocksByKey<string>({timeoutMilliseconds: 30_000});
 * await locks.withLock('users/1', async () => { await onlyOneAtATimeForThisUser(); });
 */
export function createLocksByKey<TKey = unknown>(
  options: LocksByKeyOptions<TKey> = {},
): LocksByKey<TKey> {
  if (typeof options !== 'object' || (options as unknown) === null) {
    throw badTypeError('options to be an object', options);
  }
  const {store = new Map<TKey, Lock>(), timeoutMilliseconds} = options;
  for (const method of ['get', 'set', 'delete'] as const) {
    const came: unknown = (store as Partial<typeof store> | null)?.[method];
    if (typeof came !== 'function') throw badTypeError(`store.${method} to be a function`, came);
  }
  return new LocksInStore(store, timeoutMilliseconds);
}
