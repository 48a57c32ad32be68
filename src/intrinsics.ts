/**
 * What the locks call of the language and its host, as it was when they were loaded.
 *
 * A polyfill, a test runner or an instrumentation may replace any global, and any method of one,
 * at any time. Whether two callers can hold a lock at once must not depend on that. So code that
 * decides who holds a lock calls what is here, or is syntax (`async`, `await`), which nobody can
 * replace.
 */

const {bind, call} = Function.prototype;

/** `method(receiver, ...args)` for a method, whatever its prototype has by then. */
export const uncurried = bind.bind(call) as <This, Args extends unknown[], Result>(
  method: (this: This, ...args: Args) => Result,
) => (receiver: This, ...args: Args) => Result;

/** The class of the promises of `async` functions, whatever `globalThis.Promise` is. */
export const NativePromise = (async () => undefined)().constructor as PromiseConstructor;

export const resolved = NativePromise.resolve.bind(NativePromise) as <T>(value: T) => Promise<T>;

// (No promise gets a `then` of its own: that makes V8 look for one at all promises of the process,
// and them slower.)
export const then = uncurried(NativePromise.prototype.then) as <T, R>(
  promise: Promise<T>,
  onFulfilled: ((value: T) => R) | undefined,
  onRejected?: (reason: unknown) => R,
) => Promise<Awaited<R>>;

/**
 * `then(READY, job)` calls `job` in a microtask. It needs no room on the stack for a function of
 * this package. So where "the stack ran out", which any call may meet whose caller recurses deeply,
 * it can still arrange for a step to be finished.
 */
export const READY = resolved(undefined);

/**
 * `await NOTHING` goes on in a microtask, and looks up nothing: not even a promise's `constructor`.
 */
export const NOTHING: unknown = undefined;

/** A `Map` that keeps its methods, whatever becomes of `Map.prototype`. */
const {Map: NativeMap} = globalThis;
const {get, set, delete: deleteKey} = NativeMap.prototype;
export const createMap = <K, V>(): Map<K, V> =>
  Object.assign(new NativeMap(), {get, set, delete: deleteKey});

/** The same of a `WeakMap`. (Pure, so that a bundle without a user of it goes without it.) */
export const createWeakMap = /* @__PURE__ */ (({WeakMap: NativeWeakMap}) => {
  const {get, set} = NativeWeakMap.prototype;
  return <K extends object, V>(): WeakMap<K, V> => Object.assign(new NativeWeakMap(), {get, set});
})(globalThis);

/** Timers, and a clock. */
export interface Timers {
  readonly set: typeof setTimeout;
  readonly clear: typeof clearTimeout;
  readonly now: () => number;
  /** The method that `now` calls, by which one clock is told from another. */
  readonly clock: unknown;
}

/** Those of this moment: a test may have installed fake ones. */
export const currentTimers = (): Timers => ({
  set: setTimeout,
  clear: clearTimeout,
  now: performance.now.bind(performance),
  clock: performance.now,
});

/** Those of the host, unless the package was loaded under fake ones. */
export const hostTimers = currentTimers();

/**
 * Throws unless the stack has room for so many calls.
 *
 * To be called before timers are set or cleared. A stack that runs out in the middle of that leaves
 * the lists of Node.js such that its event loop looks for the next timer for good.
 */
export function assertRoom(calls = 30): void {
  if (calls > 0) assertRoom(calls - 1);
}

interface AsyncHooks {
  readonly AsyncLocalStorage?: {snapshot?(): <T>(job: () => T) => T};
}
interface Host {
  readonly process?: {getBuiltinModule?(name: string): unknown};
}

/**
 * Calls `job` in the async context in which the package was loaded. What a lock starts for itself,
 * a timer that serves many callers for example, would otherwise keep one caller's
 * `AsyncLocalStorage` store in memory, and run in that context.
 */
export const outside: <T>(job: () => T) => T =
  (
    (globalThis as Host).process?.getBuiltinModule?.('node:async_hooks') as AsyncHooks | undefined
  )?.AsyncLocalStorage?.snapshot?.() ?? ((job) => job());
