/** The contract: what every lock of this package promises, whatever it is made of. */

/**
 * A lock around asynchronous operations: one holder at a time, the others wait in line.
 *
 * Callers of one thread get the lock in the order in which they asked. It is not re-entrant: a
 * holder that asks again waits for itself.
 *
 * Methods that return a promise report every error by rejecting. A wait that ends early takes
 * nothing with it: the holder keeps the lock and the others their places.
 *
 * These are the methods that `Lock` had in 2.1.0: the type for code that makes locks of its own,
 * such as a mock or a decorator, and for code that takes such locks beside real ones.
 */
export interface BasicLock {
  /**
   * Acquires the lock, calls `fn(...args)`, and releases the lock once `fn` has returned or thrown
   * and the promise (or other thenable) that it returned, if any, has settled.
   *
   * `fn` is never called before `withLock` returns, and it runs in the async context
   * (`AsyncLocalStorage`) of this call.
   *
   * @returns what `fn` returned, after the lock was released.
   * @throws (rejects with) what `fn` threw, after the lock was released.
   * @throws (rejects with) `LockTimeoutError` when the lock was not free within the lock's
   *   `timeoutMilliseconds`, counted from this call. `fn` is then never called.
   * @throws (rejects with) `LockError`, `code: 'ERR_LOCK_POOLED'`, after {@link pool} was called.
   * @throws (rejects with) `LockError`, `code: 'ERR_LOCK_NOT_HELD'`, when somebody called
   *   {@link releaseLock} before `fn` was done, unless `fn` failed. If it was before `fn` began,
   *   `fn` is never called.
   * @throws (rejects with) `TypeError` when `fn` is not a function. Nothing is queued.
   *
   * @example
   * const total = await lock.withLock(async () => {
   *   const balance = await read();
   *   await write(balance + 1);
   *   return balance + 1;
   * });
   */
  withLock<TArgs extends unknown[], TResult>(
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult>;

  /**
   * Acquires the lock. Call {@link releaseLock} exactly once for each time that this resolved;
   * {@link withLock} does so by itself and is the better choice nearly always.
   *
   * @throws (rejects with) `LockTimeoutError` when the lock was not free within the lock's
   *   `timeoutMilliseconds`, counted from this call. There is then nothing to release.
   * @throws (rejects with) `LockError`, `code: 'ERR_LOCK_POOLED'`, after {@link pool} was called.
   */
  acquireLock(): Promise<void>;

  /**
   * The same, and resolves to `task`: whatever the code that will hold the lock needs, so that it
   * can be a function made once instead of a closure made for each call. A promise is no good task:
   * it would be awaited with the lock held.
   *
   * @example
   * const run = (task: Task) => task.run().finally(() => lock.releaseLock());
   * await lock.acquireLock(task).then(run);
   */
  acquireLock<T>(task: T): Promise<T>;

  /**
   * Releases the lock and hands it to the next in line.
   *
   * It releases whatever acquisition is current, so call it exactly once for each `acquireLock`,
   * and never inside `withLock`.
   *
   * @throws `LockError`, `code: 'ERR_LOCK_NOT_HELD'`, when nothing is held.
   * @throws `LockError`, `code: 'ERR_LOCK_POOLED'`, once {@link pool} has resolved.
   */
  releaseLock(): void;

  /**
   * Retires this lock object for good. Calls that come after this one fail; those that came before
   * are served first, then the promise resolves. Never necessary: a lock that is no longer used is
   * garbage collected like anything else.
   *
   * @throws (rejects with) `LockTimeoutError` when earlier callers were not done within the lock's
   *   `timeoutMilliseconds`. The object is then usable again.
   * @throws (rejects with) `LockError`, `code: 'ERR_LOCK_POOLED'`, when it was called before.
   */
  pool(): Promise<void>;
}

/**
 * What every lock of this package is: a {@link BasicLock} that also gives guards, takes options for
 * each call, and tells its state.
 */
export interface Lock extends BasicLock {
  withLock<TArgs extends unknown[], TResult>(
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult>;

  /**
   * The same, with options for this call alone.
   *
   * @throws (rejects with) what {@link acquire} rejects with for these options, and `fn` is then
   *   never called. A signal that aborts once `fn` has begun has no effect.
   *
   * @example
   * await lock.withLock({signal, timeoutMilliseconds: 500}, () => write());
   */
  withLock<TArgs extends unknown[], TResult>(
    options: AcquireOptions | undefined,
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult>;

  /**
   * Acquires the lock, and resolves to a guard that releases it. It queues in one line with
   * {@link withLock} and {@link acquireLock}.
   *
   * @throws (rejects with) `signal.reason` when `options.signal` aborts before this promise has
   *   settled, or had aborted before the call, even if the lock is free or retired; an `AbortError`
   *   where the signal has no reason. The caller has then left the line, and the others keep their
   *   places. Once you have the guard, the signal has no effect.
   * @throws (rejects with) `LockTimeoutError` when the lock was not free within
   *   `options.timeoutMilliseconds`, or else the lock's, counted from this call.
   * @throws (rejects with) `LockError`, `code: 'ERR_LOCK_POOLED'`, after {@link pool} was called.
   * @throws (rejects with) `TypeError` or `RangeError` when the options are not an object, have an
   *   unknown name, or one of them is not valid.
   *
   * @example
   * using _guard = await lock.acquire({signal: AbortSignal.timeout(500)});
   * await write(); // the lock is released at the end of the block
   */
  acquire(options?: AcquireOptions): Promise<LockGuard>;

  /**
   * Acquires the lock if that is possible at once: nobody holds it, and nobody in this thread waits
   * for it.
   *
   * @returns a guard that releases the lock, or `undefined`
   * @throws `LockError`, `code: 'ERR_LOCK_POOLED'`, after {@link pool} was called.
   *
   * @example
   * using guard = lock.tryAcquire();
   * if (guard) await write();
   */
  tryAcquire(): LockGuard | undefined;

  /**
   * Whether somebody holds the lock. Reading it changes nothing; whether it is still so a moment
   * later, only {@link tryAcquire} tells.
   */
  readonly isLocked: boolean;

  /** How many callers wait in line, in this thread. The holder is not one of them. */
  readonly pendingCount: number;
}

/** What may end the wait of one call. */
export interface AcquireOptions {
  /** Ends the wait when it aborts. */
  signal?: AbortSignalLike | undefined;

  /**
   * How long this call waits, in milliseconds, in place of the lock's own `timeoutMilliseconds`.
   * With `0` it acquires the lock only if that is free at once, with `Infinity` it waits as long as
   * it takes.
   */
  timeoutMilliseconds?: number | undefined;
}

export interface LockOptions {
  /** What errors, `util.inspect` and `@databases/lock/debug` call the lock. */
  name?: string | undefined;
}

/**
 * What a lock needs of an `AbortSignal`, whoever made it and declares its type. As with the
 * platform's own, `removeEventListener` must not throw, and nothing here may call the lock, but for
 * the listener.
 */
export interface AbortSignalLike {
  readonly aborted: boolean;
  /** Where there is none, an `AbortError` takes its place. */
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/**
 * `Symbol.dispose` where the language's types, as the reader of these declarations has them, know
 * it.
 */
type DisposeSymbol<Symbols = SymbolConstructor> = Symbols extends {readonly dispose: symbol}
  ? Symbols['dispose']
  : never;

/**
 * One acquisition of a lock, to be released once. It is a `Disposable`: declared by `using`
 * (TypeScript 5.2 and later), it is released at the end of its block.
 */
export interface LockGuard extends Readonly<Record<DisposeSymbol, () => void>> {
  /**
   * Releases the lock and hands it to the next in line. Every call but the first does nothing,
   * whoever holds the lock by then. It works on its own, as in `work().finally(guard.release)`.
   *
   * @throws `LockError`, `code: 'ERR_LOCK_NOT_HELD'`, at the first call, when somebody called
   *   `releaseLock` under the guard. Nobody else's lock is touched.
   */
  release(): void;
}

/**
 * A lock for each key. A key's lock exists only while somebody holds or awaits it. Everything said
 * of {@link Lock} holds for each of them, and errors of a timeout have the `key`.
 */
export interface LocksByKey<TKey = unknown> {
  /**
   * Acquires the lock of `key`, calls `fn(...args)`, and releases the lock. See
   * {@link Lock.withLock}.
   *
   * @example
   * await locks.withLock(user.id, async () => { await save(user); });
   */
  withLock<TArgs extends unknown[], TResult>(
    key: TKey,
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult>;

  /** The same, with options for this call alone. See {@link Lock.withLock}. */
  withLock<TArgs extends unknown[], TResult>(
    key: TKey,
    options: AcquireOptions | undefined,
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult>;

  /**
   * Acquires the locks of all `keys`, calls `fn(...args)`, and releases them. See
   * {@link Lock.withLock} for what it returns and throws, and {@link acquireAll} for the line.
   *
   * @example
   * await locks.withLocks([from.id, to.id], () => transfer(from, to, amount));
   */
  withLocks<TArgs extends unknown[], TResult>(
    keys: Iterable<TKey>,
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult>;

  /** The same, with options for this call alone. */
  withLocks<TArgs extends unknown[], TResult>(
    keys: Iterable<TKey>,
    options: AcquireOptions | undefined,
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult>;

  /** Acquires the lock of `key`. See {@link Lock.acquireLock}. */
  acquireLock(key: TKey): Promise<void>;

  /** The same, and resolves to `task`. See {@link Lock.acquireLock}. */
  acquireLock<T>(key: TKey, task: T): Promise<T>;

  /**
   * Releases the lock of `key`. See {@link Lock.releaseLock}.
   *
   * @throws `LockError`, `code: 'ERR_LOCK_NOT_HELD'`, when nobody holds it.
   */
  releaseLock(key: TKey): void;

  /**
   * Acquires the lock of `key`, and resolves to a guard that releases it. See {@link Lock.acquire}.
   */
  acquire(key: TKey, options?: AcquireOptions): Promise<LockGuard>;

  /**
   * Acquires the locks of all `keys`, and resolves to one guard that releases them. A key may be
   * named twice.
   *
   * The call gets in the lines of all its keys at once. In each it keeps its place among the
   * others, who come first come first served as always. So calls for several keys never wait for
   * each other in a circle, in whatever order they name the keys. A key whose turn it is stays
   * locked until the last one is.
   *
   * It gets all of the locks or none: if it fails, times out or is aborted, it holds no lock and is
   * in no line. It rejects with what {@link Lock.acquire} rejects with.
   *
   * @throws (rejects with) `TypeError` when `keys` is a string, or not iterable.
   *
   * @example
   * using _guard = await locks.acquireAll(['accounts/1', 'accounts/2'], {timeoutMilliseconds: 500});
   */
  acquireAll(keys: Iterable<TKey>, options?: AcquireOptions): Promise<LockGuard>;

  /** Acquires the lock of `key` if that is possible at once. See {@link Lock.tryAcquire}. */
  tryAcquire(key: TKey): LockGuard | undefined;

  /** Whether somebody holds the lock of `key`. */
  isLocked(key: TKey): boolean;

  /** How many callers wait for the lock of `key`. The holder is not one of them. */
  pendingCount(key: TKey): number;

  /** How many keys have a lock: those that somebody holds. */
  readonly size: number;
}

export interface LocksByKeyOptions<TKey = unknown> extends LockOptions {
  /**
   * How long a caller waits for a key's lock, in milliseconds. Without it, or with `Infinity`, as
   * long as it takes; with `0`, not at all.
   */
  timeoutMilliseconds?: number | undefined;

  /**
   * Where the locks in use are kept; a new `Map` unless given. Its `get` decides which keys are the
   * same. It must keep what was set until it is deleted: a store that forgets a lock in use lets a
   * second holder in. Its methods must not call these locks.
   */
  store?:
    | {
        get(key: TKey): Lock | undefined;
        set(key: TKey, lock: Lock): unknown;
        delete(key: TKey): unknown;
      }
    | undefined;
}

/**
 * A lock in memory that the threads of a process share. Everything said of {@link Lock} holds for
 * it, and:
 *
 * - Callers of one thread get it in the order in which they asked; the threads take turns, of one
 *   to three milliseconds while others wait.
 * - It is released through the object through which it was acquired; through any other,
 *   `releaseLock` throws `ERR_LOCK_NOT_HELD`. `pool()` waits for the callers of its own object, and
 *   retires nothing but that.
 * - When the thread that holds it ends, the next in line inherits it, and is told by
 *   {@link SharedLockOptions.onAbandoned}. A thread that lives keeps it, however busy it is.
 * - A caller that waits for another thread keeps its own thread alive.
 * - {@link Lock.isLocked} speaks for all threads, {@link Lock.pendingCount} for this one. A lock
 *   that is reserved for a thread that was woken to take it counts as locked. So does the lock of a
 *   thread that ended, until somebody who tries to get it finds that out: reading does not.
 * - The error of a timeout has an `ownerThreadId`.
 */
export interface SharedLock extends Lock {
  /** Give this to other threads, for their own `createLock(timeoutMilliseconds, {buffer})`. */
  readonly buffer: SharedArrayBuffer;

  /**
   * Acquires the lock, calls `fn(...args)`, and releases the lock before it returns. For
   * synchronous code in a worker: until the lock is free, it blocks its thread, timers and promises
   * included.
   *
   * It waits in one line with the callers of the other threads, asynchronous or not. In its own
   * thread it goes first: while the thread is blocked, nobody else there could go on.
   *
   * @returns what `fn` returned
   * @throws what `fn` threw, after the lock was released
   * @throws `LockError`, `code: 'ERR_LOCK_DEADLOCK'`, at once, when this thread holds the lock.
   *   Two threads that each hold one lock and block for the other's are not recognised: give such
   *   calls a timeout.
   * @throws `LockError`, `code: 'ERR_LOCK_MAIN_THREAD'`, at once, on the main thread, unless
   *   `allowMainThread` is `true`
   * @throws `LockTimeoutError` when the lock was not free within the timeout. `fn` is then never
   *   called.
   * @throws `LockError`, `code: 'ERR_LOCK_POOLED'`, after `pool` was called
   * @throws `TypeError` when `fn` is not a function, before it is called if it is an `async` one,
   *   and after the lock was released if it returned a promise: use `withLock`
   *
   * @example
   * lock.withLockSync(() => fs.appendFileSync(file, line));
   */
  withLockSync<TArgs extends unknown[], TResult>(
    fn: (...args: TArgs) => TResult,
    ...args: TArgs
  ): TResult;

  /** The same, with options for this call alone. */
  withLockSync<TArgs extends unknown[], TResult>(
    options: BlockingOptions | undefined,
    fn: (...args: TArgs) => TResult,
    ...args: TArgs
  ): TResult;

  /**
   * Acquires the lock as {@link withLockSync} does, and returns a guard that releases it. It throws
   * what that throws of itself.
   *
   * @example
   * using _guard = lock.acquireSync({timeoutMilliseconds: 500});
   */
  acquireSync(options?: BlockingOptions): LockGuard;
}

/** Options of a call that blocks its thread. */
export interface BlockingOptions {
  /** How long this call waits, in milliseconds, in place of the lock's own `timeoutMilliseconds`. */
  timeoutMilliseconds?: number | undefined;

  /** Whether the call may block the main thread, too, which stops the whole program meanwhile. */
  allowMainThread?: boolean | undefined;
}

export interface SharedLockOptions extends LockOptions {
  /**
   * The `buffer` of the lock to use. Without this key a new lock is made; with the key, but without
   * a lock's buffer, `createLock` throws.
   */
  buffer?: SharedArrayBuffer;

  /**
   * Called when a caller of this object gets the lock from a thread that ended while it held it,
   * with that thread's id, before the caller's code goes on. What the lock protects may be half
   * changed then. What it throws is reported as an uncaught error, and changes nothing. While it
   * runs nobody can release the lock; other callers may get in line.
   */
  onAbandoned?: ((info: {threadId: number}) => void) | undefined;
}

/** A key of locks that threads share: what means the same in each of them. */
export type SharedKey = string | number | bigint;

/**
 * A lock for each key, in a memory that the threads of a process share. Everything said of
 * {@link LocksByKey} holds for it, and what is said of {@link SharedLock} for each key's lock, and:
 *
 * - Different keys never wait for each other. Any number of keys may be used over time, as many as
 *   {@link SharedLocksByKeyOptions.maxKeys} at one time.
 * - A call for several keys gets in their lines one after the other, in an order that is the same
 *   for all such calls. So they never wait for each other in a circle, whatever thread they are of.
 * - {@link LocksByKey.isLocked} and {@link LocksByKey.size} speak for all threads,
 *   {@link LocksByKey.pendingCount} for this one.
 */
export interface SharedLocksByKey<TKey extends SharedKey = SharedKey> extends LocksByKey<TKey> {
  /** Give this to other threads, for their own `createLocksByKey({buffer})`. */
  readonly buffer: SharedArrayBuffer;

  /**
   * Acquires the lock of `key`, calls `fn(...args)`, and releases the lock before it returns. See
   * {@link SharedLock.withLockSync}.
   *
   * A thread that blocks for one key cannot go on with what it does under another. So two threads
   * block each other for good if each holds, in an asynchronous call, the key for which the other
   * blocks. Such calls need a timeout, or keys that no asynchronous caller holds.
   *
   * @example
   * locks.withLockSync(file, () => fs.appendFileSync(file, line));
   */
  withLockSync<TArgs extends unknown[], TResult>(
    key: TKey,
    fn: (...args: TArgs) => TResult,
    ...args: TArgs
  ): TResult;

  /** The same, with options for this call alone. */
  withLockSync<TArgs extends unknown[], TResult>(
    key: TKey,
    options: BlockingOptions | undefined,
    fn: (...args: TArgs) => TResult,
    ...args: TArgs
  ): TResult;

  /**
   * Acquires the lock of `key` as {@link withLockSync} does, and returns a guard that releases it.
   * See {@link SharedLock.acquireSync}.
   */
  acquireSync(key: TKey, options?: BlockingOptions): LockGuard;
}

export interface SharedLocksByKeyOptions<TKey extends SharedKey = SharedKey> extends LockOptions {
  /**
   * How long a caller waits for a key's lock, in milliseconds. Without it, or with `Infinity`, as
   * long as it takes; with `0`, not at all.
   */
  timeoutMilliseconds?: number | undefined;

  /**
   * The `buffer` of the locks to use. Without this key new locks are made; with the key, but without
   * a buffer of locks by key, `createLocksByKey` throws.
   */
  buffer?: SharedArrayBuffer;

  /**
   * Called when a caller of this object gets the lock of `key` from a thread that ended while it held
   * that. See {@link SharedLockOptions.onAbandoned}.
   */
  onAbandoned?: ((info: {threadId: number; key: TKey}) => void) | undefined;

  /**
   * How many keys may be held or awaited at one time, 65,536 unless given, at most 131,072. A call for
   * one more fails with `ERR_LOCK_FULL` at once. Each takes 96 bytes or a little more.
   *
   * If all are in use, the keys that ended threads held make room. Then nobody is told of those.
   */
  maxKeys?: number | undefined;
}
