import {assertType} from '../errors.js';
import {deadlinesAfter} from '../line/deadlines.js';
import {Line, type LocksInUse} from '../line/line.js';
import {attempt, LineLock} from '../line/lineLock.js';
import type {AcquireOptions, Lock, LockGuard, LocksByKey, LocksByKeyOptions} from '../types.js';

type Store<TKey> = NonNullable<LocksByKeyOptions<TKey>['store']>;

class LocksInStore<TKey> implements LocksByKey<TKey> {
  readonly #inUse: LocksInUse & {readonly store: Store<TKey>};
  /** The same for all keys, and so one timer for all of them. */
  readonly #deadlines;

  constructor(store: Store<TKey>, timeoutMilliseconds: number | undefined) {
    this.#inUse = {store, size: 0};
    this.#deadlines = deadlinesAfter(timeoutMilliseconds);
  }

  withLock<TArgs extends unknown[], TResult>(
    key: TKey,
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult> {
    return attempt(() => this.#lockOf(key).withLock(fn, ...args));
  }

  acquireLock(key: TKey): Promise<void>;
  acquireLock<T>(key: TKey, task: T): Promise<T>;
  acquireLock(key: TKey, task?: unknown): Promise<unknown> {
    return attempt(() => this.#lockOf(key).acquireLock(task));
  }

  releaseLock(key: TKey): void {
    this.#lockOf(key).releaseLock();
  }

  acquire(key: TKey, options?: AcquireOptions): Promise<LockGuard> {
    return attempt(() => this.#lockOf(key).acquire(options));
  }

  tryAcquire(key: TKey): LockGuard | undefined {
    return this.#lockOf(key).tryAcquire();
  }

  isLocked(key: TKey): boolean {
    return this.#lockOf(key).isLocked;
  }

  pendingCount(key: TKey): number {
    return this.#lockOf(key).pendingCount;
  }

  get size(): number {
    return this.#inUse.size;
  }

  #lockOf(key: TKey): Lock {
    return this.#inUse.store.get(key) ?? new LineLock(new Line(this.#inUse, key), this.#deadlines);
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
  assertType(options, 'object', 'options to be an object');
  const {store = new Map<TKey, Lock>(), timeoutMilliseconds} = options;
  for (const method of ['get', 'set', 'delete'] as const) {
    const came = (store as Partial<typeof store> | null)?.[method];
    assertType(came, 'function', `store.${method} to be a function`);
  }
  return new LocksInStore(store, timeoutMilliseconds);
}
