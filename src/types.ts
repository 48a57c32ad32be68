/** The contract: what every lock of this package promises, whatever it is made of. */

/**
 * A lock around asynchronous operations. One caller holds it at a time, and the others wait in
 * line.
 *
 * Callers of one thread get the lock in the order in which they asked for it. The lock is not
 * re-entrant: a holder that asks for the lock again waits for itself.
 *
 * Methods that return a promise never throw: they reject with the errors listed below. A wait that
 * ends early changes nothing for anybody else: the holder keeps the lock, and the other callers
 * keep their places in line.
 *
 * These are the methods that `Lock` had in version 2.1.0. Use this type for a lock of your own,
 * such as a mock or a decorator, and for code that accepts such locks as well as real ones.
 */
export interface BasicLock {
  /**
   * Acquires the lock, calls `fn(...args)`, waits for the promise that `fn` returns (if it returns
   * one), and releases the lock.
   *
   * `withLock` always returns before `fn` is called, even if the lock is free. `fn` runs in the
   * async context (`AsyncLocalStorage`) of the `withLock` call.
   *
   * @returns what `fn` returned, once the lock has been released.
   * @throws what `fn` threw, once the lock has been released.
   * @throws `LockTimeoutError` (`ERR_LOCK_TIMEOUT`) if the lock was not free within the lock's
   *   `timeoutMilliseconds`, counted from this call. `fn` is then never called.
   * @throws `LockError` (`ERR_LOCK_POOLED`) if {@link pool} was called before.
   * @throws `LockError` (`ERR_LOCK_NOT_HELD`) if somebody called {@link releaseLock} before `fn`
   *   had finished, unless `fn` failed with an error of its own. If it happened before `fn` began,
   *   `fn` is never called.
   * @throws `TypeError` if `fn` is not a function. Nobody gets in line then.
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
   * Acquires the lock. Call {@link releaseLock} exactly once each time this promise resolves.
   * {@link withLock} does that for you, and is nearly always the better choice.
   *
   * @throws `LockTimeoutError` (`ERR_LOCK_TIMEOUT`) if the lock was not free within the lock's
   *   `timeoutMilliseconds`, counted from this call. There is then nothing to release.
   * @throws `LockError` (`ERR_LOCK_POOLED`) if {@link pool} was called before.
   */
  acquireLock(): Promise<void>;

  /**
   * Acquires the lock, and resolves to `task`. Pass what the code needs that runs under the lock:
   * that code can then be one function, made once, instead of a closure for each call.
   *
   * Do not pass a promise: it would be awaited while the lock is held.
   *
   * @example
   * const run = (task: Task) => task.run().finally(() => lock.releaseLock());
   * await lock.acquireLock(task).then(run);
   */
  acquireLock<T>(task: T): Promise<T>;

  /**
   * Releases the lock and hands it to the next caller in line.
   *
   * It releases the lock whoever holds it at that moment. So call it exactly once for each
   * `acquireLock` that resolved, and never inside `withLock`.
   *
   * @throws `LockError` (`ERR_LOCK_NOT_HELD`) if nobody holds the lock.
   * @throws `LockError` (`ERR_LOCK_POOLED`) if {@link pool} has resolved.
   */
  releaseLock(): void;

  /**
   * Retires this lock object for good. Earlier callers are served first, and then the promise
   * resolves. Every later call fails.
   *
   * You never have to call it: a lock that nobody uses any more is garbage collected like any other
   * object.
   *
   * @throws `LockTimeoutError` (`ERR_LOCK_TIMEOUT`) if the earlier callers had not finished within
   *   the lock's `timeoutMilliseconds`. The object can then be used again.
   * @throws `LockError` (`ERR_LOCK_POOLED`) if `pool` was called before.
   */
  pool(): Promise<void>;
}

/**
 * The interface of every lock in this package: a {@link BasicLock} that can also return guards,
 * that takes options for a single call, and that tells its state.
 */
