import {assertOptions, assertType} from '../errors.js';
import {createMap} from '../intrinsics.js';
import type {Entrance} from '../line/entrance.js';
import {Group} from '../line/group.js';
import {createSettings, type LockSettings} from '../line/limits.js';
import {LineLock} from '../line/lineLock.js';
import {LineLocks, type KeyedLocks} from '../line/lineLocks.js';
import type {Lock, LocksByKey, LocksByKeyOptions} from '../types.js';
import {InProcessLine, type LocksInUse} from './inProcessLine.js';

type Store<TKey> = NonNullable<LocksByKeyOptions<TKey>['store']>;

/** Stands for "no key". */
const NONE = {};

/**
 * A map that keeps one of its locks in a field. If only one key is in use at a time, V8 would make
 * a new table for the map again and again. On Node.js 20 that took as long as ten calls (rows
 * `… one key` of the benchmark).
 */
class LocksInMap<TKey> implements Store<TKey> {
  #key: unknown = NONE;
  #lock: Lock | undefined;
  readonly #others = createMap<TKey, Lock>();

  get(key: TKey): Lock | undefined {
    return this.#isBeside(key) ? this.#lock : this.#others.get(key);
  }

  set(key: TKey, lock: Lock): void {
    if (this.#key !== NONE) this.#others.set(key, lock);
    else {
      this.#lock = lock;
      this.#key = key;
    }
  }

  delete(key: TKey): void {
    if (!this.#isBeside(key)) this.#others.delete(key);
    else {
      this.#key = NONE;
      this.#lock = undefined;
    }
  }

  /** Compares keys as a map does: NaN is the same as NaN. */
  #isBeside(key: TKey): boolean {
    return key === this.#key || (key !== key && this.#key !== this.#key);
  }
}

/** The locks that are held, in a store. The lock of any other key is made on demand. */
class LocksInStore<TKey> implements KeyedLocks<TKey>, LocksInUse {
  readonly store: Store<TKey>;
  readonly isCallersOwn: boolean;
  readonly settings: LockSettings;
  size = 0;

  constructor(store: Store<TKey>, isCallersOwn: boolean, settings: LockSettings) {
    this.store = store;
    this.isCallersOwn = isCallersOwn;
    this.settings = settings;
  }

  find(key: TKey): LineLock {
    const held = this.store.get(key) as LineLock | undefined;
    return held ?? new LineLock(new InProcessLine(this, key), this.settings);
  }

  gather(locks: object, keys: TKey[], findEntrance: (key: TKey) => Entrance): Group {
    const group = new Group(locks);
    group.gather(keys, findEntrance);
    return group;
  }
}

/**
 * Creates locks by key: one lock for each key, which exists only while it is in use.
 *
 * Keys are compared as in a `Map`, or as `options.store` compares them.
 *
 * @throws `TypeError` if an option has the wrong type. `RangeError` if `timeoutMilliseconds` is
 *   negative or NaN.
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
  const {store = new LocksInMap<TKey>(), timeoutMilliseconds, name} = options;
  for (const method of ['get', 'set', 'delete'] as const) {
    const came = (store as Partial<typeof store> | null)?.[method];
    assertType(came, 'function', `store.${method} to be a function`);
  }
  const settings = createSettings(timeoutMilliseconds, name);
  return new LineLocks(new LocksInStore(store, store === options.store, settings));
}
