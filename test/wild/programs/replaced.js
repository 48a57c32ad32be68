// Twenty callers at once want each kind of lock, while something that the lock's code may use is replaced. Prints a line for each
// kind of lock and of function: "ok", or what went wrong. Uses nothing itself that may be replaced.
import {Worker} from 'node:worker_threads';
import Bluebird from 'bluebird';

const [, , entry, sharedEntry, moment, ...things] = process.argv;

const {
  Promise: NativePromise,
  setImmediate: soon,
  setTimeout: later,
  Error: NativeError,
  String: asString,
} = globalThis;
const {store, notify} = Atomics;
const print = console.log.bind(console);
const defineProperty = Object.defineProperty;
const getOwnPropertyDescriptor = Object.getOwnPropertyDescriptor;

const CALLERS = 20;
const STUCK_MILLISECONDS = 2000;
const PLANTED = 'This was replaced.';
const fail = () => {
  throw new NativeError(PLANTED);
};

/** Puts `value` in the place of a property. @returns what puts it back */
function swap(object, name, value) {
  const before = getOwnPropertyDescriptor(object, name);
  defineProperty(object, name, {value, configurable: true, writable: true, enumerable: false});
  return () => defineProperty(object, name, before);
}

/** Whatever is done with it fails. */
const hostile = new Proxy(function () {}, {get: fail, apply: fail, construct: fail, has: fail});

class BrokenPromise extends NativePromise {
  static resolve() {
    fail();
  }
  static reject() {
    fail();
  }
  static withResolvers() {
    fail();
  }
  then() {
    fail();
  }
}

const nativeThen = NativePromise.prototype.then;

/** Replaces what `thing` names: "global NAME", "NAME.prototype.METHOD throws", "NAME.METHOD returns nothing", or one of these. */
const special = {
  Bluebird: () => swap(globalThis, 'Promise', Bluebird),
  'a broken class': () => swap(globalThis, 'Promise', BrokenPromise),
  'a wrapping then': () =>
    swap(NativePromise.prototype, 'then', function (onFulfilled, onRejected) {
      return nativeThen.call(
        this,
        typeof onFulfilled === 'function' ? (value) => onFulfilled(value) : onFulfilled,
        typeof onRejected === 'function' ? (error) => onRejected(error) : onRejected,
      );
    }),
  'zone.js': async () => {
    await import('zone.js');
    return () => undefined;
  },
};

function replace(thing) {
  if (special[thing]) return special[thing]();
  const [, global] = /^global (\w+)$/.exec(thing) ?? [];
  if (global) return swap(globalThis, global, hostile);
  const [, owner, prototype, method, how] = /^(\w+)(\.prototype)?\.(\S+) (.*)$/.exec(thing);
  const object = owner === 'TypedArray' ? Object.getPrototypeOf(Int32Array) : globalThis[owner];
  const name = method === '[Symbol.iterator]' ? Symbol.iterator : method;
  return swap(prototype ? object.prototype : object, name, how === 'throws' ? fail : () => {});
}

const sleep = () => new NativePromise((resolve) => later(resolve, 1));

const KINDS = {
  'async functions': (enter, leave) => async () => {
    enter();
    await sleep();
    return leave();
  },
  'native promises': (enter, leave) => () => {
    enter();
    return new NativePromise((resolve) => later(() => resolve(leave()), 1));
  },
  'functions of both kinds': (enter, leave, n) =>
    n % 2
      ? () => {
          enter();
          return new NativePromise((resolve) => soon(() => resolve(leave())));
        }
      : KINDS['async functions'](enter, leave),
  'Bluebird promises': (enter, leave) => () => {
    enter();
    return Bluebird.delay(1).then(leave);
  },
};

