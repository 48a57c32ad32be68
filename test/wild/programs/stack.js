// Recurses until the stack is full, and calls a method of a lock at each depth on the way back. A call that threw has done nothing and
// can be repeated; one that returned is complete. Prints a line for each scenario: "ok", or what went wrong at how many frame sizes.
import {getEventListeners} from 'node:events';
import {createRequire} from 'node:module';
import {Worker} from 'node:worker_threads';

/** The CommonJS files, and whether the lock's code is to be loaded anew each time, so that it is compiled at the end of the stack; and the kinds. */
const [, , entry, sharedEntry, temperature, ...kinds] = process.argv;
const require = createRequire(import.meta.url);

function load(file) {
  if (temperature === 'cold') {
    for (const cached of Object.keys(require.cache)) delete require.cache[cached];
  }
  return require(file);
}

/** Each overflows at another place: a frame has one more local variable than the one before. */
const FRAME_SIZES = 5;
/** At more depths than are too deep for any call: compiling a function takes by far the most. */
const DEPTHS = 5000;
/** So often calls are made that return a promise, which may be rejected yet. */
const CALLS = 300;
const PATIENCE_MILLISECONDS = 1000;

const turn = () => new Promise((resolve) => setImmediate(resolve));
const settle = async () => {
  for (let n = 0; n < 4; n++) await turn();
};
const never = Symbol('never');
const inTime = (promise) => {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MILLISECONDS, never);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

/** A function that recurses to the end of the stack, and calls `attempt` at each depth on the way back. */
function descender(locals, attempt) {
  const names = Array.from({length: locals}, (_, n) => `local${n}`);
  const source = `
    return function descend(depth) {
      ${names.map((name, n) => `let ${name} = depth + ${n};`).join('\n')}
      try {
        descend(depth + 1);
      } catch {}
      attempt();
      return depth ${names.map((name) => `+ ${name}`).join(' ')};
    };
  `;
  return new Function('attempt', source)(attempt);
}

/**
 * Calls `call` at each depth, until it returned `times` times.
 *
 * @returns what it returned, and what it threw
 */
function callAtEachDepth(locals, call, times) {
  const returned = new Array(DEPTHS).fill(undefined);
  const thrown = new Array(DEPTHS).fill(undefined);
  let returns = 0;
  let throws = 0;
  const descend = descender(locals, () => {
    if (returns === times || throws === DEPTHS) return;
    try {
      const value = call();
      returned[returns] = value;
      returns++;
    } catch (error) {
      thrown[throws] = error;
      throws++;
    }
  });
  descend(0);
  return {returned: returned.slice(0, returns), thrown: thrown.slice(0, throws)};
}

const isOverflow = (error) => error instanceof RangeError && /call stack/.test(error.message);

const KINDS = {
  createLock: () => load(entry).createLock(60_000),
  createLocksByKey: () => {
    const locks = load(entry).createLocksByKey({timeoutMilliseconds: 60_000});
    return {
      withLock: (fn) => locks.withLock('key', fn),
      acquireLock: (task) => locks.acquireLock('key', task),
      releaseLock: () => locks.releaseLock('key'),
      acquire: () => locks.acquire('key'),
      tryAcquire: () => locks.tryAcquire('key'),
      get isLocked() {
        return locks.isLocked('key') || locks.size !== 0;
      },
      get pendingCount() {
        return locks.pendingCount('key');
      },
    };
  },
  'shared createLock': () => load(sharedEntry).createLock(60_000),
  'calls with options': () => {
    const lock = load(entry).createLock();
    const {signal} = new AbortController();
    const options = {signal, timeoutMilliseconds: 60_000};
    return {
      withLock: (fn) => lock.withLock(options, fn),
      acquireLock: (task) => lock.acquireLock(task),
      releaseLock: () => lock.releaseLock(),
      acquire: () => lock.acquire(options),
      tryAcquire: () => lock.tryAcquire(),
      get isLocked() {
        return lock.isLocked;
      },
      get pendingCount() {
        return lock.pendingCount + getEventListeners(signal, 'abort').length;
      },
    };
  },
  'several keys': () => {
    const locks = load(entry).createLocksByKey({timeoutMilliseconds: 60_000});
    const keys = ['key', 'another', 'third'];
    return {
      withLock: (fn) => locks.withLocks(keys, fn),
      acquireLock: (task) => locks.acquireLock('key', task),
      releaseLock: () => locks.releaseLock('key'),
      acquire: () => locks.acquireAll(keys),
      // The others are free: a call for all of them has them while it gets in line for this one.
      acquireToBlock: () => locks.acquire('third'),
      tryAcquire: () => locks.tryAcquire('another'),
      get isLocked() {
        return locks.size !== 0;
      },
      get pendingCount() {
        return keys.reduce((sum, key) => sum + locks.pendingCount(key), 0);
      },
    };
  },
};

/** @throws if anybody holds the lock, or waits, or it cannot be acquired in each way. */
async function assertFree(lock) {
  const state = `${lock.isLocked ? 'held' : 'free'}, ${lock.pendingCount} in line`;
  if (state !== 'free, 0 in line') throw new Error(`in the end the lock is ${state}`);
  const guard = lock.tryAcquire();
  if (!guard) throw new Error('in the end nobody can acquire the lock');
  guard.release();
  const used = await inTime(lock.withLock(() => 'used'));
  if (used !== 'used') throw new Error('in the end nobody gets the lock');
}

function assertOverflows(thrown) {
  for (const error of thrown) {
    if (!isOverflow(error)) throw new Error(`a call threw ${error}`);
  }
}

