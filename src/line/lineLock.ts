import {LockTimeoutError, assertType, notHeldError, pooledError} from '../errors.js';
import type {AbortSignalLike, AcquireOptions, Lock, LockGuard} from '../types.js';
import {Aborts, signalOf} from './aborts.js';
import {Deadlines} from './deadlines.js';
import type {Line} from './line.js';
import {Waiter} from './waiter.js';

const READY = Promise.resolve();

/** Only an object can be a thenable; whether it is one, `await` and `Promise.resolve` find out. */
const mayBeThenable = (value: unknown): value is PromiseLike<unknown> =>
  (typeof value === 'object' && value !== null) || typeof value === 'function';

/** A call of `withLock`. */
type Call = Waiter & {readonly fn: NonNullable<Waiter['fn']>};

/** The methods of a lock over a line: what is the same for every lock of this package. */
export class LineLock implements Lock {
  readonly #line: Line;
  readonly #deadlines: Deadlines | undefined;

  /** How many came through this object and hold the lock or wait for it. */
  #callers = 0;

  /** The call of `pool()`. While there is one, nobody else comes in; without callers left, it is for good. */
  #closer: Waiter | undefined;

  constructor(line: Line, deadlines: Deadlines | undefined) {
    this.#line = line;
    this.#deadlines = deadlines;
  }

