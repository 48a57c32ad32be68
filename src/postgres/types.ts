/** The contract of the locks on PostgreSQL. */
import type {AbortSignalLike, AcquireOptions, LockGuard} from '../types.js';

/**
 * What is needed of a client: a connection of its own to PostgreSQL. A `Client` of the package `pg`
 * is one, a `Pool` is none.
 */
export interface PostgresClient {
  connect(): PromiseLike<unknown>;

  /** Values are always strings, and so is what comes back. With a `name` it is prepared once. */
  query(statement: {
    name?: string;
    text: string;
    values?: string[];
  }): PromiseLike<{rows: unknown[]}>;

  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  on(event: 'notification', listener: (message: {payload?: string | undefined}) => void): unknown;

  /** Ends the connection, and does not wait for a query that is not answered. */
  end(): PromiseLike<unknown>;

  /**
   * The number of the server's process, as the server told it when the connection was made. Without
   * it, nobody knows whether a connection leads through a pooler, and so it is refused.
   */
  readonly processID?: number | null | undefined;

  /** Whether the connection keeps the process alive. Without these it is ended when it is idle. */
  ref?(): void;
  unref?(): void;
}

/** `AbortSignal` where the types of the platform, as the reader of these declarations has them, know it. */
type PlatformSignal<Global = typeof globalThis> = Global extends {
  AbortSignal: {prototype: infer TSignal};
}
  ? TSignal
  : AbortSignalLike;

/** What a holder can know of its own acquisition. */
export interface LockHold {
  /**
   * Aborts when the lock is lost while it is held, because the connection was: with a `LockError`,
   * `code: 'ERR_LOCK_LOST'`, whose `cause` says why. Somebody else may have the lock soon, or has it
   * already.
   */
  readonly signal: PlatformSignal;

  /**
   * The fencing token of this acquisition; only with `tokens: true`. Each acquisition of a key has a
   * greater one than those before it, whichever process they were of. A resource that remembers the
   * greatest that it has seen, and refuses smaller ones, is safe from holders that do not know yet
   * that they have lost the lock.
   */
  readonly token: bigint | undefined;
}

/** The same, but TypeScript does not infer it from where this stands. */
type Given<TArgs extends unknown[]> = [TArgs][TArgs extends unknown ? 0 : never];

/**
 * What `withLock` calls: with the arguments that it was given, and then with the hold. So a function
 * that would take the hold for an option of its own does not compile.
 */
export type LockedFunction<TArgs extends unknown[], TResult> = (
  ...args: [...Given<TArgs>, LockHold]
) => PromiseLike<TResult> | TResult;

/** One acquisition, to be released once. */
export interface PostgresLockGuard extends LockGuard, LockHold {
  /**
   * Releases the lock. The next in this process, or the server, learns of it at once; nothing waits
   * for the server.
   *
   * @throws `LockError`, `code: 'ERR_LOCK_LOST'`, at the first call, when the lock was lost
   *   meanwhile; `code: 'ERR_LOCK_NOT_HELD'`, when somebody called `releaseLock` under the guard
   */
  release(): void;
}

/**
 * A lock for each key, across all processes and machines that use the same namespace of the same
 * database.
 *
 * Callers of one process get the lock of a key in the order in which they asked, and processes take
 * turns. A lock is not re-entrant: a holder that asks again waits for itself. However many callers
 * and keys there are, a process has one connection.
 *
 * Methods that return a promise report every error by rejecting. Beside those that are listed with
 * each method, a call that needs the server rejects with:
 *
 * - `LockError`, `code: 'ERR_LOCK_UNAVAILABLE'`, with its `cause`, when no connection could be made
 *   although there had never been one, or when it leads to a standby or through a pooler. Once there
 *   has been a connection, calls wait for the next one until their timeout.
 * - `LockError`, `code: 'ERR_LOCK_FULL'`, when as many keys as `maxKeys` are in use.
 * - `LockError`, `code: 'ERR_LOCK_POOLED'`, after {@link PostgresLocks.close} was called.
 * - `TypeError` when the key is not a string.
 */
