import {assertOptions, assertType, badTypeError, badValueError} from '../errors.js';
import {createWeakMap} from '../intrinsics.js';
import type {Entrance} from '../line/entrance.js';
import {createSettings, type LockSettings} from '../line/limits.js';
import {LineLock} from '../line/lineLock.js';
import {LineLocks, type KeyedLocks} from '../line/lineLocks.js';
import type {OnAbandoned} from '../line/protocol.js';
import type {
  BlockingOptions,
  LockGuard,
  SharedKey,
  SharedLocksByKey,
  SharedLocksByKeyOptions,
} from '../types.js';
import {acquireBlocking, callBlocking} from './blocking.js';
import {checkBuffer} from './buffers.js';
import type {KeyLines} from './keyLines.js';
import {compareKeys} from './memory/keys.js';
import {MOST_KEYS, countEntries} from './memory/layout.js';
import {OrderedGroup} from './orderedGroup.js';
import {createKeysBuffer, findOrCreateKeyLines} from './registry.js';
import {assertSupported} from './runtime/current.js';

const DEFAULT_MAX_KEYS = 65_536;

/** The locks through which the callers of one object enter the lines of this thread. */
class LocksInMemory<TKey extends SharedKey> implements KeyedLocks<TKey> {
  readonly settings: LockSettings;
  readonly #lines: KeyLines;

  constructor(lines: KeyLines, settings: LockSettings) {
    this.settings = settings;
    this.#lines = lines;
  }

  get size(): number {
    return this.#lines.countHeld();
  }

  find(key: TKey): LineLock {
    assertKey(key);
    const found = this.#lines.find(key);
    if (found.owner === this) return found.lock as LineLock;
    const others = found.others as WeakMap<object, LineLock> | undefined;
    return others?.get(this) ?? this.#make(found);
  }

  #make(found: ReturnType<KeyLines['find']>): LineLock {
    const lock = new LineLock(found.line, this.settings);
    if (found.owner !== undefined) (found.others ??= createWeakMap()).set(this, lock);
    else {
      found.owner = this;
      found.lock = lock;
    }
    return lock;
  }

  gather(locks: object, keys: TKey[], findEntrance: (key: TKey) => Entrance): OrderedGroup<TKey> {
    // First, because what is not a key may not be comparable either.
    for (let n = 0; n < keys.length; n++) assertKey(keys[n]);
    return new OrderedGroup(locks, keys.sort(compareKeys), findEntrance);
  }
}

function assertKey(key: unknown): void {
  if (typeof key === 'string' || typeof key === 'number' || typeof key === 'bigint') return;
  throw badTypeError(
    'a key to be a string, a number or a bigint',
    key,
    ' Other threads cannot know which object or symbol you mean.',
  );
}

class AtomicsLocks<TKey extends SharedKey>
  extends LineLocks<TKey>
  implements SharedLocksByKey<TKey>
{
  readonly buffer: SharedArrayBuffer;

  constructor(buffer: SharedArrayBuffer, settings: LockSettings) {
    super(new LocksInMemory(findOrCreateKeyLines(buffer), settings));
    this.buffer = buffer;
  }

  withLockSync<TArgs extends unknown[], TResult>(
    key: TKey,
    fn: (...args: TArgs) => TResult,
    ...args: TArgs
  ): TResult;
  withLockSync<TArgs extends unknown[], TResult>(
    key: TKey,
    options: BlockingOptions | undefined,
    fn: (...args: TArgs) => TResult,
    ...args: TArgs
  ): TResult;
  withLockSync(key: TKey, first: unknown, ...args: unknown[]): unknown {
    return callBlocking(LineLock.entranceOf(LineLocks.find(this, key)), first, args);
  }

  acquireSync(key: TKey, options?: BlockingOptions): LockGuard {
    return acquireBlocking(LineLock.entranceOf(LineLocks.find(this, key)), options);
  }

  override get [Symbol.toStringTag](): string {
    return 'SharedLocksByKey';
  }
}

/**
 * Creates locks by key that work across the worker threads of a process. With `options.buffer`, it
 * creates another object for existing locks.
 *
 * Give the `buffer` of the locks to the other threads, by `workerData`, by `postMessage` or with a
 * Piscina task, and create the locks from it there. All objects of one buffer have the same lock
 * for the same key.
 *
 * A key is a string, a number or a bigint. `1`, `'1'` and `1n` are three different keys.
 *
 * @throws `TypeError` if an option has the wrong type, or `options.buffer` is not the buffer of
 *   locks by key. `RangeError` if `timeoutMilliseconds` is negative or NaN, or if `maxKeys` is not
 *   a whole number from 1 to 131,072 or differs from that of the buffer.
 * @throws `LockError`: `ERR_LOCK_VERSION` if an incompatible version of this package made the
 *   buffer, `ERR_LOCK_FULL` if too many threads use the locks, `ERR_LOCK_UNSUPPORTED` if the
 *   platform lacks what the locks need.
 *
 * @example
 * // in one thread
 * const locks = createLocksByKey({timeoutMilliseconds: 30_000});
 * worker.postMessage({buffer: locks.buffer});
 * // in another
 * const locks = createLocksByKey({timeoutMilliseconds: 30_000, buffer: message.buffer});
 * await locks.withLock('users/1', async () => { await onlyOneAtATimeForThisUser(); });
 */
export function createLocksByKey<TKey extends SharedKey = SharedKey>(
  options: SharedLocksByKeyOptions<TKey> = {},
): SharedLocksByKey<TKey> {
  assertSupported();
  assertOptions(options, `createLocksByKey({${OPTIONS.join(', ')}})`, OPTIONS);
  const {timeoutMilliseconds, onAbandoned, maxKeys, name} = options;
  if (onAbandoned !== undefined) {
    assertType(onAbandoned, 'function', 'onAbandoned to be a function');
  }
  if (maxKeys !== undefined) assertMaxKeys(maxKeys);
  // Before this thread takes a slot of the memory.
  const settings = {
    ...createSettings(timeoutMilliseconds, name),
    onAbandoned: onAbandoned as OnAbandoned | undefined,
  };
  const buffer =
    'buffer' in options
      ? checkBuffer(options.buffer, true)
      : createKeysBuffer(maxKeys ?? DEFAULT_MAX_KEYS);
  const entries = countEntries(new Int32Array(buffer));
  if (maxKeys !== undefined && maxKeys !== entries) {
    throw badValueError(RangeError, `maxKeys to be ${entries}, as in the buffer`, maxKeys);
  }
  return new AtomicsLocks(buffer, settings);
}

const OPTIONS = ['timeoutMilliseconds', 'buffer', 'onAbandoned', 'maxKeys', 'name'];

function assertMaxKeys(maxKeys: number): void {
  const expected = `maxKeys to be a whole number from 1 to ${MOST_KEYS}`;
  assertType(maxKeys, 'number', expected);
  if (!(maxKeys >= 1 && maxKeys <= MOST_KEYS && maxKeys % 1 === 0)) {
    throw badValueError(RangeError, expected, maxKeys);
  }
}
