/**
 * The functions of the language and its host that the locks call, as they were when this package
 * was loaded.
 *
 * A polyfill, a test runner or an instrumentation may replace any global and any of its methods, at
 * any time. That must never let two callers hold a lock at once. So the code that decides who holds
 * a lock uses only the functions below, and syntax (`async`, `await`), which nobody can replace.
 */

const {bind, call} = Function.prototype;

/**
 * Makes a function `method(receiver, ...args)` of a method. It calls the original method, whatever
 * becomes of the prototype.
 */
export const uncurried = bind.bind(call) as <This, Args extends unknown[], Result>(
  method: (this: This, ...args: Args) => Result,
) => (receiver: This, ...args: Args) => Result;

/** The class of the promises of `async` functions, whatever `globalThis.Promise` is. */
export const NativePromise = (async () => undefined)().constructor as PromiseConstructor;

export const resolved = NativePromise.resolve.bind(NativePromise) as <T>(value: T) => Promise<T>;

// (No promise gets a `then` of its own. That would make V8 look for one at every promise of the
// process, and so slow them all down.)
export const then = uncurried(NativePromise.prototype.then) as <T, R>(
  promise: Promise<T>,
  onFulfilled: ((value: T) => R) | undefined,
  onRejected?: (reason: unknown) => R,
) => Promise<Awaited<R>>;

/**
 * `then(READY, job)` calls `job` in a microtask. It needs no room on the stack for a function of
 * this package. So it can still arrange for a step to be finished where "the stack ran out", which
 * may happen to any call whose caller recurses deeply.
 */
export const READY = resolved(undefined);

/**
 * `await NOTHING` goes on in a microtask and looks up no property, not even the `constructor` of a
 * promise.
 */
export const NOTHING: unknown = undefined;

/** A `Map` that keeps its methods, whatever becomes of `Map.prototype`. */
const {Map: NativeMap} = globalThis;
const {get, set, delete: deleteKey} = NativeMap.prototype;
export const createMap = <K, V>(): Map<K, V> =>
  Object.assign(new NativeMap(), {get, set, delete: deleteKey});

/**
 * The same for a `WeakMap`. (Marked as pure, so that a bundle that does not use it leaves it out.)
 */
export const createWeakMap = /* @__PURE__ */ (({WeakMap: NativeWeakMap}) => {
  const {get, set} = NativeWeakMap.prototype;
  return <K extends object, V>(): WeakMap<K, V> => Object.assign(new NativeWeakMap(), {get, set});
})(globalThis);

/** Timers, and a clock. */
export interface Timers {
  readonly set: typeof setTimeout;
  readonly clear: typeof clearTimeout;
  readonly now: () => number;
  /** The method that `now` calls. It tells one clock from another. */
  readonly clock: unknown;
}

/** The timers of this moment. A test may have installed fake ones. */
export const currentTimers = (): Timers => ({
  set: setTimeout,
  clear: clearTimeout,
  now: performance.now.bind(performance),
  clock: performance.now,
});

/** The timers of the host, unless fake ones were installed when the package was loaded. */
export const hostTimers = currentTimers();

/**
 * Throws if the stack has no room for that many calls.
 *
 * Call it before timers are set or cleared. If the stack runs out in the middle of that, it leaves
 * the timer lists of Node.js in a state in which the event loop searches for the next timer and
 * never ends.
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
 * Calls `job` in the async context in which the package was loaded. A lock starts some work for
 * itself, such as a timer that serves many callers. Without this, that work would run in the
 * context of one caller, and keep that caller's `AsyncLocalStorage` store in memory.
 */
export const outside: <T>(job: () => T) => T =
  (
    (globalThis as Host).process?.getBuiltinModule?.('node:async_hooks') as AsyncHooks | undefined
  )?.AsyncLocalStorage?.snapshot?.() ?? ((job) => job());