export interface PostgresLocks {
  /**
   * Acquires the lock of `key`, calls `fn(...args, {signal, token})`, and releases the lock once `fn`
   * has returned or thrown and the promise that it returned, if any, has settled.
   *
   * `fn` is never called before `withLock` returns, and it runs in the async context
   * (`AsyncLocalStorage`) of this call. Pass its `signal` on to whatever can be stopped: it aborts
   * when the lock is lost. Until `fn` has settled nobody else in this process gets the lock even
   * then.
   *
   * @returns what `fn` returned. The next in this process has the lock by then; the server learns of
   *   the release a moment later.
   * @throws (rejects with) what `fn` threw
   * @throws (rejects with) `LockError`, `code: 'ERR_LOCK_LOST'`, when `fn` is done but the lock was
   *   lost before that
   * @throws (rejects with) `LockTimeoutError` when the lock was not free within
   *   `timeoutMilliseconds`, counted from this call. `fn` is then never called. If there was no
   *   connection at that time, the error's `unavailable` says why.
   * @throws (rejects with) `LockError`, `code: 'ERR_LOCK_NOT_HELD'`, when somebody called
   *   {@link releaseLock} before `fn` was done, unless `fn` failed
   *
   * @example
   * await locks.withLock('invoices', async ({signal}) => {
   *   await fetch(url, {method: 'POST', body, signal});
   * });
   */
  withLock<TArgs extends unknown[], TResult>(
    key: string,
    fn: LockedFunction<TArgs, TResult>,
    ...args: TArgs
  ): Promise<TResult>;

  /**
   * The same, with options for this call alone. `options.signal` ends the wait, and has no effect
   * once `fn` has begun.
   *
   * @example
   * await locks.withLock('invoices', {timeoutMilliseconds: 500}, () => send());
   */
  withLock<TArgs extends unknown[], TResult>(
    key: string,
    options: AcquireOptions | undefined,
    fn: LockedFunction<TArgs, TResult>,
    ...args: TArgs
  ): Promise<TResult>;

  /**
   * Acquires the lock of `key`. Call {@link releaseLock} exactly once for each time that this
   * resolved. Of a loss, only `onLost` and `releaseLock` tell: {@link withLock} and {@link acquire}
   * are the better choice nearly always.
   *
   * @throws (rejects with) `LockTimeoutError` as {@link withLock} does
   */
  acquireLock(key: string): Promise<void>;

  /** The same, and resolves to `task`. */
  acquireLock<T>(key: string, task: T): Promise<T>;

  /**
   * Releases the lock of `key`, whoever in this process acquired it.
   *
   * @throws `LockError`, `code: 'ERR_LOCK_NOT_HELD'`, when nobody in this process holds it;
   *   `code: 'ERR_LOCK_LOST'` when it was held, but had been lost meanwhile. It is released then.
   */
  releaseLock(key: string): void;

  /**
   * Acquires the lock of `key`, and resolves to a guard that releases it.
   *
   * @throws (rejects with) `signal.reason` when `options.signal` aborts before this promise has
   *   settled
   * @throws (rejects with) `LockTimeoutError` as {@link withLock} does
   *
   * @example
   * using guard = await locks.acquire('invoices', {timeoutMilliseconds: 500});
   * await fetch(url, {method: 'POST', body, signal: guard.signal});
   */
  acquire(key: string, options?: AcquireOptions): Promise<PostgresLockGuard>;

  /**
   * Acquires the lock of `key` if it is free. It asks the server once, and never waits in line.
   *
   * @returns a guard that releases the lock, or `undefined`
   *
   * @example
   * using guard = await locks.tryAcquire('nightly report');
   * if (guard) await write(guard.signal);
   */
  tryAcquire(key: string): Promise<PostgresLockGuard | undefined>;

