// What a thread or a process is kept alive by, and what is left when the last caller is gone.
import test from 'ava';
import {compiledUrl} from '../support/compiled.js';
import {runProgram} from '../support/program.js';

const run = (program: string, ...flags: string[]) =>
  runProgram(`${common(compiledUrl('src/shared/index'))}\n${program}`, ...flags);

/**
 * `thread(code)` starts a worker that has `createLock`, `lock` of the buffer, `parentPort` and
 * `sleep`.
 */
const common = (entry: string) => `
  import {Worker} from 'node:worker_threads';
  import {createLock} from '${entry}';
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const thread = (buffer, code) => {
    const program = \`
      const {parentPort, workerData} = require('node:worker_threads');
      const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
      import('${entry}').then(async ({createLock}) => {
        const lock = createLock(undefined, {buffer: workerData});
        \${code}
      });
    \`;
    return new Worker(program, {eval: true, execArgv: [], workerData: buffer});
  };
  const message = (worker) => new Promise((resolve) => worker.once('message', resolve));
  const heap = () => {
    gc();
    return process.memoryUsage().heapUsed;
  };
`;

test('a process whose only business is to wait for another thread stays alive until it has the lock', async (t) => {
  const output = await run(`
    const lock = createLock();
    const worker = thread(lock.buffer, \`
      await lock.acquireLock();
      parentPort.postMessage('held');
      await sleep(300);
      lock.releaseLock();
      setInterval(() => {}, 1000);
    \`);
    await message(worker);
    worker.unref();
    console.log(await lock.withLock(() => 'acquired'));
  `);
  t.is(output, 'acquired\nexit 0');
});

test('a worker whose only business is to wait for another thread stays alive until it has the lock', async (t) => {
  const output = await run(`
    const lock = createLock();
    await lock.acquireLock();
    const worker = thread(lock.buffer, \`console.log(await lock.withLock(() => 'acquired'));\`);
    await sleep(400);
    lock.releaseLock();
  `);
  t.is(output, 'acquired\nexit 0');
});

test('a waiter with a timeout keeps its process alive until then', async (t) => {
  const output = await run(`
    const lock = createLock(200);
    const worker = thread(lock.buffer, \`
      await lock.acquireLock();
      parentPort.postMessage('held');
      setInterval(() => {}, 1000);
    \`);
    await message(worker);
    worker.unref();
    await lock.acquireLock().catch((error) => console.log(error.code));
  `);
  t.is(output, 'ERR_LOCK_TIMEOUT\nexit 0');
});

test('a process exits at once when the last caller is done', async (t) => {
  const output = await run(`
    const lock = createLock(1_000_000);
    const worker = thread(lock.buffer, \`for (let n = 0; n < 50; n++) await lock.withLock(() => sleep(1));\`);
    for (let n = 0; n < 50; n++) await lock.withLock(() => sleep(1));
    process.on('exit', () => console.log(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, 'timers'));
  `);
  t.is(output, '0 timers\nexit 0');
});

test('a held lock, and callers behind a holder of their own thread, keep nothing alive', async (t) => {
  const output = await run(`
    const lock = createLock();
    await lock.acquireLock();
    lock.withLock(() => console.log('admitted'));
    process.on('exit', () => console.log('end'));
  `);
  t.is(output, 'end\nexit 0');
});

test('a hundred thousand objects on one buffer leave nothing behind', async (t) => {
  const output = await run(
    `
      const {buffer} = createLock();
      const round = async (count) => {
        for (let n = 0; n < count; n++) {
          const lock = createLock(1000, {buffer: structuredClone(buffer)});
          await lock.withLock(() => undefined);
          if (n % 2 === 0) await lock.pool();
          if (n % 1000 === 0) await sleep(0);
        }
      };
      await round(5000);
      await sleep(50);
      const before = heap();
      await round(100_000);
      await sleep(50);
      console.log(heap() - before < 1_000_000 ? 'no growth' : heap() - before);
    `,
    '--expose-gc',
  );
  t.is(output, 'no growth\nexit 0');
});

test('ten thousand locks whose objects are gone leave nothing behind', async (t) => {
  const output = await run(
    `
      const round = async (count) => {
        for (let n = 0; n < count; n++) {
          await createLock(1000).withLock(() => undefined);
          if (n % 100 === 0) await sleep(0);
        }
      };
      await round(100);
      const lines = globalThis[Object.getOwnPropertySymbols(globalThis).find((symbol) => String(symbol).includes('@databases/lock/shared'))].byId;
      const settle = async () => {
        for (let n = 0; n < 50 && lines.size > 0; n++) {
          gc();
          await sleep(20);
        }
      };
      await settle();
      const before = heap();
      await round(10_000);
      await settle();
      console.log(lines.size, heap() - before < 1_000_000 ? 'no growth' : heap() - before);
    `,
    '--expose-gc',
  );
  t.is(output, '0 no growth\nexit 0');
});

test('ten thousand waits that time out in a hundred threads that come and go leave nothing behind', async (t) => {
  const output = await run(
    `
      const holder = createLock();
      await holder.acquireLock();
      const batch = async () => {
        const threads = Array.from({length: 10}, () =>
          thread(holder.buffer, \`
            for (let n = 0; n < 100; n++) {
              const lock = createLock(1, {buffer: workerData});
              await lock.acquireLock().catch(() => undefined);
              await lock.pool();
            }
          \`),
        );
        await Promise.all(threads.map((worker) => new Promise((resolve) => worker.once('exit', resolve))));
      };
      await batch();
      const before = heap();
      for (let n = 0; n < 10; n++) await batch();
      console.log(heap() - before < 2_000_000 ? 'no growth' : heap() - before);
      holder.releaseLock();
      console.log(await holder.withLock(() => 'free'));
    `,
    '--expose-gc',
  );
  t.is(output, 'no growth\nfree\nexit 0');
});

test('a dead holder is found out also by callers who do not wait and whose objects are collected in between', async (t) => {
  const output = await run(
    `
      const {buffer} = createLock();
      const worker = thread(buffer, 'await lock.acquireLock();');
      await new Promise((resolve) => worker.once('exit', resolve));
      const isTaken = async () => {
        await sleep(20);
        gc();
        return createLock(0, {buffer}).tryAcquire() === undefined;
      };
      while (await isTaken());
      console.log('acquired');
    `,
    '--expose-gc',
  );
  t.is(output, 'acquired\nexit 0');
});