/** Callers that get in line, by each method; `served` resolves when all had the lock. */
function queue(lock, count) {
  const waiters = [
    () => lock.acquire().then((guard) => guard.release()),
    () => lock.withLock(() => undefined),
    () => lock.acquireLock().then(() => lock.releaseLock()),
  ];
  return inTime(Promise.all(Array.from({length: count}, (_, n) => waiters[n % 3]())));
}

/** Somebody holds the lock, `waiters` wait, and it is released. */
const release = (how, waiters) => async (lock, locals) => {
  const guard = how === 'guard.release' ? await lock.acquire() : undefined;
  if (!guard) await lock.acquireLock();
  const served = queue(lock, waiters);
  const call = guard ? () => guard.release() : () => lock.releaseLock();
  const {returned, thrown} = callAtEachDepth(locals, call, 1);
  assertOverflows(thrown);
  if (returned.length === 0) call();
  if ((await served) === never) throw new Error('a waiter is not served');
  await settle();
  await assertFree(lock);
};

const tryAcquire = async (lock, locals) => {
  const {returned, thrown} = callAtEachDepth(locals, () => lock.tryAcquire(), 1);
  assertOverflows(thrown);
  const guard = returned.length > 0 ? returned[0] : lock.tryAcquire();
  if (!guard) throw new Error('a call that threw took the lock');
  guard.release();
  await assertFree(lock);
};

/** Calls that return a promise, while the lock is free or held: each ends, and whoever got the lock can release it. */
const acquire = (how, isHeld) => async (lock, locals) => {
  const holder = isHeld ? await (lock.acquireToBlock ?? lock.acquire).call(lock) : undefined;
  let entered = 0;
  const section = () => {
    entered++;
  };
  const calls = {
    withLock: () => lock.withLock(section),
    acquireLock: () => lock.acquireLock(),
    acquire: () => lock.acquire(),
  };
  const {returned, thrown} = callAtEachDepth(locals, calls[how], CALLS);
  assertOverflows(thrown);
  const ends = {
    withLock: () => 'done',
    acquireLock: () => lock.releaseLock(),
    acquire: (guard) => guard.release(),
  };
  const all = Promise.allSettled(returned.map((promise) => promise.then(ends[how])));
  holder?.release();
  const outcomes = await inTime(all);
  if (outcomes === never) throw new Error('a call never ends');
  assertOverflows(outcomes.filter(({reason}) => reason !== undefined).map(({reason}) => reason));
  const fulfilled = outcomes.filter(({status}) => status === 'fulfilled').length;
  await settle();
  if (how === 'withLock' && entered !== fulfilled) {
    throw new Error(`fn ran ${entered} times for ${fulfilled} calls`);
  }
  await assertFree(lock);
};

/** Another thread waits for the lock when it is released. */
const releaseToThread = (how) => async (lock, locals) => {
  const worker = new Worker(
    `
      const {parentPort, workerData} = require('node:worker_threads');
      (async ({createLock}) => {
        const lock = createLock(undefined, {buffer: workerData.buffer});
        const acquired = lock.acquireLock();
        parentPort.postMessage('waits');
        await acquired;
        parentPort.postMessage('acquired');
        lock.releaseLock();
      })(require(workerData.entry));
    `,
    {eval: true, execArgv: [], workerData: {entry: sharedEntry, buffer: lock.buffer}},
  );
  const message = () => new Promise((resolve) => worker.once('message', resolve));
  const end = new Promise((resolve) => worker.once('exit', resolve));
  const guard = how === 'guard.release' ? await lock.acquire() : undefined;
  if (!guard) await lock.acquireLock();
  await message();
  const acquired = inTime(message());
  const call = guard ? () => guard.release() : () => lock.releaseLock();
  const {returned, thrown} = callAtEachDepth(locals, call, 1);
  assertOverflows(thrown);
  if (returned.length === 0) call();
  if ((await acquired) === never) throw new Error('the other thread never gets the lock');
  await inTime(end);
  await assertFree(lock);
};

const SCENARIOS = {
  'releaseLock, nobody waits': release('releaseLock', 0),
  'releaseLock, three wait': release('releaseLock', 3),
  'guard.release, nobody waits': release('guard.release', 0),
  'guard.release, three wait': release('guard.release', 3),
  tryAcquire,
  'withLock, the lock is free': acquire('withLock', false),
  'withLock, the lock is held': acquire('withLock', true),
  'acquireLock, the lock is free': acquire('acquireLock', false),
  'acquireLock, the lock is held': acquire('acquireLock', true),
  'acquire, the lock is free': acquire('acquire', false),
  'acquire, the lock is held': acquire('acquire', true),
};

async function sweep(name, make, scenario, sizes) {
  const faults = [];
  for (let locals = 0; locals < sizes; locals++) {
    try {
      await scenario(make(), locals);
    } catch (error) {
      faults.push(error.message);
    }
    // One after the other, each as long as it takes to see that nobody comes.
    if (faults.length === 2) break;
  }
  console.log(`${name}: ${faults.length === 0 ? 'ok' : [...new Set(faults)].join('; ')}`);
}

for (const kind of kinds) {
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    await sweep(`${kind}, ${name}`, KINDS[kind], scenario, FRAME_SIZES);
  }
}
for (const how of kinds.includes('shared createLock') ? ['releaseLock', 'guard.release'] : []) {
  const name = `shared createLock, ${how}, another thread waits`;
  await sweep(name, KINDS['shared createLock'], releaseToThread(how), 8);
}
process.exit();