  /**
   * Whether anybody holds the lock of `key`, in whichever process. It was so when the server
   * answered; only {@link tryAcquire} tells whether it is still so.
   */
  isLocked(key: string): Promise<boolean>;

  /**
   * How many callers of this process wait for the lock of `key`. One that is asking the server waits,
   * too; the holder does not.
   */
  pendingCount(key: string): number;

  /** The lock of one key: an object with the same methods, which need no key. */
  lock(key: string): PostgresLock;

  /**
   * Retires these locks, and ends the connection. Calls that come after this one fail; those that
   * came before are served first, then the promise resolves.
   *
   * Not necessary for a process to end: a connection that nobody needs does not keep it alive.
   *
   * @throws (rejects with) `LockTimeoutError` when earlier callers were not done within
   *   `timeoutMilliseconds`. The locks are then usable again.
   * @throws (rejects with) `LockError`, `code: 'ERR_LOCK_POOLED'`, when it was called before
   */
  close(): Promise<void>;
}

/** The lock of one key. Everything said of {@link PostgresLocks} holds for it. */
export interface PostgresLock {
  /** See {@link PostgresLocks.withLock}. */
  withLock<TArgs extends unknown[], TResult>(
    fn: LockedFunction<TArgs, TResult>,
    ...args: TArgs
  ): Promise<TResult>;

  /** The same, with options for this call alone. */
  withLock<TArgs extends unknown[], TResult>(
    options: AcquireOptions | undefined,
    fn: LockedFunction<TArgs, TResult>,
    ...args: TArgs
  ): Promise<TResult>;

  /** See {@link PostgresLocks.acquireLock}. */
  acquireLock(): Promise<void>;

  /** The same, and resolves to `task`. */
  acquireLock<T>(task: T): Promise<T>;

  /** See {@link PostgresLocks.releaseLock}. */
  releaseLock(): void;

  /** See {@link PostgresLocks.acquire}. */
  acquire(options?: AcquireOptions): Promise<PostgresLockGuard>;

  /** See {@link PostgresLocks.tryAcquire}. */
  tryAcquire(): Promise<PostgresLockGuard | undefined>;

  /** See {@link PostgresLocks.isLocked}. */
  isLocked(): Promise<boolean>;

  /** See {@link PostgresLocks.pendingCount}. */
  pendingCount(): number;
}

export interface PostgresLocksOptions {
  /**
   * Returns a client that has not been connected yet, a new one each time. It is called when the
   * first caller needs the server, and after a connection was lost.
   *
   * @example
   * connect: () => new pg.Client(process.env.DATABASE_URL)
   */
  connect: () => PostgresClient | PromiseLike<PostgresClient>;

  /**
   * Which locks are meant: the same key in another namespace is another lock. The name of the
   * application, say.
   */
  namespace: string;

  /**
   * How long a caller waits for a lock, in milliseconds, connecting included. Without it, or with
   * `Infinity`, as long as it takes, also for a server that is gone; with `0`, not at all.
   */
  timeoutMilliseconds?: number | undefined;

  /**
   * Called for each key whose lock was held and is lost, with the error by which its signal aborts.
   * What it throws is reported as an uncaught error, and changes nothing.
   */
  onLost?: ((loss: {key: string; error: Error}) => void) | undefined;

  /** What errors call these locks. */
  name?: string | undefined;

  /**
   * Whether each acquisition has a fencing token. They come from the sequence
   * `databases_lock_tokens`, which is created in the first schema of the `search_path` unless it
   * exists.
   */
  tokens?: boolean | undefined;

  /**
   * How many keys may be held or awaited at one time in this process, 10,000 unless given. Each takes
   * up to two entries of the server's lock table, which has `max_locks_per_transaction` (64) times
   * `max_connections` (100) entries or a few more, for all sessions together.
   */
  maxKeys?: number | undefined;
}
