// Locks made and used inside AsyncLocalStorage. Prints, for each scenario, a line with what became of the stores.
import {AsyncLocalStorage} from 'node:async_hooks';
import {Worker} from 'node:worker_threads';

const [, , entry, sharedEntry] = process.argv;
const {createLock, createLocksByKey} = await import(entry);
const {createLock: createSharedLock} = await import(sharedEntry);

const als = new AsyncLocalStorage();
const LOCKS = 200;
const PATIENCE_MILLISECONDS = 1500;
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** How many are still there when nothing more is collected. */
async function countLeft(refs, meanwhile = () => undefined) {
  const end = performance.now() + PATIENCE_MILLISECONDS;
  for (;;) {
    for (let n = 0; n < 5; n++) await new Promise((resolve) => setImmediate(resolve));
    gc();
    const left = refs.filter((ref) => ref.deref() !== undefined).length;
    if (left === 0 || performance.now() > end) return left;
    meanwhile();
    await sleep(5);
  }
}

const byKey = (timeoutMilliseconds) => {
  const locks = createLocksByKey({timeoutMilliseconds});
  return {
    withLock: (fn) => locks.withLock('key', fn),
    acquireLock: () => locks.acquireLock('key'),
    releaseLock: () => locks.releaseLock('key'),
    acquire: (options) => locks.acquire('key', options),
  };
};
const KINDS = {
  createLock: (timeout) => createLock(timeout),
  createLocksByKey: byKey,
  'shared createLock': (timeout) => createSharedLock(timeout),
};

/** A thread that holds the locks whose buffers it is sent, until it is told to let go. */
function startHolder() {
  const worker = new Worker(
    `
      const {parentPort, workerData} = require('node:worker_threads');
      import(workerData).then(({createLock}) => {
        let lock;
        parentPort.on('message', async (message) => {
          if (message === 'exit') process.exit();
          else if (message === 'release') lock.releaseLock();
          else {
            lock = createLock(undefined, {buffer: message});
            await lock.acquireLock();
            parentPort.postMessage('held');
          }
        });
      });
    `,
    {eval: true, execArgv: [], workerData: sharedEntry},
  );
  worker.unref();
  return {
    hold(buffer) {
      const held = new Promise((resolve) => worker.once('message', resolve));
      worker.postMessage(buffer);
      return held;
    },
    tell: (message) => worker.postMessage(message),
  };
}

const USES = {
  'not used': () => undefined,
  'used once': (lock) => lock.withLock(() => undefined),
  contended: (lock) =>
    Promise.all([
      lock.withLock(() => undefined),
      lock.acquireLock().then(() => lock.releaseLock()),
      lock.acquire().then((guard) => guard.release()),
    ]),
};

async function collected() {
  for (const [kind, make] of Object.entries(KINDS)) {
    for (const [use, call] of Object.entries(USES)) {
      const refs = [];
      for (let n = 0; n < LOCKS; n++) {
        const store = {};
        await als.run(store, async () => {
          store.lock = make(60_000);
          refs.push(new WeakRef(store));
          await call(store.lock);
        });
      }
      console.log(`${kind}, ${use}: ${await countLeft(refs)} of ${refs.length} left`);
    }
  }
  const holder = startHolder();
  const refs = [];
  for (let n = 0; n < 20; n++) {
    const store = {};
    await als.run(store, async () => {
      store.lock = createSharedLock(60_000);
      refs.push(new WeakRef(store));
      await holder.hold(store.lock.buffer);
      const acquired = store.lock.acquireLock();
      holder.tell('release');
      await acquired;
      store.lock.releaseLock();
    });
  }
  console.log(`shared createLock, contended by a thread: ${await countLeft(refs)} of 20 left`);
}

/** Somebody's call in a store of its own, of which only a weak reference remains. */
function callInStore(call) {
  const store = {};
  als.run(store, () => void call().catch(() => undefined));
  return [new WeakRef(store)];
}

async function timers() {
  for (const [kind, make] of Object.entries(KINDS)) {
    const lock = make(1_000_000);
    await lock.acquireLock();
    const served = callInStore(() => lock.acquireLock());
    for (let n = 0; n < 3; n++) lock.acquireLock();
    lock.releaseLock();
    await sleep(1);
    lock.releaseLock();
    console.log(`${kind}, served, others wait: ${await countLeft(served)} left`);
    for (let n = 0; n < 3; n++) {
      await sleep(1);
      lock.releaseLock();
    }
    console.log(`${kind}, served, nobody waits: ${await countLeft(served)} left`);

    const idle = make(1_000_000);
    await idle.acquireLock();
    const alone = callInStore(() => idle.acquireLock());
    idle.releaseLock();
    await sleep(1);
    idle.releaseLock();
    console.log(`${kind}, alone in line: ${await countLeft(alone)} left`);

    const busy = make(50);
    await busy.acquireLock();
    const timedOut = callInStore(() => busy.acquireLock());
    const wait = () => void busy.acquireLock().catch(() => undefined);
    // Before the first has timed out, and ever after, somebody waits.
    for (let n = 0; n < 10; n++) {
      wait();
      await sleep(10);
    }
    console.log(`${kind}, timed out, others wait: ${await countLeft(timedOut, wait)} left`);

    const waited = make(1_000_000);
    await waited.acquireLock();
    const controller = new AbortController();
    const aborted = callInStore(() => waited.acquire({signal: controller.signal}));
    waited.acquireLock();
    controller.abort();
    console.log(`${kind}, aborted, others wait: ${await countLeft(aborted)} left`);
  }
}

async function abandoned() {
  const ways = {
    withLock: (lock) => lock.withLock(() => undefined),
    acquireLock: (lock) => lock.acquireLock().then(() => lock.releaseLock()),
    acquire: (lock) => lock.acquire().then((guard) => guard.release()),
  };
  for (const [way, wait] of Object.entries(ways)) {
    for (const end of ['by a signal', 'by its timeout', 'not at all']) {
      const told = [];
      const onAbandoned = () => told.push(als.getStore());
      const lock = createSharedLock(60_000, {onAbandoned});
      const {buffer} = lock;
      const holder = startHolder();
      await holder.hold(buffer);
      const controller = new AbortController();
      const first = als.run('the first caller', () =>
        end === 'by its timeout'
          ? createSharedLock(20, {buffer, onAbandoned}).acquireLock()
          : end === 'by a signal'
            ? lock.acquire({signal: controller.signal})
            : undefined,
      );
      const heir = als.run('the heir', () => wait(lock));
      als.run('a later caller', () => void lock.withLock(() => undefined));
      controller.abort();
      await first?.catch(() => undefined);
      holder.tell('exit');
      await heir;
      console.log(`${way}, the first gives up ${end}: told ${told.join()}`);
    }
  }
}

async function functions() {
  const holder = startHolder();
  for (const [kind, make] of Object.entries(KINDS)) {
    const lock = make(60_000);
    if (lock.buffer) await holder.hold(lock.buffer);
    const seen = [];
    const note = () => seen.push(als.getStore());
    const calls = [0, 1, 2, 3].map((n) =>
      als.run(n, async () => {
        await lock.withLock(async () => {
          note();
          await sleep(1);
          note();
        });
        note();
      }),
    );
    if (lock.buffer) holder.tell('release');
    await Promise.all(calls);
    console.log(`${kind}: ${seen.sort().join('')}`);
  }
}

await {collected, timers, abandoned, functions}[process.argv[4]]();
process.exit();
