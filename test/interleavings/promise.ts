/**
 * `Promise` and `async` for code that transform.ts made. They follow the specification, but each
 * simulated thread has its own queue of microtasks.
 */
import {isGenerator, type Job, type Suspendable} from './suspendable.js';

type Handler = ((value: unknown) => unknown) | undefined;
interface Reaction {
  readonly onFulfilled: Handler;
  readonly onRejected: Handler;
  readonly derived: SimulatedPromise | undefined;
}

export interface MicrotaskQueue {
  enqueueMicrotask(job: Job): void;
  /** A promise was rejected that nobody listens to yet, or is listened to now. */
  unhandled: Set<SimulatedPromise>;
}

/** Set by the machine: the queue of the thread that runs. */
export const running: {queue: MicrotaskQueue} = {
  queue: {
    enqueueMicrotask: () => {
      throw new Error('No logical thread is running.');
    },
    unhandled: new Set(),
  },
};

interface Thenable {
  then(
    onFulfilled: (value: unknown) => void,
    onRejected: (reason: unknown) => void,
  ): Suspendable<void> | void;
}

const isThenable = (value: unknown): value is Thenable =>
  typeof (value as Partial<Thenable> | null | undefined)?.then === 'function';

export class SimulatedPromise {
  #state: 'pending' | 'fulfilled' | 'rejected' = 'pending';
  #isResolved = false;
  #value: unknown;
  #reactions: Reaction[] = [];

  /** In place of the constructor. */
  *$init(
    executor: (resolve: (value: unknown) => void, reject: (reason: unknown) => void) => unknown,
  ): Suspendable<void> {
    const result = executor(
      (value) => this.resolve(value),
      (reason) => this.reject(reason),
    );
    if (isGenerator(result)) yield* result;
  }

  get reason(): unknown {
    return this.#value;
  }

  static resolve(value?: unknown): SimulatedPromise {
    if (value instanceof SimulatedPromise) return value;
    const promise = new SimulatedPromise();
    promise.resolve(value);
    return promise;
  }

  static reject(reason: unknown): SimulatedPromise {
    const promise = new SimulatedPromise();
    promise.reject(reason);
    return promise;
  }

  then(onFulfilled?: Handler, onRejected?: Handler): SimulatedPromise {
    const derived = new SimulatedPromise();
    this.react({onFulfilled, onRejected, derived});
    return derived;
  }

  react(reaction: Reaction): void {
    if (this.#state === 'pending') this.#reactions.push(reaction);
    else this.#enqueue(reaction);
    if (this.#state === 'rejected') running.queue.unhandled.delete(this);
  }

  resolve(value: unknown): void {
    if (this.#isResolved) return;
    this.#isResolved = true;
    if (value instanceof SimulatedPromise) {
      // As for any thenable: in a job of its own.
      running.queue.enqueueMicrotask(() => {
        value.react({
          onFulfilled: (result) => this.#settle('fulfilled', result),
          onRejected: (reason) => this.#settle('rejected', reason),
          derived: undefined,
        });
      });
    } else if (isThenable(value)) {
      running.queue.enqueueMicrotask(() =>
        value.then(
          (result) => this.#settle('fulfilled', result),
          (reason) => this.#settle('rejected', reason),
        ),
      );
    } else this.#settle('fulfilled', value);
  }

  reject(reason: unknown): void {
    if (this.#isResolved) return;
    this.#isResolved = true;
    this.#settle('rejected', reason);
  }

  #settle(state: 'fulfilled' | 'rejected', value: unknown): void {
    this.#state = state;
    this.#value = value;
    if (state === 'rejected' && this.#reactions.length === 0) running.queue.unhandled.add(this);
    for (const reaction of this.#reactions) this.#enqueue(reaction);
    this.#reactions = [];
  }

  #enqueue({onFulfilled, onRejected, derived}: Reaction): void {
    const isRejected = this.#state === 'rejected';
    const value = this.#value;
    const handler = isRejected ? onRejected : onFulfilled;
    running.queue.enqueueMicrotask(function* (): Suspendable<void> {
      let result: unknown;
      if (handler === undefined) {
        if (isRejected) derived?.reject(value);
        else derived?.resolve(value);
        return;
      }
      try {
        result = handler(value);
        if (isGenerator(result)) result = yield* result;
      } catch (error) {
        // Without a promise to reject, a job must not throw.
        if (derived === undefined) throw error;
        derived.reject(error);
        return;
      }
      derived?.resolve(result);
    });
  }
}

class Awaited {
  readonly promise: SimulatedPromise;

  constructor(value: unknown) {
    this.promise = SimulatedPromise.resolve(value);
  }
}

export const $await = (value: unknown) => new Awaited(value);

/** Runs the body of an `async` function: up to its first `await` now, the rest in microtasks. */
export function* $async(body: () => Generator<unknown, unknown>): Suspendable<SimulatedPromise> {
  const promise = new SimulatedPromise();
  const generator = body();
  yield* goOn(() => generator.next());
  return promise;

  function* goOn(resume: () => IteratorResult<unknown, unknown>): Suspendable<void> {
    try {
      for (;;) {
        const step = resume();
        if (step.done === true) {
          promise.resolve(step.value);
          return;
        }
        if (step.value instanceof Awaited) {
          step.value.promise.react({
            onFulfilled: (value) => goOn(() => generator.next(value)),
            onRejected: (reason) => goOn(() => generator.throw(reason)),
            derived: undefined,
          });
          return;
        }
        yield;
        resume = () => generator.next();
      }
    } catch (error) {
      promise.reject(error);
    }
  }
}
