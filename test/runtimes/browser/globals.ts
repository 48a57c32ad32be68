/** What the contract uses of Node.js, for a browser. */

const listeners = new WeakMap<EventTarget, Set<unknown>>();

const listenersOf = (target: EventTarget): Set<unknown> => {
  let found = listeners.get(target);
  if (found === undefined) listeners.set(target, (found = new Set()));
  return found;
};

// The contract asks how many listeners a signal has.
const {addEventListener, removeEventListener} = EventTarget.prototype;
EventTarget.prototype.addEventListener = function (...args: [string, never]) {
  listenersOf(this).add(args[1]);
  addEventListener.apply(this, args);
};
EventTarget.prototype.removeEventListener = function (...args: [string, never]) {
  listenersOf(this).delete(args[1]);
  removeEventListener.apply(this, args);
};

/** As of `node:events`. The contract's targets have listeners of one type. */
export const getEventListeners = (target: EventTarget) => [...listenersOf(target)];

const {port1, port2} = new MessageChannel();
const turns: Array<() => void> = [];
Object.assign(port1, {onmessage: () => turns.shift()?.()});

/** As of `node:timers/promises`, and as the global, too. */
export function setImmediate(action?: () => void): Promise<void> {
  return new Promise((resolve) => {
    turns.push(() => {
      action?.();
      resolve();
    });
    port2.postMessage(undefined);
  });
}

/** A browser has no warnings of its own. */
export const process = {on: () => undefined, off: () => undefined};

/** Fake timers look for these where there is Node.js. */
export const inspect = undefined;
export const AsyncLocalStorage = undefined;
