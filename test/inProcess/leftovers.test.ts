// Promise 6: nothing is left over. What a process keeps is seen from outside, in programs of their
// own.
import test from 'ava';
import {compiledUrl} from '../support/compiled.js';
import {runProgram} from '../support/program.js';

const run = (program: string, ...flags: string[]) => {
  const entry = compiledUrl('src/index');
  return runProgram(`import {createLock, createLocksByKey} from '${entry}';\n${program}`, ...flags);
};

test('a process exits at once when the last caller is done, whatever the timeout', async (t) => {
  const output = await run(`
    const lock = createLock(1_000_000);
    const locks = createLocksByKey({timeoutMilliseconds: 1_000_000});
    await Promise.all([1, 2, 3].map((n) => lock.withLock(() => new Promise(setImmediate))));
    await Promise.all([1, 2, 3].map((n) => locks.withLock('key', () => new Promise(setImmediate))));
    process.on('exit', () => console.log(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, 'timers'));
  `);
  t.is(output, '0 timers\nexit 0');
});

test('a wait that a signal refuses to end leaves no timer behind', async (t) => {
  const output = await run(`
    const lock = createLock(1_000_000);
    await lock.acquireLock();
    const addEventListener = () => {
      throw new Error('no more listeners');
    };
    const signal = {aborted: false, addEventListener, removeEventListener() {}};
    await lock.acquire({signal}).catch((error) => console.log(error.message));
    process.on('exit', () => console.log(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, 'timers'));
  `);
  t.is(output, 'no more listeners\n0 timers\nexit 0');
});

test('a held lock, and waiters without a timeout, keep no process alive', async (t) => {
  const output = await run(`
    for (const lock of [createLock(), createLock(Infinity)]) {
      await lock.acquireLock();
      lock.withLock(() => console.log('admitted'));
    }
    process.on('exit', () => console.log('end'));
  `);
  t.is(output, 'end\nexit 0');
});

test('a waiter with a timeout keeps the process alive until it has timed out', async (t) => {
  const output = await run(`
    const lock = createLock(100);
    await lock.acquireLock();
    lock.acquireLock().catch((error) => console.log(error.code));
  `);
  t.is(output, 'ERR_LOCK_TIMEOUT\nexit 0');
});

test('a million operations over a million keys leave the store empty and the heap where it was', async (t) => {
  const output = await run(
    `
      const store = new Map();
      const locks = createLocksByKey({store, timeoutMilliseconds: 30_000});
      const round = async (from, to) => {
        for (let key = from; key < to; key += 10_000) {
          const calls = [];
          for (let n = 0; n < 10_000; n++) calls.push(locks.withLock(key + (n >> 1), () => undefined));
          await Promise.all(calls);
        }
      };
      const heap = () => {
        gc();
        return process.memoryUsage().heapUsed;
      };
      await round(0, 10_000);
      const before = heap();
      for (let key = 0; key < 2_000_000; key += 100_000) await round(key, key + 100_000);
      console.log(store.size, heap() - before < 1_000_000 ? 'no growth' : heap() - before);
    `,
    '--expose-gc',
  );
  t.is(output, '0 no growth\nexit 0');
});

test('half a million waiters that time out leave no heap behind', async (t) => {
  const output = await run(
    `
      const lock = createLock(20);
      const heap = () => {
        gc();
        return process.memoryUsage().heapUsed;
      };
      const round = async () => {
        await lock.acquireLock();
        const calls = [];
        for (let n = 0; n < 50_000; n++) calls.push(lock.withLock(() => undefined).catch(() => undefined));
        await calls[0];
        lock.releaseLock();
        await Promise.all(calls);
      };
      await round();
      const before = heap();
      for (let n = 0; n < 10; n++) await round();
      console.log(heap() - before < 1_000_000 ? 'no growth' : heap() - before);
    `,
    '--expose-gc',
  );
  t.is(output, 'no growth\nexit 0');
});

test('callers who are served leave no heap behind while another waits for long', async (t) => {
  const output = await run(
    `
      const locks = createLocksByKey({timeoutMilliseconds: 1_000_000});
      await locks.acquireLock('held');
      locks.acquireLock('held');
      const heap = () => {
        gc();
        return process.memoryUsage().heapUsed;
      };
      const round = async () => {
        const calls = [];
        for (let n = 0; n < 10_000; n++) calls.push(locks.withLock('busy', () => undefined));
        await Promise.all(calls);
      };
      await round();
      const before = heap();
      for (let n = 0; n < 20; n++) await round();
      console.log(heap() - before < 2_000_000 ? 'no growth' : heap() - before);
      locks.releaseLock('held');
    `,
    '--expose-gc',
  );
  t.is(output, 'no growth\nexit 0');
});

test('a waiter that was served is not kept, though others wait with the same timeout', async (t) => {
  const output = await run(
    `
      const lock = createLock(1_000_000);
      await lock.acquireLock();
      let task = {};
      const served = new WeakRef(task);
      const waits = lock.acquireLock(task).then(() => undefined);
      task = undefined;
      for (let n = 0; n < 3; n++) lock.acquireLock().catch(() => {});
      lock.releaseLock();
      await waits;
      await new Promise(setImmediate);
      gc();
      console.log(served.deref() === undefined ? 'gone' : 'kept', lock.pendingCount);
      process.exit();
    `,
    '--expose-gc',
  );
  t.is(output, 'gone 3\nexit 0');
});