export interface Lock extends BasicLock {
  withLock<TArgs extends unknown[], TResult>(
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult>;

  /**
   * Does the same, with a signal or a timeout for this call only.
   *
   * @throws what {@link acquire} rejects with for these options. `fn` is then never called. A
   *   signal that aborts after `fn` has begun has no effect.
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
   * Acquires the lock, and resolves to a guard that releases it. {@link withLock},
   * {@link acquireLock} and `acquire` share one line.
   *
   * @throws `signal.reason` if `options.signal` aborts before this promise has settled, or had
   *   already aborted, even if the lock is free or retired. A signal without a reason makes it an
   *   `AbortError`. The caller has then left the line. Once you have the guard, the signal has no
   *   effect.
   * @throws `LockTimeoutError` (`ERR_LOCK_TIMEOUT`) if the lock was not free within
   *   `options.timeoutMilliseconds` (or, without that, the lock's own), counted from this call.
   * @throws `LockError` (`ERR_LOCK_POOLED`) if {@link pool} was called before.
   * @throws `TypeError` or `RangeError` if the options are not an object, have an unknown name, or
   *   have a value that is not valid.
   *
   * @example
   * using _guard = await lock.acquire({signal: AbortSignal.timeout(500)});
   * await write(); // the lock is released at the end of the block
   */
  acquire(options?: AcquireOptions): Promise<LockGuard>;

  /**
   * Acquires the lock if that is possible at once: if nobody holds it, and nobody in this thread is
   * waiting for it.
   *
   * @returns a guard that releases the lock, or `undefined`.
   * @throws `LockError` (`ERR_LOCK_POOLED`) if {@link pool} was called before.
   *
   * @example
   * using guard = lock.tryAcquire();
   * if (guard) await write();
   */
  tryAcquire(): LockGuard | undefined;

  /**
   * Whether somebody holds the lock. Reading it changes nothing. By the time you act on it, it may
   * no longer be true: to acquire the lock only if it is free, use {@link tryAcquire}.
   */
  readonly isLocked: boolean;

  /** How many callers in this thread wait in line. The holder is not one of them. */
  readonly pendingCount: number;
}

/** Options for a single call that acquires a lock: what may end its wait. */
export interface AcquireOptions {
  /** Ends the wait when it aborts. */
  signal?: AbortSignalLike | undefined;

