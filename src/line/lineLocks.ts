import {badTypeError} from '../errors.js';
import type {AcquireOptions, LockGuard, LocksByKey} from '../types.js';
import {takeOptions, type AnyFunction} from './calls.js';
import type {Entrance} from './entrance.js';
import type {Group} from './group.js';
import {limitsOf, type LockSettings, type WaitLimits} from './limits.js';
import {LineLock, inspectName, rejecting, unlessAborted} from './lineLock.js';
import {INSPECT, SELF, unproxied} from './receiver.js';

/** Has the locks of the keys. */
export interface KeyedLocks<TKey> {
  /** The settings of all keys. Because they are the same, one timer serves all keys. */
  readonly settings: LockSettings;
  /** How many keys are locked. */
  readonly size: number;
  /** Returns the lock of `key`: the same object for as long as anybody holds it or waits for it. */
  find(key: TKey): LineLock;
  /**
   * Makes the group of one call for several keys, and acquires at once the locks that are free.
   *
   * @param locks the object that was called
   */
  gather(locks: object, keys: TKey[], findEntrance: (key: TKey) => Entrance): Group;
}

/** The methods that all locks by key have. */
export class LineLocks<TKey> implements LocksByKey<TKey> {
  readonly [SELF]: LineLocks<TKey>;
  readonly #keyed: KeyedLocks<TKey>;

  constructor(keyed: KeyedLocks<TKey>) {
    this[SELF] = this;
    this.#keyed = keyed;
  }

  /** The lock of a key. */
  static find<TKey>(receiver: LineLocks<TKey>, key: TKey): LineLock {
    return unproxied<LineLocks<TKey>>(receiver).#keyed.find(key);
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
      return LineLocks.find(this, key).withLock(fn as AnyFunction, ...args);
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
      const locks = unproxied<LineLocks<TKey>>(this);
      let limits: WaitLimits = locks.#keyed.settings;
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
    return rejecting(() => LineLocks.find(this, key).acquireLock(task));
  }

  releaseLock(key: TKey): void {
    LineLocks.find(this, key).releaseLock();
  }

  acquire(key: TKey, options?: AcquireOptions): Promise<LockGuard> {
    return rejecting(() => LineLocks.find(this, key).acquire(options));
  }

  acquireAll(keys: Iterable<TKey>, options?: AcquireOptions): Promise<LockGuard> {
    return rejecting(() => {
      const locks = unproxied<LineLocks<TKey>>(this);
      const usage = 'acquireAll(keys, {signal, timeoutMilliseconds})';
      const limits = limitsOf(options, locks.#keyed.settings, usage);
      const acquiring = locks.#gather(keys).acquire(limits);
      return limits.signal ? unlessAborted(acquiring, limits.signal) : acquiring;
    });
  }

  tryAcquire(key: TKey): LockGuard | undefined {
    return LineLocks.find(this, key).tryAcquire();
  }

  isLocked(key: TKey): boolean {
    return LineLocks.find(this, key).isLocked;
  }

  pendingCount(key: TKey): number {
    return LineLocks.find(this, key).pendingCount;
  }

  get size(): number {
    return unproxied<LineLocks<TKey>>(this).#keyed.size;
  }

  get [Symbol.toStringTag](): string {
    return 'LocksByKey';
  }

  [INSPECT](): string {
    const {settings, size} = unproxied<LineLocks<TKey>>(this).#keyed;
    return `${this[Symbol.toStringTag]}${inspectName(settings)} { ${size} held }`;
  }

  /** Makes the group of `keys`, and acquires at once the locks that are free. */
  #gather(keys: Iterable<TKey>): Group {
    // A string is iterable, too, but nobody means its letters as keys.
    const {[Symbol.iterator]: iterator} = Object(keys) as Partial<typeof keys>;
    if (typeof keys === 'string' || typeof iterator !== 'function') {
      throw badTypeError('keys to be an array or another iterable', keys);
    }
    // First, because the iterator may call these locks itself. If such a call came in between, it
    // would be ahead of this one in some lines and behind it in others.
    const all = [...keys];
    const keyed = this.#keyed;
    return keyed.gather(this, all, (key) => LineLock.entranceOf(keyed.find(key)));
  }
}
