import {
  LockTimeoutError,
  assertType,
  pooledError,
  releasedUnderCallError,
  type LockError,
  type LockTimeoutDetails,
} from '../errors.js';
import {READY, nativeThen, resolved, then} from '../intrinsics.js';
import type {AbortSignalLike, AcquireOptions, Lock, LockGuard} from '../types.js';
import {abortsOf, reasonOf, signalOf} from './aborts.js';
import type {Deadlines} from './deadlines.js';
import {Guard} from './guard.js';
import type {Line} from './line.js';
import {INSPECT, SELF, selfOf} from './self.js';
import {GUARD, Waiter} from './waiter.js';

/** Only an object can be a thenable; whether it is one, `await` finds out. */
const mayBeThenable = (value: unknown): value is PromiseLike<unknown> =>
  (typeof value === 'object' && value !== null) || typeof value === 'function';

type AnyFunction = (...args: unknown[]) => unknown;

/** The methods of a lock over a line: what is the same for every lock of this package. */
export class LineLock implements Lock {
  readonly [SELF]: LineLock;
  readonly #line: Line;
  readonly #deadlines: Deadlines | undefined;

  /** How many came through this object and hold the lock or wait for it. */
  #callers = 0;

  /** The call of `pool()`. While there is one, nobody else comes in; without callers left, it is for good. */
  #closer: Waiter | undefined;

  constructor(line: Line, deadlines: Deadlines | undefined) {
    this[SELF] = this;
    this.#line = line;
    this.#deadlines = deadlines;
  }

  withLock<TArgs extends unknown[], TResult>(
    fn: (...args: TArgs) => PromiseLike<TResult> | TResult,
    ...args: TArgs
  ): Promise<TResult> {
    let lock: LineLock | undefined;
    let acquisition = 0;
    try {
      lock = selfOf<LineLock>(this);
      assertType(fn, 'function', 'a function to call');
      acquisition = lock.#tryEnter();
      // Both ways keep the caller's async context: `await` by itself, `then` because it is called here.
      return (
        acquisition
          ? lock.#runNext(acquisition, fn as unknown as AnyFunction, args)
          : lock.#join(new Waiter(lock, fn, args), undefined, LineLock.#run)
      ) as Promise<TResult>;
    } catch (error) {
      // In variables of this block, which cost those nothing that do not get here. And nothing is called that needs a stack.
      const entered = lock;
      const taken = acquisition;
      return nativeThen.call(READY, () => {
        if (taken) entered?.endAcquisition(taken, releasedUnderCallError);
        throw error;
      }) as Promise<never>;
    }
  }

  acquireLock(): Promise<void>;
  acquireLock<T>(task: T): Promise<T>;
  acquireLock(task?: unknown): Promise<unknown> {
    let lock: LineLock | undefined;
    let acquisition = 0;
    try {
      lock = selfOf<LineLock>(this);
      acquisition = lock.#tryEnter();
      return acquisition ? resolved(task) : lock.#join(new Waiter(lock, task));
    } catch (error) {
      // In variables of this block, which cost those nothing that do not get here. And nothing is called that needs a stack.
      const entered = lock;
      const taken = acquisition;
      return nativeThen.call(READY, () => {
        if (taken) entered?.endAcquisition(taken, releasedUnderCallError);
        throw error;
      });
    }
  }

  releaseLock(): void {
    const lock = selfOf<LineLock>(this);
    if (lock.#line.holder === lock) lock.#leave();
    else throw lock.#isClosed ? pooledError() : lock.#line.notHeldError(lock);
  }

  acquire(options?: AcquireOptions): Promise<LockGuard> {
    try {
      const lock = selfOf<LineLock>(this);
      const signal = signalOf(options);
      return signal ? lock.#acquireUnlessAborted(signal) : lock.#acquireGuard();
    } catch (error) {
      return nativeThen.call(READY, () => {
        throw error;
      }) as Promise<never>;
    }
  }

  tryAcquire(): LockGuard | undefined {
    const lock = selfOf<LineLock>(this);
    const line = lock.#line;
    if (line.holder) {
      lock.#assertOpen();
      return undefined;
    }
    // First, lest the stack runs out when the lock has been acquired already.
    const guard = new Guard(lock, line.acquisition + 1);
    return lock.#tryEnter() ? guard : undefined;
  }

  get isLocked(): boolean {
    return selfOf<LineLock>(this).#line.isTaken();
  }

  get pendingCount(): number {
    return selfOf<LineLock>(this).#line.length;
  }

  async pool(): Promise<void> {
    const lock = selfOf<LineLock>(this);
    lock.#assertOpen();
    const closer = new Waiter(lock);
    const closing = lock.#callers > 0 ? lock.#wait(closer) : undefined;
    lock.#closer = closer;
    // A lock that nobody uses any more is retired at once.
    if (closing) await closing;
  }

  get [Symbol.toStringTag](): string {
    return 'Lock';
  }

  [INSPECT](): string {
    const lock = selfOf<LineLock>(this);
    const state = lock.#isClosed ? 'retired' : lock.#line.describe();
    return `${lock[Symbol.toStringTag]} { ${state}, ${lock.#line.length} waiting }`;
  }

  get #isClosed(): boolean {
    return this.#closer !== undefined && this.#callers === 0;
  }

  #assertOpen(): void {
    if (this.#closer) throw pooledError();
  }

