// The kind: what refuses a waiter, a timeout or an abort, costs more than it should, or tells less.
// No promise is rejected before somebody handles it, which every engine would have to note and to
// forget again; and a timeout's error leads to the code that waited.
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import test from 'ava';
import {createLock, createLocksByKey} from '../../src/index.js';
import {createLock as createSharedLock} from '../../src/shared/index.js';
import {compiledUrl} from '../support/compiled.js';
import {runFile} from '../support/program.js';

const program = fileURLToPath(new URL('programs/refused.js', import.meta.url));
const entries = [compiledUrl('src/index'), compiledUrl('src/shared/index')];

for (const kind of ['one', 'key', 'shared']) {
  for (const way of ['timeout', 'abort']) {
    test(`fifty thousand refused together leave no rejection unhandled: ${kind}, ${way}`, async (t) => {
      const {stdout, stderr, exit} = await runFile(program, {
        flags: ['--unhandled-rejections=warn'],
        args: [...entries, kind, way, '50000'],
      });
      const code = way === 'timeout' ? 'ERR_LOCK_TIMEOUT' : 'aborted';
      t.is(stdout, `{"${code}":50000} 0\n`);
      t.is(stderr, '');
      t.is(exit, '0');
    });

    test(`no promise is rejected before it has a handler: ${kind}, ${way}`, async (t) => {
      const directory = mkdtempSync(path.join(tmpdir(), 'lock-trace-'));
      t.teardown(() => rmSync(directory, {recursive: true, force: true}));
      const {stdout} = await runFile(program, {
        flags: ['--trace-event-categories=node.promises.rejections'],
        args: [...entries, kind, way, '1000'],
        cwd: directory,
      });
      t.regex(stdout, /":1000} 0\n$/);
      // V8 tells Node.js of each promise that is rejected without a handler, and Node.js counts
      // them.
      const log = readFileSync(path.join(directory, 'node_trace.1.log'), 'utf8');
      const {traceEvents} = JSON.parse(log) as {traceEvents: {name: string; args: object}[]};
      const counts = traceEvents.filter(({name}) => name === 'rejections');
      t.deepEqual(counts.at(-1)?.args, undefined);
    });
  }
}

/** Acquires a lock that is held, by each method. */
const CALLS = {
  'withLock of one lock': async () => {
    const lock = createLock(5);
    await lock.acquireLock();
    return () => lock.withLock(() => undefined);
  },
  'acquireLock of one lock': async () => {
    const lock = createLock(5);
    await lock.acquireLock();
    return () => lock.acquireLock();
  },
  'acquire of one lock': async () => {
    const lock = createLock(5);
    await lock.acquireLock();
    return () => lock.acquire();
  },
  'withLock by key': async () => {
    const locks = createLocksByKey<string>({timeoutMilliseconds: 5});
    await locks.acquireLock('key');
    return () => locks.withLock('key', () => undefined);
  },
  'acquireLock by key': async () => {
    const locks = createLocksByKey<string>({timeoutMilliseconds: 5});
    await locks.acquireLock('key');
    return () => locks.acquireLock('key');
  },
  'acquire by key': async () => {
    const locks = createLocksByKey<string>({timeoutMilliseconds: 5});
    await locks.acquireLock('key');
    return () => locks.acquire('key');
  },
  'withLock of a shared lock': async () => {
    const lock = createSharedLock(5);
    await lock.acquireLock();
    return () => lock.withLock(() => undefined);
  },
  'acquireLock of a shared lock': async () => {
    const lock = createSharedLock(5);
    await lock.acquireLock();
    return () => lock.acquireLock();
  },
  'acquire of a shared lock': async () => {
    const lock = createSharedLock(5);
    await lock.acquireLock();
    return () => lock.acquire();
  },
};

for (const [name, prepare] of Object.entries(CALLS)) {
  test(`the stack of a timeout leads to its caller: ${name}`, async (t) => {
    const call = await prepare();
    async function theCaller(): Promise<void> {
      await call();
    }
    async function itsCaller(): Promise<void> {
      await theCaller();
    }
    // Those who wait together are refused together, and each is told of its own caller.
    async function another(): Promise<void> {
      await call();
    }
    const [outcome, other] = await Promise.allSettled([itsCaller(), another()]);
    const stackOf = (result: PromiseSettledResult<void>) =>
      result.status === 'rejected' ? String((result.reason as Error).stack) : 'no error';
    t.regex(stackOf(outcome), /Timed out waiting for lock after 5ms\n/);
    t.regex(stackOf(outcome), /at async theCaller .*refusing\.test.*\n.*at async itsCaller /);
    t.regex(stackOf(other), /at async another /);
  });
}