/** @returns what went wrong, or "ok" */
async function contend(withLock, kind, onCalled) {
  let inside = 0;
  let most = 0;
  let done = 0;
  let order = '';
  let inOrder = '';
  const errors = [];
  let finished;
  const end = new NativePromise((resolve) => {
    finished = resolve;
    later(resolve, STUCK_MILLISECONDS);
  });
  const call = async (n) => {
    const enter = () => {
      order += `${n} `;
      inside++;
      if (inside > most) most = inside;
    };
    const leave = () => {
      inside--;
      return n;
    };
    try {
      const value = await withLock(kind(enter, leave, n));
      if (value !== n) errors[errors.length] = `${n} got another's result`;
    } catch (error) {
      errors[errors.length] = asString(error);
    }
    done++;
    if (done === CALLERS) finished();
  };
  for (let n = 0; n < CALLERS; n++) {
    inOrder += `${n} `;
    void call(n);
  }
  await onCalled();
  await end;
  if (most > 1) return `${most} inside at once`;
  if (done < CALLERS) return `${CALLERS - done} never settled`;
  if (errors.length > 0) return `${errors.length} failed: ${errors[0]}`;
  return order === inOrder ? 'ok' : `in the order ${order}`;
}

/** Whether another caller gets the lock when all is over: "ok", or what went wrong. */
const isUsable = (withLock) =>
  new NativePromise((resolve) => {
    later(resolve, 1000, 'never free again');
    const use = async () => {
      try {
        resolve(await withLock(() => 'ok'));
      } catch (error) {
        resolve(asString(error));
      }
    };
    void use();
  });

/** A thread that holds the locks whose buffers it is sent, until it is told to let go by their signals. */
const holder = new Worker(
  `
    const {parentPort, workerData} = require('node:worker_threads');
    import(workerData).then(({createLock}) =>
      parentPort.on('message', async ({buffer, signal}) => {
        const lock = createLock(undefined, {buffer});
        await lock.acquireLock();
        parentPort.postMessage('held');
        Atomics.wait(signal, 0, 0);
        lock.releaseLock();
      }),
    );
  `,
  {eval: true, execArgv: [], workerData: sharedEntry},
);
holder.unref();

async function holdElsewhere(buffer) {
  const signal = new Int32Array(new SharedArrayBuffer(4));
  holder.postMessage({buffer, signal});
  await new NativePromise((resolve) => holder.once('message', resolve));
  return () => {
    store(signal, 0, 1);
    notify(signal, 0);
  };
}

const replacedWhileLoading = moment === 'before' || moment === 'only while loading';
for (const thing of things) {
  const prefix = things.length > 1 ? `${thing}: ` : '';
  let restore = replacedWhileLoading ? await replace(thing) : undefined;
  const {createLock, createLocksByKey} = await import(entry);
  const {createLock: createSharedLock} = await import(sharedEntry);
  if (moment === 'only while loading') restore();
  if (moment === 'after, and put back') {
    restore = await replace(thing);
    restore();
  }
  const kinds =
    things.length > 1
      ? ['functions of both kinds']
      : ['async functions', 'native promises', 'Bluebird promises'];
  for (const name of kinds) {
    const lock = createLock(60_000);
    const locks = createLocksByKey({timeoutMilliseconds: 60_000});
    const shared = createSharedLock(60_000);
    const contended = createSharedLock(60_000);
    const letGo = await holdElsewhere(contended.buffer);
    for (const [kind, withLock, onCalled] of [
      ['createLock', (fn) => lock.withLock(fn)],
      ['createLocksByKey', (fn) => locks.withLock('key', fn)],
      ['shared', (fn) => shared.withLock(fn)],
      ['shared, held elsewhere', (fn) => contended.withLock(fn), letGo],
    ]) {
      if (moment === 'after') restore = await replace(thing);
      let result;
      try {
        result = await contend(withLock, KINDS[name], async () => {
          if (moment === 'while they wait') {
            restore = await replace(thing);
            if (onCalled) onCalled();
            await sleep();
            await sleep();
            await sleep();
            restore();
          } else if (onCalled) {
            onCalled();
          }
        });
      } catch (error) {
        result = asString(error);
      }
      if (moment === 'after') restore();
      const after = result === 'ok' ? await isUsable(withLock) : result;
      print(`${prefix}${kind}, ${name}: ${after}`);
    }
  }
}
process.exit();