  /** @returns the number of the acquisition; 0 if the lock is not free */
  #tryEnter(): number {
    this.#assertOpen();
    // It is a caller already when it is told that the lock was abandoned, and may call `pool` then.
    this.#callers++;
    let acquisition = 0;
    try {
      acquisition = this.#line.tryEnter(this);
    } finally {
      if (!acquisition) this.#callers--;
    }
    return acquisition;
  }

  #acquireGuard(signal?: AbortSignalLike): Promise<LockGuard> {
    const guard = this.tryAcquire();
    if (!guard) return this.#join(new Waiter(this, GUARD), signal) as Promise<LockGuard>;
    try {
      return resolved(guard);
    } catch (error) {
      void nativeThen.call(READY, guard.release);
      throw error;
    }
  }

  async #acquireUnlessAborted(signal: AbortSignalLike): Promise<LockGuard> {
    const guard = await this.#acquireGuard(signal);
    // The listener may not have been called, and the caller has not got the guard yet.
    if (!signal.aborted) return guard;
    try {
      guard.release();
    } catch {
      // Somebody released the lock meanwhile.
    }
    throw reasonOf(signal);
  }

  /** @param onAdmitted what is called with what the waiter's promise resolves to, in the caller's async context */
  #join(
    waiter: Waiter,
    signal?: AbortSignalLike,
    onAdmitted?: (admitted: unknown) => unknown,
  ): Promise<unknown> {
    this.#callers++;
    try {
      // First, because it may throw.
      const admission = this.#wait(waiter, signal);
      this.#line.join(waiter);
      return onAdmitted ? then(admission, onAdmitted) : admission;
    } catch (error) {
      this.#callers--;
      // At once, lest it be admitted.
      waiter.resolve = undefined;
      const abandoned = waiter;
      const line = this.#line;
      void nativeThen.call(READY, () => {
        abandoned.abandon();
        line.tidy();
      });
      throw error;
    }
  }

  #wait(waiter: Waiter, signal?: AbortSignalLike): Promise<unknown> {
    const deadlines = this.#deadlines;
    if (deadlines?.timeoutMilliseconds === 0) throw this.#timeoutError(this.#line.timeoutDetails());
    return waiter.wait(deadlines?.limit(), signal && abortsOf(signal));
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
    this.endAcquisition(acquisition, releasedUnderCallError);
    return result;
  }

  /** The path of a call that waited, run in a microtask after it was admitted. */
  static readonly #run = (admitted: unknown): unknown => {
    const {lock, acquisition, task, args} = admitted as Waiter;
    let result: unknown;
    try {
      result = lock.#begin(acquisition, task as AnyFunction, args as unknown[]);
    } catch (error) {
      lock.#fail(acquisition, error);
    }
    if (mayBeThenable(result)) return lock.#settle(acquisition, result);
    lock.endAcquisition(acquisition, releasedUnderCallError);
    return result;
  };

  /** An `async` function, because nothing but `await` is out of reach of those who replace promises: `fn` may still run. */
  async #settle(acquisition: number, promise: PromiseLike<unknown>): Promise<unknown> {
    let result: unknown;
    try {
      result = await promise;
    } catch (error) {
      this.#fail(acquisition, error);
    }
    this.endAcquisition(acquisition, releasedUnderCallError);
    return result;
  }

  #begin(acquisition: number, fn: AnyFunction, args: unknown[]): unknown {
    if (!this.isHeldBy(acquisition)) throw releasedUnderCallError();
    // Spreading takes a tenth of an uncontended call, even of no arguments.
    return args.length === 0 ? fn() : fn(...args);
  }

  #fail(acquisition: number, error: unknown): never {
    try {
      this.endAcquisition(acquisition, releasedUnderCallError);
    } catch {
      // Somebody released the lock before, or the caller's own store failed as well. What `fn` threw comes first.
    }
    throw error;
  }

  /** Whether an acquisition through this object is not over. Somebody may call `releaseLock` at any time. */
  isHeldBy(acquisition: number): boolean {
    return this.#line.holder === this && this.#line.acquisition === acquisition;
  }

  /** The holder releases the lock. @throws `notHeldError` if its acquisition is over already. */
  endAcquisition(acquisition: number, notHeldError: () => LockError): void {
    if (!this.isHeldBy(acquisition)) throw notHeldError();
    this.#leave();
  }

  #leave(): void {
    const line = this.#line;
    const {acquisition} = line;
    try {
      line.leave();
    } finally {
      if (line.holder !== this || line.acquisition !== acquisition) {
        this.#callers--;
        if (this.#closer && this.#callers === 0) {
          const self = this;
          void nativeThen.call(READY, () => self.#close());
        }
      }
    }
  }

  /** The last caller has gone. */
  #close(): void {
    if (this.#callers === 0) this.#closer?.admit(0);
  }

  #timeoutError(details: LockTimeoutDetails | undefined): LockTimeoutError {
    const {timeoutMilliseconds} = this.#deadlines as Deadlines;
    return new LockTimeoutError(timeoutMilliseconds, details);
  }

  /** The time of `waiter`, which came through this object, is over. */
  expire(waiter: Waiter): void {
    const details = this.#line.timeoutDetails();
    this.#endWait(waiter, () => {
      throw this.#timeoutError(details);
    });
  }

  /** Ends the wait of `waiter`, which came through this object. */
  giveUp(waiter: Waiter, reason: unknown): void {
    this.#endWait(waiter, () => {
      throw reason;
    });
  }

  #endWait(waiter: Waiter, failure: () => never): void {
    waiter.refuse(failure);
    if (waiter === this.#closer) {
      this.#closer = undefined;
      return;
    }
    this.#callers--;
    try {
      this.#line.withdraw(waiter);
    } catch {
      void nativeThen.call(READY, () => this.#line.tidy());
    }
    if (this.#closer && this.#callers === 0) void nativeThen.call(READY, () => this.#close());
  }
}

/** Reports by rejecting what `call` throws. The two methods that are called most do it themselves: in them this takes a tenth. */
export function attempt<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call();
  } catch (error) {
    return nativeThen.call(READY, () => {
      throw error;
    }) as Promise<never>;
  }
}