  /**
   * How long this call waits for the lock, in milliseconds. It replaces the lock's own
   * `timeoutMilliseconds`. With `0`, the call gets the lock only if the lock is free at once. With
   * `Infinity`, the call waits as long as it takes.
   *
   * @defaultValue the lock's own `timeoutMilliseconds`
   */
  timeoutMilliseconds?: number | undefined;
}

/** Options of {@link createLock}. */
export interface LockOptions {
  /** A name for the lock in errors, in `console.log(lock)` and in `@databases/lock/debug`. */
  name?: string | undefined;
}

/**
 * The part of an `AbortSignal` that a lock uses, so that signals of any origin will do. Its
 * `removeEventListener` must not throw. No member may call the lock, except through the listener.
 */
export interface AbortSignalLike {
  /** Whether the signal has aborted. */
  readonly aborted: boolean;
  /** What aborted calls reject with. Without a reason, they reject with an `AbortError`. */
  readonly reason?: unknown;
  /** Adds a listener that the signal calls when it aborts. */
  addEventListener(type: 'abort', listener: () => void): void;
  /** Removes such a listener. */
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** The type of `Symbol.dispose`, or `never` if the TypeScript that reads this does not know it. */
type DisposeSymbol<Symbols = SymbolConstructor> = Symbols extends {readonly dispose: symbol}
  ? Symbols['dispose']
  : never;

/**
 * Stands for one acquisition of a lock, and releases it once. A guard is a `Disposable`: declare it
 * with `using` (TypeScript 5.2 or later), and it is released at the end of the block.
 */
export interface LockGuard extends Readonly<Record<DisposeSymbol, () => void>> {
  /**
   * Releases the lock and hands it to the next caller in line. Only the first call has an effect: a
   * second call never releases the lock of the next holder.
   *
   * You can pass the method on by itself: `work().finally(guard.release)`.
   *
   * @throws `LockError` (`ERR_LOCK_NOT_HELD`), at the first call only, if somebody has already
   *   released the guard's lock by `releaseLock`. Nobody else's lock is touched then.
   */
  release(): void;
}

/**
 * A lock for each key. The lock of a key exists only while somebody holds it or waits for it.
 *
 * Each key's lock keeps the promises of {@link Lock}. The error of a timeout has the `key`.
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

  /** Does the same, with a signal or a timeout for this call only. See {@link Lock.withLock}. */
  withLock<TArgs extends unknown[], TResult>(
    key: TKey,
    options: AcquireOptions | undefined,
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult>;

  /**
   * Acquires the locks of all `keys`, calls `fn(...args)`, and releases the locks. See
   * {@link Lock.withLock} for what it returns and throws, and {@link acquireAll} for how it waits.
   *
   * @example
   * await locks.withLocks([from.id, to.id], () => transfer(from, to, amount));
   */
  withLocks<TArgs extends unknown[], TResult>(
    keys: Iterable<TKey>,
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult>;

  /** Does the same, with a signal or a timeout for this call only. */
  withLocks<TArgs extends unknown[], TResult>(
    keys: Iterable<TKey>,
    options: AcquireOptions | undefined,
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult>;

  /** Acquires the lock of `key`. See {@link Lock.acquireLock}. */
  acquireLock(key: TKey): Promise<void>;

  /** Acquires the lock of `key`, and resolves to `task`. See {@link Lock.acquireLock}. */
  acquireLock<T>(key: TKey, task: T): Promise<T>;

  /**
   * Releases the lock of `key`. See {@link Lock.releaseLock}.
   *
   * @throws `LockError` (`ERR_LOCK_NOT_HELD`) if nobody holds the lock of `key`.
   */
  releaseLock(key: TKey): void;

  /**
   * Acquires the lock of `key`, and resolves to a guard that releases it. See {@link Lock.acquire}.
   */
  acquire(key: TKey, options?: AcquireOptions): Promise<LockGuard>;

  /**
   * Acquires the locks of all `keys`, and resolves to one guard that releases them all. You may
   * name a key twice.
   *
   * The call joins the lines of all its keys at once, and keeps its place in each of them. So calls
   * for several keys never wait for each other in a circle, in whatever order they name the keys.
   * As soon as it is the call's turn for a key, that key stays locked until the call has all of
   * them.
   *
   * The call gets all of the locks or none: if it fails, times out or is aborted, it holds no lock
   * and has left every line. It rejects with the errors of {@link Lock.acquire}.
   *
   * @throws `TypeError` if `keys` is a string or is not iterable.
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

  /** How many keys are locked. */
  readonly size: number;
}

/** Options of {@link createLocksByKey}. */
export interface LocksByKeyOptions<TKey = unknown> extends LockOptions {
  /**
   * How long a caller waits for the lock of a key, in milliseconds. Without it, or with `Infinity`,
   * a caller waits as long as it takes. With `0`, a caller does not wait at all.
   *
   * @defaultValue `Infinity`
   */
  timeoutMilliseconds?: number | undefined;

  /**
   * Where to keep the locks that are in use. Its `get` decides which keys are the same. The store
   * must keep each lock until that lock is deleted: if it forgets one that is in use, a second
   * holder gets in. Its methods must not call these locks.
   *
   * @defaultValue a new `Map`
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
 * A lock in memory that the threads of a process share. It keeps the promises of {@link Lock}.
 * Beyond that:
 *
 * - Within a thread, callers get the lock in the order in which they asked for it. The threads take
 *   turns: while others wait, a thread keeps the lock for one to three milliseconds.
 * - A lock is released through the object through which it was acquired. Through any other object,
 *   `releaseLock` throws `ERR_LOCK_NOT_HELD`. `pool()` waits for the callers of its own object, and
 *   retires only that object.
 * - If the thread that holds the lock ends, the next caller in line inherits the lock, and
 *   {@link SharedLockOptions.onAbandoned} is called. A thread that lives keeps the lock, however
 *   busy it is.
 * - A caller that waits for another thread keeps its own thread alive.
 * - {@link Lock.isLocked} is about all threads, {@link Lock.pendingCount} about this thread only.
 *   The lock counts as locked while it is reserved for a thread that was just woken to take it. It
 *   also counts as locked after its holder's thread has ended, until somebody tries to acquire it.
 * - The error of a timeout has an `ownerThreadId`.
 */
export interface SharedLock extends Lock {
  /** Give this to other threads, which pass it to their own `createLock(timeout, {buffer})`. */
  readonly buffer: SharedArrayBuffer;

  /**
   * Acquires the lock, calls `fn(...args)`, and releases the lock before it returns. Use it for
   * synchronous code in a worker. Until the lock is free, it blocks its thread, including all
   * timers and promises of that thread.
   *
   * The call shares a line with the callers of the other threads, both blocking and asynchronous
   * ones. It goes ahead of the callers of its own thread, because none of them could run while the
   * thread is blocked.
   *
   * @returns what `fn` returned.
   * @throws what `fn` threw, once the lock has been released.
   * @throws `LockError` (`ERR_LOCK_DEADLOCK`), at once, if this thread already holds the lock. A
   *   deadlock of two threads that each hold one lock and block for the other's is not recognised:
   *   give such calls a timeout.
   * @throws `LockError` (`ERR_LOCK_MAIN_THREAD`), at once, on the main thread, unless
   *   `allowMainThread` is `true`.
   * @throws `LockTimeoutError` (`ERR_LOCK_TIMEOUT`) if the lock was not free within the timeout.
   *   `fn` is then never called.
   * @throws `LockError` (`ERR_LOCK_POOLED`) if `pool` was called before.
   * @throws `TypeError` if `fn` is not a function, is an `async` function, or returns a promise. An
   *   `async` function is not called at all. Use `withLock` for these.
   *
   * @example
   * lock.withLockSync(() => fs.appendFileSync(file, line));
   */
  withLockSync<TArgs extends unknown[], TResult>(
    fn: (...args: TArgs) => TResult,
    ...args: TArgs
  ): TResult;

  /** Does the same, with options for this call only. */
  withLockSync<TArgs extends unknown[], TResult>(
    options: BlockingOptions | undefined,
    fn: (...args: TArgs) => TResult,
    ...args: TArgs
  ): TResult;

  /**
   * Acquires the lock as {@link withLockSync} does, with the same errors, and returns a guard that
   * releases it.
   *
   * @example
   * using _guard = lock.acquireSync({timeoutMilliseconds: 500});
   */
  acquireSync(options?: BlockingOptions): LockGuard;
}

/** Options for a single call that blocks its thread. */
export interface BlockingOptions {
  /**
   * How long this call waits for the lock, in milliseconds. It replaces the lock's own
   * `timeoutMilliseconds`.
   *
   * @defaultValue the lock's own `timeoutMilliseconds`
   */
  timeoutMilliseconds?: number | undefined;

  /**
   * Whether the call may block the main thread, which stops the whole program while it waits.
   *
   * @defaultValue `false`
   */
  allowMainThread?: boolean | undefined;
}

/** Options of `createLock` in `@databases/lock/shared`. */
export interface SharedLockOptions extends LockOptions {
  /**
   * The `buffer` of an existing lock, to use that lock. Without this option, a new lock is made.
   * `createLock` throws if the option is there but is not the buffer of a lock, even if it is
   * `undefined`.
   */
  buffer?: SharedArrayBuffer;

  /**
   * Called with a thread's id if that thread ended while it held the lock, and a caller of this
   * object is the next to get it. What the lock protects may be half changed.
   *
   * It runs before the caller's own code goes on. While it runs, nobody can release the lock, but
   * others may get in line. An error that it throws is reported as an uncaught error, and the
   * caller keeps the lock.
   */
  onAbandoned?: ((info: {threadId: number}) => void) | undefined;
}

/** A key of locks that threads share. Values of these types mean the same in every thread. */
export type SharedKey = string | number | bigint;

/**
 * A lock for each key, in memory that the threads of a process share. It keeps the promises of
 * {@link LocksByKey}, and each key's lock keeps those of {@link SharedLock}. Beyond that:
 *
 * - Different keys never wait for each other. You can use any number of keys over time, and
 *   {@link SharedLocksByKeyOptions.maxKeys} of them at a time.
 * - A call for several keys acquires them one after the other, and all such calls do so in the same
 *   order. So these calls never wait for each other in a circle, not even across threads.
 * - {@link LocksByKey.isLocked} and {@link LocksByKey.size} are about all threads,
 *   {@link LocksByKey.pendingCount} about this thread only.
 */
export interface SharedLocksByKey<TKey extends SharedKey = SharedKey> extends LocksByKey<TKey> {
  /** Give this to other threads, which pass it to their own `createLocksByKey({buffer})`. */
  readonly buffer: SharedArrayBuffer;

  /**
   * Acquires the lock of `key`, calls `fn(...args)`, and releases the lock before it returns. See
   * {@link SharedLock.withLockSync}.
   *
   * A thread that blocks for one key cannot finish what it does under another key. So two threads
   * block each other for good if each holds, in an asynchronous call, the key for which the other
   * blocks. Give such calls a timeout, or block only for keys that no asynchronous caller holds.
   *
   * @example
   * locks.withLockSync(file, () => fs.appendFileSync(file, line));
   */
  withLockSync<TArgs extends unknown[], TResult>(
    key: TKey,
    fn: (...args: TArgs) => TResult,
    ...args: TArgs
  ): TResult;

  /** Does the same, with options for this call only. */
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

/** Options of `createLocksByKey` in `@databases/lock/shared`. */
export interface SharedLocksByKeyOptions<TKey extends SharedKey = SharedKey> extends LockOptions {
  /**
   * How long a caller waits for the lock of a key, in milliseconds. Without it, or with `Infinity`,
   * a caller waits as long as it takes. With `0`, a caller does not wait at all.
   *
   * @defaultValue `Infinity`
   */
  timeoutMilliseconds?: number | undefined;

  /**
   * The `buffer` of existing locks, to use those locks. Without this option, new locks are made.
   * `createLocksByKey` throws if the option is there but is not the buffer of locks by key, even if
   * it is `undefined`.
   */
  buffer?: SharedArrayBuffer;

  /**
   * Called with a thread's id and a key if that thread ended while it held the lock of `key`, and a
   * caller of this object is the next to get it. See {@link SharedLockOptions.onAbandoned}.
   */
  onAbandoned?: ((info: {threadId: number; key: TKey}) => void) | undefined;

  /**
   * How many keys may be held or awaited at a time, at most 131,072. A call for one more fails with
   * `ERR_LOCK_FULL` at once. Each key takes 96 bytes or a little more.
   *
   * When no room is left, new keys take the room of keys that ended threads held. Nobody is then
   * told that those were abandoned.
   *
   * @defaultValue `65_536`
   */
  maxKeys?: number | undefined;
}
