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

/** The locks by which the callers of one object come into the lines of the thread. */
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
    // First: what is no key may not be comparable either.
    for (let n = 0; n < keys.length; n++) assertKey(keys[n]);
    return new OrderedGroup(locks, keys.sort(compareKeys), findEntrance);
  }
}

function assertKey(key: unknown): void {
  if (typeof key === 'string' || typeof key === 'number' || typeof key === 'bigint') return;
  throw badTypeError(
    'a key to be a string, a number or a bigint',
    key,
    ' Other threads cannot tell which object or symbol is meant.',
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
 * Creates locks by key that work across the worker threads of a process, or, with `options.buffer`,
 * another object for locks that exist.
 *
 * Hand the `buffer` of the locks to other threads, by `workerData`, `postMessage` or a Piscina task,
 * and create them from it there. All objects of one buffer have the same lock for the same key.
 *
 * A key is a string, a number or a bigint; `1`, `'1'` and `1n` are three keys.
 *
 * @throws `TypeError` when an option is of the wrong type or `options.buffer` is not of locks by
 *   key, `RangeError` when `timeoutMilliseconds` is negative or NaN, or `maxKeys` is not a whole
 *   number from 1 to 131,072, or not that of the buffer.
 * @throws `LockError`, `code: 'ERR_LOCK_VERSION'`, when an incompatible version of this package made
 *   the buffer; `code: 'ERR_LOCK_FULL'`, when too many threads use the locks; `code:
 *   'ERR_LOCK_UNSUPPORTED'`, when the platform lacks what they need.
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
  // Before a slot of the memory is taken.
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
    throw badValueError(RangeError, `maxKeys to be that of the buffer, ${entries}`, maxKeys);
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