  withLock<TArgs extends unknown[], TResult>(
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult> {
    try {
      assertType(fn, 'function', 'a function to call');
      const call = new Waiter(this, undefined, fn, args) as Call;
      const admission = this.#enter(call);
      // Both ways keep the caller's async context: `await` by itself, `then` because it is called here.
      return (
        admission === undefined ? LineLock.#runNext(call) : admission.then(LineLock.#run)
      ) as Promise<TResult>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  acquireLock(): Promise<void>;
  acquireLock<T>(task: T): Promise<T>;
  acquireLock(task?: unknown): Promise<unknown> {
    try {
      return this.#enter(new Waiter(this, task)) ?? Promise.resolve(task);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  releaseLock(): void {
    const {holder} = this.#line;
    if (holder?.lock === this) LineLock.#leave(holder);
    else throw this.#closer === undefined || this.#callers > 0 ? notHeldError() : pooledError();
  }

  acquire(options?: AcquireOptions): Promise<LockGuard> {
    try {
      const signal = signalOf(options);
      const holder = new Waiter(this);
      const guard = new Guard(holder);
      holder.task = guard;
      return (
        (this.#enter(holder, signal) as Promise<LockGuard> | undefined) ?? Promise.resolve(guard)
      );
    } catch (error) {
      return Promise.reject(error);
    }
  }

  tryAcquire(): LockGuard | undefined {
    const holder = new Waiter(this);
    return this.#tryEnter(holder) ? new Guard(holder) : undefined;
  }

  get isLocked(): boolean {
    return this.#line.isTaken();
  }

  get pendingCount(): number {
    return this.#line.pendingCount;
  }

  async pool(): Promise<void> {
    this.#assertOpen();
    const closer = new Waiter(this);
    const closing = this.#callers > 0 ? this.#wait(closer) : undefined;
    this.#closer = closer;
    await closing;
  }

  #assertOpen(): void {
    if (this.#closer !== undefined) throw pooledError();
  }

  /** @returns a promise if `waiter` has to wait; `undefined` if it holds the lock now */
  #enter(waiter: Waiter, signal?: AbortSignalLike): Promise<unknown> | undefined {
    if (this.#tryEnter(waiter)) return undefined;
    const admission = this.#wait(waiter, signal);
    this.#callers++;
    this.#line.join(waiter);
    return admission;
  }

  #tryEnter(waiter: Waiter): boolean {
    this.#assertOpen();
    // It is a caller already when it is told that the lock was abandoned, and may call `pool` then.
    this.#callers++;
    const isHolder = this.#line.tryEnter(waiter);
    if (!isHolder) this.#callers--;
    return isHolder;
  }

  #wait(waiter: Waiter, signal?: AbortSignalLike): Promise<unknown> {
    if (this.#deadlines?.timeoutMilliseconds === 0) throw this.#timeoutError(0);
    return waiter.wait(this.#deadlines, signal && Aborts.of(signal, LineLock.#endWait));
  }

  /**
   * The uncontended path. It does what `#run` does, without the promise in between that `then` takes for
   * an asynchronous `fn`: a quarter less time. With callers in line `#run` is the faster, by up to three times.
   */
  static async #runNext(call: Call): Promise<unknown> {
    await READY;
    let result: unknown;
    try {
      result = LineLock.#begin(call);
      if (mayBeThenable(result)) result = await result;
    } catch (error) {
      LineLock.#fail(call, error);
    }
    return LineLock.#succeed(call, result);
  }

  /** The path of a call that waited, run in a microtask after it was admitted. */
  static readonly #run = (admitted: unknown): unknown => {
    const call = admitted as Call;
    let result: unknown;
    try {
      result = LineLock.#begin(call);
      if (mayBeThenable(result)) {
        // The `then` of all promises, as `await` uses it: a promise could have one of its own.
        return READY.then.call(
          Promise.resolve(result),
          (value) => LineLock.#succeed(call, value),
          (error: unknown) => LineLock.#fail(call, error),
        );
      }
    } catch (error) {
      LineLock.#fail(call, error);
    }
    return LineLock.#succeed(call, result);
  };

  static #begin(call: Call): unknown {
    // Somebody may have called `releaseLock` in between.
    if (call.lock.#line.holder !== call) throw notHeldError();
    const {fn, args} = call;
    return fn(...args);
  }

  static #succeed(call: Call, value: unknown): unknown {
    LineLock.release(call);
    return value;
  }

  static #fail(call: Call, error: unknown): never {
    try {
      LineLock.#leave(call);
    } catch {
      // The caller's own store failed as well. What `fn` threw comes first.
    }
    throw error;
  }

  /** Releases what `holder` acquired. @throws `ERR_LOCK_NOT_HELD` if somebody else has done so. */
  static release(holder: Waiter): void {
    if (!LineLock.#leave(holder)) throw notHeldError();
  }

  /** Releases what `holder` acquired; `false` if that has been released already. */
  static #leave(holder: Waiter): boolean {
    const {lock} = holder;
    if (lock.#line.holder !== holder) return false;
    lock.#line.leave();
    lock.#callerGone();
    return true;
  }

  #callerGone(): void {
    this.#callers--;
    if (this.#callers === 0) this.#closer?.admit();
  }

  #timeoutError(timeoutMilliseconds: number): LockTimeoutError {
    return new LockTimeoutError(timeoutMilliseconds, this.#line.timeoutDetails());
  }

  static readonly #endWait = (waiter: Waiter, reason: unknown): void => {
    const {lock} = waiter;
    if (waiter === lock.#closer) {
      lock.#closer = undefined;
    } else {
      lock.#line.withdraw(waiter);
      lock.#callerGone();
    }
    waiter.refuse(reason);
  };

  /**
   * What a lock, or several with the same timeout, are made with.
   *
   * @throws `TypeError` or `RangeError` when `timeoutMilliseconds` is not a length of time.
   */
  static deadlines(timeoutMilliseconds: number | undefined): Deadlines | undefined {
    if (timeoutMilliseconds === undefined) return undefined;
    assertType(timeoutMilliseconds, 'number', 'timeoutMilliseconds to be a number');
    if (!(timeoutMilliseconds >= 0)) {
      throw new RangeError(
        `Expected timeoutMilliseconds to be 0 or more, but got ${timeoutMilliseconds}.`,
      );
    }
    if (timeoutMilliseconds === Infinity) return undefined;
    return new Deadlines(timeoutMilliseconds, (waiter) => {
      LineLock.#endWait(waiter, waiter.lock.#timeoutError(timeoutMilliseconds));
    });
  }
}

/** The symbol, or the one by which compiled `using` looks for it where the platform has none. */
const DISPOSE: typeof Symbol.dispose =
  (Symbol as Partial<typeof Symbol>).dispose ??
  (Symbol.for('Symbol.dispose') as typeof Symbol.dispose);

class Guard implements LockGuard {
  #holder: Waiter | undefined;

  constructor(holder: Waiter) {
    this.#holder = holder;
  }

  release(): void {
    const holder = this.#holder;
    this.#holder = undefined;
    if (holder !== undefined) LineLock.release(holder);
  }

  [DISPOSE](): void {
    this.release();
  }
}
