import {assertOptions, assertType, badValueError} from '../errors.js';
import {takeOptions, type AnyFunction} from '../line/calls.js';
import {createSettings, limitsOf, type WaitLimits} from '../line/limits.js';
import {inspectName, rejecting, unlessAborted} from '../line/lineLock.js';
import {INSPECT, SELF, unproxied} from '../line/receiver.js';
import type {AcquireOptions} from '../types.js';
import {Entrances} from './entrances.js';
import {closedError} from './errors.js';
import type {
  LockedFunction,
  PostgresLock,
  PostgresLockGuard,
  PostgresLocks,
  PostgresLocksOptions,
} from './types.js';

const DEFAULT_MAX_KEYS = 10_000;

class LocksOnPostgres implements PostgresLocks {
  readonly [SELF]: LocksOnPostgres;
  readonly #entrances: Entrances;

  constructor(createEntrances: (locks: object) => Entrances) {
    this[SELF] = this;
    this.#entrances = createEntrances(this);
  }

  static #of(receiver: LocksOnPostgres): Entrances {
    return unproxied<LocksOnPostgres>(receiver).#entrances;
  }

  withLock<TArgs extends unknown[], TResult>(
    key: string,
    fn: LockedFunction<TArgs, TResult>,
    ...args: TArgs
  ): Promise<TResult>;
  withLock<TArgs extends unknown[], TResult>(
    key: string,
    options: AcquireOptions | undefined,
    fn: LockedFunction<TArgs, TResult>,
    ...args: TArgs
  ): Promise<TResult>;
  withLock(key: string, fn: unknown, ...args: unknown[]): Promise<unknown> {
    return rejecting(() => {
      const entrances = LocksOnPostgres.#of(this);
      let limits: WaitLimits = entrances.settings;
      if (typeof fn !== 'function') {
        const usage = 'withLock(key, {signal, timeoutMilliseconds}, fn)';
        ({fn, limits} = takeOptions(fn, args, limits, usage));
      }
      return entrances.enter(key, (entrance) => entrance.call(fn as AnyFunction, args, limits));
    });
  }

  acquireLock(key: string): Promise<void>;
  acquireLock<T>(key: string, task: T): Promise<T>;
  acquireLock(key: string, task?: unknown): Promise<unknown> {
    return rejecting(() =>
      LocksOnPostgres.#of(this).enter(key, (entrance) => entrance.acquireTask(task)),
    );
  }

  releaseLock(key: string): void {
    const entrances = LocksOnPostgres.#of(this);
    if (entrances.isClosed) throw closedError(entrances.naming());
    entrances.use(key, (entrance) => entrance.releaseCurrent());
  }

  acquire(key: string, options?: AcquireOptions): Promise<PostgresLockGuard> {
    return rejecting(() => {
      const entrances = LocksOnPostgres.#of(this);
      const usage = 'acquire(key, {signal, timeoutMilliseconds})';
      const limits = limitsOf(options, entrances.settings, usage);
      const acquiring = entrances.enter(key, (entrance) => entrance.acquireHold(limits));
      return limits.signal ? unlessAborted(acquiring, limits.signal) : acquiring;
    });
  }

  tryAcquire(key: string): Promise<PostgresLockGuard | undefined> {
    return rejecting(() => LocksOnPostgres.#of(this).enter(key, (entrance) => entrance.attempt()));
  }

  isLocked(key: string): Promise<boolean> {
    return rejecting(() => LocksOnPostgres.#of(this).isLocked(key));
  }

  pendingCount(key: string): number {
    return LocksOnPostgres.#of(this).pendingCount(key);
  }

  lock(key: string): PostgresLock {
    const locks = unproxied<LocksOnPostgres>(this);
    assertType(key, 'string', 'a key to be a string');
    return new LockOnPostgres(locks, key);
  }

  close(): Promise<void> {
    return rejecting(() => LocksOnPostgres.#of(this).close());
  }

  get [Symbol.toStringTag](): string {
    return 'PostgresLocks';
  }

  [INSPECT](): string {
    const {settings, size} = LocksOnPostgres.#of(this);
    return `PostgresLocks${inspectName(settings)} { ${size} held or awaited here }`;
  }
}

class LockOnPostgres implements PostgresLock {
  readonly [SELF]: LockOnPostgres;
  readonly #locks: LocksOnPostgres;
  readonly #key: string;

  constructor(locks: LocksOnPostgres, key: string) {
    this[SELF] = this;
    this.#locks = locks;
    this.#key = key;
  }

  withLock<TArgs extends unknown[], TResult>(
    fn: LockedFunction<TArgs, TResult>,
    ...args: TArgs
  ): Promise<TResult>;
  withLock<TArgs extends unknown[], TResult>(
    options: AcquireOptions | undefined,
    fn: LockedFunction<TArgs, TResult>,
    ...args: TArgs
  ): Promise<TResult>;
  withLock(fn: unknown, ...args: unknown[]): Promise<unknown> {
    return rejecting(() => {
      const {locks, key} = LockOnPostgres.#of(this);
      return locks.withLock(key, fn as AnyFunction, ...args);
    });
  }

  static #of(receiver: LockOnPostgres): {locks: LocksOnPostgres; key: string} {
    const self = unproxied<LockOnPostgres>(receiver);
    return {locks: self.#locks, key: self.#key};
  }

  acquireLock(): Promise<void>;
  acquireLock<T>(task: T): Promise<T>;
  acquireLock(task?: unknown): Promise<unknown> {
    return rejecting(() => {
      const {locks, key} = LockOnPostgres.#of(this);
      return locks.acquireLock(key, task);
    });
  }

  releaseLock(): void {
    const {locks, key} = LockOnPostgres.#of(this);
    locks.releaseLock(key);
  }

  acquire(options?: AcquireOptions): Promise<PostgresLockGuard> {
    return rejecting(() => {
      const {locks, key} = LockOnPostgres.#of(this);
      return locks.acquire(key, options);
    });
  }

  tryAcquire(): Promise<PostgresLockGuard | undefined> {
    return rejecting(() => {
      const {locks, key} = LockOnPostgres.#of(this);
      return locks.tryAcquire(key);
    });
  }

  isLocked(): Promise<boolean> {
    return rejecting(() => {
      const {locks, key} = LockOnPostgres.#of(this);
      return locks.isLocked(key);
    });
  }

  pendingCount(): number {
    const {locks, key} = LockOnPostgres.#of(this);
    return locks.pendingCount(key);
  }

  get [Symbol.toStringTag](): string {
    return 'PostgresLock';
  }

  [INSPECT](): string {
    return `PostgresLock { ${this.pendingCount()} waiting here }`;
  }
}

const OPTIONS = [
  'connect',
  'namespace',
  'timeoutMilliseconds',
  'onLost',
  'name',
  'tokens',
  'maxKeys',
];

/**
 * Creates locks by key that work across processes and machines, on PostgreSQL.
 *
 * Nothing is connected yet. The first call that needs the server calls `connect`, and all callers in
 * this process share that client. There is no table. The user needs the right to connect, and for
 * fencing tokens the right to create a sequence, or to use the one that exists.
 *
 * @throws `TypeError` when an option is missing or of the wrong type, `RangeError` when
 *   `timeoutMilliseconds` is negative or NaN, or `maxKeys` is not a whole number from 1 on
 *
 * @example
 * const locks = createPostgresLocks({
 *   connect: () => new pg.Client(process.env.DATABASE_URL),
 *   namespace: 'billing',
 *   timeoutMilliseconds: 30_000,
 *   onLost: ({key, error}) => console.error(`lost ${key}`, error),
 * });
 * await locks.withLock('invoices', async ({signal}) => { await send(signal); });
 */
export function createPostgresLocks(options: PostgresLocksOptions): PostgresLocks {
  assertOptions(options, `createPostgresLocks({${OPTIONS.join(', ')}})`, OPTIONS);
  const {connect, namespace, timeoutMilliseconds, onLost, name} = options;
  const {tokens = false, maxKeys = DEFAULT_MAX_KEYS} = options;
  assertType(connect, 'function', 'connect to be a function that returns a new client');
  assertType(namespace, 'string', 'namespace to be a string');
  if (namespace === '' || namespace.includes('\0')) {
    const came = namespace === '' ? 'an empty one' : 'one with a NUL';
    throw badValueError(
      TypeError,
      'namespace to be a string with something in it and no NUL',
      came,
    );
  }
  if (onLost !== undefined) assertType(onLost, 'function', 'onLost to be a function');
  assertType(tokens, 'boolean', 'tokens to be a boolean');
  assertType(maxKeys, 'number', 'maxKeys to be a whole number from 1 on');
  if (!(maxKeys >= 1 && maxKeys % 1 === 0)) {
    throw badValueError(RangeError, 'maxKeys to be a whole number from 1 on', maxKeys);
  }
  const settings = createSettings(timeoutMilliseconds, name);
  const all = {connect, hasTokens: tokens, settings, namespace, maxKeys, onLost};
  return new LocksOnPostgres((locks) => new Entrances(locks, all));
}
