import {assertOptions, assertType} from '../errors.js';
import {createMap} from '../intrinsics.js';
import {createDeadlines} from '../line/deadlines.js';
import {LineLock, rejecting} from '../line/lineLock.js';
import {INSPECT, SELF, unproxied} from '../line/receiver.js';
import type {AcquireOptions, Lock, LockGuard, LocksByKey, LocksByKeyOptions} from '../types.js';
import {InProcessLine, type LocksInUse} from './inProcessLine.js';

type Store<TKey> = NonNullable<LocksByKeyOptions<TKey>['store']>;

class LocksInStore<TKey> implements LocksByKey<TKey> {
  readonly [SELF]: LocksInStore<TKey>;
  readonly #inUse: LocksInUse & {readonly store: Store<TKey>};
  /** The same for all keys, and so one timer for all of them. */
  readonly #deadlines;

  constructor(store: Store<TKey>, isCallersOwn: boolean, timeoutMilliseconds: number | undefined) {
    this[SELF] = this;
    this.#inUse = {store, isCallersOwn, size: 0};
    this.#deadlines = createDeadlines(timeoutMilliseconds);
  }

  withLock<TArgs extends unknown[], TResult>(
    key: TKey,
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult> {
    return rejecting(() => LocksInStore.#findLock(this, key).withLock(fn, ...args));
  }

  acquireLock(key: TKey): Promise<void>;
  acquireLock<T>(key: TKey, task: T): Promise<T>;
  acquireLock(key: TKey, task?: unknown): Promise<unknown> {
    return rejecting(() => LocksInStore.#findLock(this, key).acquireLock(task));
  }

  releaseLock(key: TKey): void {
    LocksInStore.#findLock(this, key).releaseLock();
  }

  acquire(key: TKey, options?: AcquireOptions): Promise<LockGuard> {
    return rejecting(() => LocksInStore.#findLock(this, key).acquire(options));
  }

  tryAcquire(key: TKey): LockGuard | undefined {
    return LocksInStore.#findLock(this, key).tryAcquire();
  }

  isLocked(key: TKey): boolean {
    return LocksInStore.#findLock(this, key).isLocked;
  }

  pendingCount(key: TKey): number {
    return LocksInStore.#findLock(this, key).pendingCount;
  }

  get size(): number {
    return unproxied<LocksInStore<TKey>>(this).#inUse.size;
  }

  get [Symbol.toStringTag](): string {
    return 'LocksByKey';
  }

  [INSPECT](): string {
    return `LocksByKey { ${this.size} held }`;
  }

  static #findLock<TKey>(receiver: LocksInStore<TKey>, key: TKey): Lock {
    const locks = unproxied<LocksInStore<TKey>>(receiver);
    const inUse = locks.#inUse;
    return inUse.store.get(key) ?? new LineLock(new InProcessLine(inUse, key), locks.#deadlines);
  }
}

/**
 * Creates a lock for each key, on demand.
 *
 * Keys are compared as in a `Map`, or as `options.store` compares them.
 *
 * @throws `TypeError` when an option is of the wrong type, `RangeError` when `timeoutMilliseconds`
 *   is negative or NaN.
 *
 * @example
 * const locks = createLocksByKey<string>({timeoutMilliseconds: 30_000});
 * await locks.withLock('users/1', async () => { await onlyOneAtATimeForThisUser(); });
 */
export function createLocksByKey<TKey = unknown>(
  options: LocksByKeyOptions<TKey> = {},
): LocksByKey<TKey> {
  assertOptions(options, 'createLocksByKey({timeoutMilliseconds, store})', [
    'timeoutMilliseconds',
    'store',
  ]);
  const {store = createMap<TKey, Lock>(), timeoutMilliseconds} = options;
  for (const method of ['get', 'set', 'delete'] as const) {
    const came = (store as Partial<typeof store> | null)?.[method];
    assertType(came, 'function', `store.${method} to be a function`);
  }
  return new LocksInStore(store, store === options.store, timeoutMilliseconds);
}
