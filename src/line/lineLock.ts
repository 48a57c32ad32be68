import {LockTimeoutError, assertType, notHeldError, pooledError} from '../errors.js';
import type {AbortSignalLike, AcquireOptions, Lock, LockGuard} from '../types.js';
import {abortsOf, signalOf} from './aborts.js';
import type {Deadlines} from './deadlines.js';
import {Guard} from './guard.js';
import type {Line} from './line.js';
import {GUARD, Waiter} from './waiter.js';

const READY = Promise.resolve();

/** Only an object can be a thenable; whether it is one, `await` and `Promise.resolve` find out. */
const mayBeThenable = (value: unknown): value is PromiseLike<unknown> =>
  (typeof value === 'object' && value !== null) || typeof value === 'function';

type AnyFunction = (...args: unknown[]) => unknown;

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
      // Both ways keep the caller's async context: `await` by itself, `then` because it is called here.
      return (
        this.#tryEnter()
          ? this.#runNext(this.#line.acquisition, fn as unknown as AnyFunction, args)
          : this.#join(new Waiter(this, fn, args)).then(LineLock.#run)
      ) as Promise<TResult>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  acquireLock(): Promise<void>;
  acquireLock<T>(task: T): Promise<T>;
  acquireLock(task?: unknown): Promise<unknown> {
    try {
      return this.#tryEnter() ? Promise.resolve(task) : this.#join(new Waiter(this, task));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  releaseLock(): void {
    if (this.#line.holder === this) this.endAcquisition(this.#line.acquisition);
    else throw this.#closer && this.#callers === 0 ? pooledError() : notHeldError();
  }

  acquire(options?: AcquireOptions): Promise<LockGuard> {
    try {
      const signal = signalOf(options);
      const guard = this.tryAcquire();
      return guard
        ? Promise.resolve(guard)
        : (this.#join(new Waiter(this, GUARD), signal) as Promise<LockGuard>);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  tryAcquire(): LockGuard | undefined {
    return this.#tryEnter() ? new Guard(this, this.#line.acquisition) : undefined;
  }

  get isLocked(): boolean {
    return this.#line.isTaken();
  }

  get pendingCount(): number {
    return this.#line.length;
  }

  async pool(): Promise<void> {
    this.#assertOpen();
    const closer = new Waiter(this);
    const closing = this.#callers > 0 ? this.#wait(closer) : undefined;
    this.#closer = closer;
    await closing;
  }

  #assertOpen(): void {
    if (this.#closer) throw pooledError();
  }

  #tryEnter(): boolean {
    this.#assertOpen();
    // It is a caller already when it is told that the lock was abandoned, and may call `pool` then.
    this.#callers++;
    if (this.#line.tryEnter(this)) return true;
    this.#callers--;
    return false;
  }

  #join(waiter: Waiter, signal?: AbortSignalLike): Promise<unknown> {
    // First, because it may throw.
    const admission = this.#wait(waiter, signal);
    this.#callers++;
    this.#line.join(waiter);
    return admission;
  }

  #wait(waiter: Waiter, signal?: AbortSignalLike): Promise<unknown> {
    if (this.#deadlines?.timeoutMilliseconds === 0) throw this.#timeoutError();
    return waiter.wait(this.#deadlines, signal && abortsOf(signal));
  }

  /**
   * The uncontended path. It does what `#run` does, without the promise in between that `then` takes for
   * an asynchronous `fn`: a quarter less time. With callers in line `#run` is the faster, by up to three times.
   */
  async #runNext(acquisition: number, fn: AnyFunction, args: unknown[]): Promise<unknown> {
    await READY;
    let result: unknown;
    try {
      result = this.#begin(acquisition, fn, args);
      if (mayBeThenable(result)) result = await result;
    } catch (error) {
      this.#fail(acquisition, error);
    }
    this.endAcquisition(acquisition);
    return result;
  }

  /** The path of a call that waited, run in a microtask after it was admitted. */
  static readonly #run = (admitted: unknown): unknown => {
    const {lock, acquisition, task, args} = admitted as Waiter;
    let result: unknown;
    try {
      result = lock.#begin(acquisition, task as AnyFunction, args as unknown[]);
      if (mayBeThenable(result)) {
        // The `then` of all promises, as `await` uses it: a promise could have one of its own.
        return READY.then.call(
          Promise.resolve(result),
          (value) => {
            lock.endAcquisition(acquisition);
            return value;
          },
          (error: unknown) => lock.#fail(acquisition, error),
        );
      }
    } catch (error) {
      lock.#fail(acquisition, error);
    }
    lock.endAcquisition(acquisition);
    return result;
  };

  #begin(acquisition: number, fn: AnyFunction, args: unknown[]): unknown {
    this.#assertHeld(acquisition);
    // Spreading takes a tenth of an uncontended call, even of no arguments.
    return args.length === 0 ? fn() : fn(...args);
  }

  #fail(acquisition: number, error: unknown): never {
    try {
      this.endAcquisition(acquisition);
    } catch {
      // Somebody released the lock before, or the caller's own store failed as well. What `fn` threw comes first.
    }
    throw error;
  }

  /** The holder releases the lock. @throws `ERR_LOCK_NOT_HELD` if its acquisition is over already. */
  endAcquisition(acquisition: number): void {
    this.#assertHeld(acquisition);
    this.#line.leave();
    this.#callerGone();
  }

  /** Somebody may have called `releaseLock` in between. */
  #assertHeld(acquisition: number): void {
    if (this.#line.holder !== this || this.#line.acquisition !== acquisition) throw notHeldError();
  }

  #callerGone(): void {
    this.#callers--;
    if (this.#callers === 0) this.#closer?.admit(0);
  }

  #timeoutError(): LockTimeoutError {
    const {timeoutMilliseconds} = this.#deadlines as Deadlines;
    return new LockTimeoutError(timeoutMilliseconds, this.#line.timeoutDetails());
  }

  /** The time of `waiter`, which came through this object, is over. */
  expire(waiter: Waiter): void {
    this.giveUp(waiter, this.#timeoutError());
  }

  /** Ends the wait of `waiter`, which came through this object. */
  giveUp(waiter: Waiter, reason: unknown): void {
    if (waiter === this.#closer) {
      this.#closer = undefined;
    } else {
      this.#line.withdraw(waiter);
      this.#callerGone();
    }
    waiter.refuse(reason);
  }
}

/** Reports by rejecting what `call` throws. The two methods that are called most do it themselves: in them this takes a tenth. */
export function attempt<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call();
  } catch (error) {
    return Promise.reject(error);
  }
}
