import {assertOptions, assertType, badTypeError} from '../errors.js';
import {createMap} from '../intrinsics.js';
import {takeOptions, type AnyFunction} from '../line/calls.js';
import {Group} from '../line/group.js';
import {createSettings, limitsOf, type LockSettings, type WaitLimits} from '../line/limits.js';
import {LineLock, inspectName, rejecting, unlessAborted} from '../line/lineLock.js';
import {INSPECT, SELF, unproxied} from '../line/receiver.js';
import type {AcquireOptions, Lock, LockGuard, LocksByKey, LocksByKeyOptions} from '../types.js';
import {InProcessLine, type LocksInUse} from './inProcessLine.js';

type Store<TKey> = NonNullable<LocksByKeyOptions<TKey>['store']>;

class LocksInStore<TKey> implements LocksByKey<TKey> {
  readonly [SELF]: LocksInStore<TKey>;
  readonly #inUse: LocksInUse & {readonly store: Store<TKey>};
  /** The same for all keys, and so one timer for all of them. */
  readonly #settings: LockSettings;

  constructor(
    store: Store<TKey>,
    isCallersOwn: boolean,
    {timeoutMilliseconds, name}: LocksByKeyOptions<TKey>,
  ) {
    this[SELF] = this;
    this.#inUse = {store, isCallersOwn, size: 0};
    this.#settings = createSettings(timeoutMilliseconds, name);
  }

  withLock<TArgs extends unknown[], TResult>(
    key: TKey,
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult>;
  withLock<TArgs extends unknown[], TResult>(
    key: TKey,
    options: AcquireOptions | undefined,
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult>;
  withLock(key: TKey, fn: unknown, ...args: unknown[]): Promise<unknown> {
    return rejecting(() => {
      return LocksInStore.#findLock(this, key).withLock(fn as AnyFunction, ...args);
    });
  }

  withLocks<TArgs extends unknown[], TResult>(
    keys: Iterable<TKey>,
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult>;
  withLocks<TArgs extends unknown[], TResult>(
    keys: Iterable<TKey>,
    options: AcquireOptions | undefined,
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult>;
  withLocks(keys: Iterable<TKey>, fn: unknown, ...args: unknown[]): Promise<unknown> {
    return rejecting(() => {
      const locks = unproxied<LocksInStore<TKey>>(this);
      let limits: WaitLimits = locks.#settings;
      if (typeof fn !== 'function') {
        const usage = 'withLocks(keys, {signal, timeoutMilliseconds}, fn)';
        ({fn, limits} = takeOptions(fn, args, limits, usage));
      }
      return locks.#gather(keys).call(fn as AnyFunction, args, limits);
    });
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

  acquireAll(keys: Iterable<TKey>, options?: AcquireOptions): Promise<LockGuard> {
    return rejecting(() => {
      const locks = unproxied<LocksInStore<TKey>>(this);
      const usage = 'acquireAll(keys, {signal, timeoutMilliseconds})';
      const limits = limitsOf(options, locks.#settings, usage);
      const acquiring = locks.#gather(keys).acquire(limits);
      return limits.signal ? unlessAborted(acquiring, limits.signal) : acquiring;
    });
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
    return `LocksByKey${inspectName(unproxied<LocksInStore<TKey>>(this).#settings)} { ${this.size} held }`;
  }

  static #findLock<TKey>(receiver: LocksInStore<TKey>, key: TKey): Lock {
    const locks = unproxied<LocksInStore<TKey>>(receiver);
    const inUse = locks.#inUse;
    return inUse.store.get(key) ?? new LineLock(new InProcessLine(inUse, key), locks.#settings);
  }

  /** The locks of `keys`, those that are free acquired. */
  #gather(keys: Iterable<TKey>): Group {
    // A string would be taken for its letters.
    const {[Symbol.iterator]: iterator} = Object(keys) as Partial<typeof keys>;
    if (typeof keys === 'string' || typeof iterator !== 'function') {
      throw badTypeError('keys to be an array or another iterable', keys);
    }
    // First, because the iterator may use these locks. A call of its own that came in between would
    // be ahead of this one in some lines, and behind it in others.
    const all = [...keys];
    const group = new Group(this);
    group.gather(all, (key) => LineLock.entranceOf(LocksInStore.#findLock(this, key)));
    return group;
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
  assertOptions(options, 'createLocksByKey({timeoutMilliseconds, store, name})', [
    'timeoutMilliseconds',
    'store',
    'name',
  ]);
  const {store = createMap<TKey, Lock>()} = options;
  for (const method of ['get', 'set', 'delete'] as const) {
    const came = (store as Partial<typeof store> | null)?.[method];
    assertType(came, 'function', `store.${method} to be a function`);
  }
  return new LocksInStore(store, store === options.store, options);
}
