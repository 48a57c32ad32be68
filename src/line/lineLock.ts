import {
  LockTimeoutError,
  badTypeError,
  notHeldError,
  pooledError,
  type LockTimeoutDetails,
} from '../errors.js';
import type {Lock} from '../types.js';
import {Deadlines} from './deadlines.js';
import {Waiter} from './waiter.js';

/**
 * The callers of one thread, in the order in which they asked, and the one among them that holds the
 * lock. What it takes for the first in line to become the holder is the line's own business.
 */
export interface Line {
  /** Set by `tryEnter`, or just before a waiter is told `admit`; unset by `leave`. */
  readonly holder: Waiter | undefined;

  /** Makes `waiter` the holder if the lock is free and nobody is in line. */
  tryEnter(waiter: Waiter): boolean;

  /** Puts `waiter` at the end of the line. It is told `admit` once it is the holder. */
  join(waiter: Waiter): void;

  /** Takes `waiter` out of the line, wherever in it it stands. */
  withdraw(waiter: Waiter): void;

  /** The holder releases the lock. */
  leave(): void;

  /** What the error of a wait that ends now should tell. */
  timeoutDetails(): LockTimeoutDetails | undefined;
}

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
    if (typeof fn !== 'function') return Promise.reject(badTypeError('a function to call', fn));
    const call = new Waiter(this, undefined, fn, args) as Call;
    const admission = this.#enter(call);
    // Both ways keep the caller's async context: `await` by itself, `then` because it is called here.
    return (
      admission === undefined ? LineLock.#runNext(call) : admission.then(LineLock.#run)
    ) as Promise<TResult>;
  }

  acquireLock(): Promise<void>;
  acquireLock<T>(task: T): Promise<T>;
  acquireLock(task?: unknown): Promise<unknown> {
    return this.#enter(new Waiter(this, task)) ?? Promise.resolve(task);
  }

  releaseLock(): void {
    const {holder} = this.#line;
    if (holder?.lock === this) LineLock.#leave(holder);
    else throw this.#closer === undefined || this.#callers > 0 ? notHeldError() : pooledError();
  }

  pool(): Promise<void> {
    if (this.#closer !== undefined) return Promise.reject(pooledError());
    if (this.#callers > 0 && this.#givesUpAtOnce()) return Promise.reject(this.#timeoutError(0));
    const closer = new Waiter(this, undefined);
    this.#closer = closer;
    return this.#callers === 0
      ? Promise.resolve()
      : (closer.wait(this.#deadlines) as Promise<void>);
  }

  /** @returns a promise if `waiter` has to wait, or cannot even do that; `undefined` if it holds the lock now */
  #enter(waiter: Waiter): Promise<unknown> | undefined {
    if (this.#closer !== undefined) return Promise.reject(pooledError());
    this.#callers++;
    if (this.#line.tryEnter(waiter)) return undefined;
    if (this.#givesUpAtOnce()) {
      this.#callerGone();
      return Promise.reject(this.#timeoutError(0));
    }
    const admission = waiter.wait(this.#deadlines);
    this.#line.join(waiter);
    return admission;
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
    if (!LineLock.#leave(call)) throw notHeldError();
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

  #givesUpAtOnce(): boolean {
    return this.#deadlines?.timeoutMilliseconds === 0;
  }

  #timeoutError(timeoutMilliseconds: number): LockTimeoutError {
    return new LockTimeoutError(timeoutMilliseconds, this.#line.timeoutDetails());
  }

  #expire(waiter: Waiter, timeoutMilliseconds: number): void {
    const error = this.#timeoutError(timeoutMilliseconds);
    if (waiter === this.#closer) {
      this.#closer = undefined;
    } else {
      this.#line.withdraw(waiter);
      this.#callerGone();
    }
    waiter.refuse(error);
  }

  /**
   * What a lock, or several with the same timeout, are made with.
   *
   * @throws `TypeError` or `RangeError` when `timeoutMilliseconds` is not a length of time.
   */
  static deadlines(timeoutMilliseconds: number | undefined): Deadlines | undefined {
    if (timeoutMilliseconds === undefined) return undefined;
    if (typeof timeoutMilliseconds !== 'number') {
      throw badTypeError('timeoutMilliseconds to be a number', timeoutMilliseconds);
    }
    if (!(timeoutMilliseconds >= 0)) {
      throw new RangeError(
        `Expected timeoutMilliseconds to be 0 or more, but got ${timeoutMilliseconds}.`,
      );
    }
    if (timeoutMilliseconds === Infinity) return undefined;
    return new Deadlines(timeoutMilliseconds, (waiter) => {
      waiter.lock.#expire(waiter, timeoutMilliseconds);
    });
  }
}
