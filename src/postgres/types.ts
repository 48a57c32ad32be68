/** The contract of the locks on PostgreSQL. */
import type {AbortSignalLike, AcquireOptions, LockGuard} from '../types.js';

/**
 * What the locks need of a client: a connection of its own to PostgreSQL. A `Client` of the package
 * `pg` is one. A `Pool` is not.
 */
export interface PostgresClient {
  connect(): PromiseLike<unknown>;

  /**
   * Values are always strings, and so are the columns of the rows. A statement with a `name` may be
   * prepared once and reused.
   */
  query(statement: {
    name?: string;
    text: string;
    values?: string[];
  }): PromiseLike<{rows: unknown[]}>;

  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  on(event: 'notification', listener: (message: {payload?: string | undefined}) => void): unknown;

  /** Ends the connection, without waiting for a query that has not been answered. */
  end(): PromiseLike<unknown>;

  /**
   * The number of the server's process, which the server tells when a client connects. A client
   * without it is refused, because a pooler could not be noticed.
   */
  readonly processID?: number | null | undefined;

  /**
   * Set whether the connection keeps the process alive. Without these two methods, an idle connection
   * is ended after a second.
   */
  ref?(): void;
  unref?(): void;
}

/** `AbortSignal` where the types of the platform, as the reader of these declarations has them, know it. */
type PlatformSignal<Global = typeof globalThis> = Global extends {
  AbortSignal: {prototype: infer TSignal};
}
  ? TSignal
  : AbortSignalLike;

/** What a holder is told about its own acquisition. */
export interface LockHold {
  /**
   * Aborts when the connection is lost while the lock is held. The reason is a `LockError`,
   * `code: 'ERR_LOCK_LOST'`, whose `cause` says what happened. Another process may have the lock by
   * then.
   */
  readonly signal: PlatformSignal;

  /**
   * The fencing token of this acquisition, with `tokens: true`. It is greater than the tokens of all
   * earlier acquisitions of the key, in whichever process. A resource that remembers the greatest
   * token it has seen, and refuses smaller ones, is safe from a holder that does not know yet that it
   * has lost the lock.
   */
  readonly token: bigint | undefined;
}

/**
 * What `withLock` calls: its arguments are those given to `withLock`, followed by the hold. A function
 * that would mistake the hold for options of its own does not compile.
 */
export type LockedFunction<TArgs extends unknown[], TResult> = (
  // `TArgs`, but TypeScript does not infer it from here. (From TypeScript 5.4 on, `NoInfer` says so.)
  ...args: [...[TArgs][TArgs extends unknown ? 0 : never], LockHold]
) => PromiseLike<TResult> | TResult;

/** One acquisition, to be released once. */
export interface PostgresLockGuard extends LockGuard, LockHold {
  /**
   * Releases the lock. The next caller in this process has it at once, and the server is told without
   * being waited for.
   *
   * @throws `LockError`, `code: 'ERR_LOCK_LOST'`, at the first call, when the lock was lost
   *   meanwhile; `code: 'ERR_LOCK_NOT_HELD'`, when `releaseLock` was called for this acquisition
   *   before
   */
  release(): void;
}

/**
 * A lock for each key, across all processes and machines that use the same namespace of the same
 * database.
 *
 * Callers in one process get the lock of a key in the order in which they asked, and processes take
 * turns. A lock is not re-entrant: a holder that asks again waits for itself. However many callers
 * and keys there are, a process has one connection.
 *
 * Methods that return a promise report every error by rejecting. Besides those listed with each
 * method, a call that needs the server rejects with:
 *
 * - `LockError`, `code: 'ERR_LOCK_UNAVAILABLE'`, with its `cause`, when the first connection cannot be
 *   made or used, or when a connection leads through a pooler. Once there has been a connection, calls
 *   wait for the next one until their timeout.
 * - `LockError`, `code: 'ERR_LOCK_FULL'`, when as many keys as `maxKeys` are in use; or, with its
 *   `cause`, when the lock table of the server is full.
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
   * @returns what `fn` returned. The next caller in this process has the lock by then; the server
   *   learns of the release a moment later.
   * @throws (rejects with) what `fn` threw
   * @throws (rejects with) `LockError`, `code: 'ERR_LOCK_LOST'`, when the lock was lost before `fn`
   *   was done, or before it began
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
   * resolved. There is no signal: only `onLost` and `releaseLock` tell of a loss. {@link withLock} and
   * {@link acquire} are nearly always the better choice.
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
   *   `code: 'ERR_LOCK_LOST'` when its holder had lost it meanwhile: it is released all the same;
   *   `code: 'ERR_LOCK_POOLED'` when {@link close} has resolved
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
   * Acquires the lock of `key` if it is free. It asks the server once, and does not wait for a
   * holder.
   *
   * @returns a guard that releases the lock, or `undefined`
   *
   * @example
   * using guard = await locks.tryAcquire('nightly report');
   * if (guard) await write(guard.signal);
   */
  tryAcquire(key: string): Promise<PostgresLockGuard | undefined>;

  /**
   * Whether anybody holds the lock of `key`, in whichever process. The answer may be out of date when
   * it arrives: to acquire the lock if it is free, call {@link tryAcquire}.
   */
  isLocked(key: string): Promise<boolean>;

  /**
   * How many callers in this process wait for the lock of `key`. One whose call is on its way to the
   * server counts; the holder does not.
   */
  pendingCount(key: string): number;

  /** The lock of one key: an object with the same methods, which need no key. */
  lock(key: string): PostgresLock;

  /**
   * Retires these locks, and ends the connection. Calls that come after this one fail. Those that came
   * before are served first, `isLocked` included. Then the promise resolves.
   *
   * A process ends without it, too: a connection that nobody needs does not keep it alive.
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
   * The same key in another namespace is another lock. The name of the application is a good choice.
   */
  namespace: string;

  /**
   * How long a caller waits for a lock, in milliseconds, connecting included. Without it, or with
   * `Infinity`, it waits as long as it takes, even for a server that is gone. With `0` it does not
   * wait for a holder.
   */
  timeoutMilliseconds?: number | undefined;

  /**
   * Called for each key whose lock is lost while it is held, with the reason of its signal. What it
   * throws is reported as an uncaught error, and changes nothing.
   */
  onLost?: ((loss: {key: string; error: Error}) => void) | undefined;

  /** What errors call these locks. */
  name?: string | undefined;

  /**
   * Whether each acquisition has a fencing token. Tokens come from the sequence
   * `databases_lock_tokens`, which is looked for along the `search_path`, and created in its first
   * schema unless it exists. All processes must find the same sequence: tokens of two sequences cannot
   * be compared.
   */
  tokens?: boolean | undefined;

  /**
   * How many keys may be held or awaited at one time in this process: 10,000 unless given. Each takes
   * up to two entries of the server's lock table, which all sessions share. It has
   * `max_locks_per_transaction` (64) times `max_connections` (100) entries, and some spare ones. When
   * the table is full, a statement fails, and this process loses all locks that it holds.
   */
  maxKeys?: number | undefined;
}
