import {cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import path from 'node:path';
import test from 'ava';
import type {createLock} from '../../src/shared/index.js';
import {settle, values, watch} from '../support/async.js';
import {compiledFile, compiledUrl} from '../support/compiled.js';

interface Copy {
  readonly createLock: typeof createLock;
}

const require = createRequire(import.meta.url);
const esm = (await import(compiledUrl('src/shared/index'))) as Copy;
const commonjs = require(compiledFile('src/shared/index', 'commonjs')) as Copy;

/** A copy of the package in which names are replaced in all files, and how often each was found. */
function renamed(names: Record<string, string>): {copy: Copy; counts: Record<string, number>} {
  const directory = mkdtempSync(path.join(tmpdir(), 'lock-renamed-'));
  process.once('exit', () => rmSync(directory, {recursive: true, force: true}));
  const from = path.resolve(compiledFile('src/index', 'commonjs'), '../..');
  cpSync(from, directory, {recursive: true});
  const counts = Object.fromEntries(Object.keys(names).map((name) => [name, 0]));
  // Whole words, but for the name of a file.
  const word = new RegExp(`(?<!/)\\b(${Object.keys(names).join('|')})\\b`, 'g');
  for (const name of readdirSync(directory, {recursive: true, encoding: 'utf8'})) {
    if (!name.endsWith('.js')) continue;
    const file = path.join(directory, name);
    const text = readFileSync(file, 'utf8').replace(word, (found) => {
      counts[found] = (counts[found] ?? 0) + 1;
      return names[found] as string;
    });
    writeFileSync(file, text);
  }
  return {copy: require(path.join(directory, 'src/shared/index.js')) as Copy, counts};
}

/** Whether lock objects of two copies stand in one line: then each counts the waiters of both. */
async function isShared(one: Copy, two: Copy): Promise<boolean> {
  const a = one.createLock();
  const b = two.createLock(undefined, {buffer: a.buffer});
  const guard = await a.acquire();
  const waiter = b.acquire();
  const isInLine = a.pendingCount === 1;
  guard.release();
  (await waiter).release();
  return isInLine;
}

test('two copies of the package share a line', async (t) => {
  t.not(esm.createLock, commonjs.createLock);
  const a = esm.createLock();
  const b = commonjs.createLock(undefined, {buffer: a.buffer});
  await a.acquireLock();
  const order: string[] = [];
  const calls = [
    b.withLock(() => order.push('b1')),
    a.withLock(() => order.push('a1')),
    b.withLock(() => order.push('b2')),
  ];
  t.deepEqual([a.pendingCount, b.pendingCount], [3, 3]);
  a.releaseLock();
  await Promise.all(calls);
  t.deepEqual(order, ['b1', 'a1', 'b2']);
  t.deepEqual([a.pendingCount, b.pendingCount, a.isLocked, b.isLocked], [0, 0, false, false]);
});

test('copies share a line whichever made the lock', async (t) => {
  t.true(await isShared(esm, commonjs));
  t.true(await isShared(commonjs, esm));
});

test('a lock that two copies share is released by the one that has it only', async (t) => {
  const a = esm.createLock();
  const b = commonjs.createLock(undefined, {buffer: a.buffer});
  await a.acquireLock();
  t.throws(() => b.releaseLock(), {
    code: 'ERR_LOCK_NOT_HELD',
    message: /another lock object of this thread holds it/,
  });
  t.true(a.isLocked);
  a.releaseLock();
  t.false(b.isLocked);
});

test('names that are not in the protocol may differ between copies that share a line', async (t) => {
  const {copy, counts} = renamed({
    assertOpen: 'attemptEntry',
    isHeldBy: 'isHolderOf',
    acquireGuard: 'joinToHaveAGuard',
    admitted: 'letInside',
    handOn: 'pass',
    tryTake: 'attempt',
    extendTenure: 'goOn',
  });
  for (const [name, count] of Object.entries(counts)) t.true(count > 1, name);
  t.true(await isShared(esm, copy));
  t.true(await isShared(copy, commonjs));
});

/** Members of the protocol that no lock object has, and what another version may call them. */
const otherNames: Record<string, string> = {
  withdraw: 'retreat',
  waiting: 'inLine',
  admit: 'letIn',
  isWaiting: 'isInLine',
  holder: 'current',
  entrance: 'way',
};

for (const [name, other] of Object.entries(otherNames)) {
  test(`copies of which one calls ${name} otherwise have a line each, and exclude each other`, async (t) => {
    const {copy, counts} = renamed({[name]: other});
    t.true((counts[name] ?? 0) > 1);
    t.false(await isShared(esm, copy));
    const a = esm.createLock();
    const b = copy.createLock(undefined, {buffer: a.buffer});
    let inside = 0;
    let most = 0;
    const section = async () => {
      most = Math.max(most, ++inside);
      await settle();
      inside--;
    };
    const calls = Array.from({length: 12}, (_, n) => (n % 2 ? a : b).withLock(section));
    await Promise.all(calls);
    t.is(most, 1);
    t.deepEqual([a.isLocked, b.isLocked], [false, false]);
    t.deepEqual([a.pendingCount, b.pendingCount], [0, 0]);
  });
}

const different = renamed({withdraw: 'retreat', waiting: 'inLine', admit: 'letIn'}).copy;

for (const [pair, one, two] of [
  ['', esm, different],
  [', and the other way round', different, esm],
] as const) {
  const setUp = () => {
    const a = one.createLock();
    const b = two.createLock(undefined, {buffer: a.buffer});
    return {a, b};
  };

  test(`a lock that a copy holds is locked for a copy of another protocol, which waits${pair}`, async (t) => {
    const {a, b} = setUp();
    await a.acquireLock();
    t.deepEqual([a.isLocked, b.isLocked], [true, true]);
    t.is(b.tryAcquire(), undefined);
    await t.throwsAsync(two.createLock(0, {buffer: a.buffer}).acquireLock(), {
      code: 'ERR_LOCK_TIMEOUT',
    });
    const waiter = watch(b.acquireLock('b'));
    await settle();
    t.deepEqual(waiter, []);
    t.deepEqual([a.pendingCount, b.pendingCount], [0, 1]);
    a.releaseLock();
    while (waiter.length === 0) await settle();
    t.deepEqual(values(waiter), ['b']);
    t.deepEqual([a.isLocked, b.isLocked], [true, true]);
    b.releaseLock();
    t.deepEqual([a.isLocked, b.isLocked], [false, false]);
  });

  test(`a lock that a copy holds is not released through a copy of another protocol${pair}`, async (t) => {
    const {a, b} = setUp();
    await a.acquireLock();
    t.throws(() => b.releaseLock(), {code: 'ERR_LOCK_NOT_HELD'});
    t.deepEqual([a.isLocked, b.isLocked], [true, true]);
    a.releaseLock();
    t.throws(() => b.releaseLock(), {code: 'ERR_LOCK_NOT_HELD'});
    using guard = b.tryAcquire();
    t.truthy(guard);
    t.throws(() => a.releaseLock(), {code: 'ERR_LOCK_NOT_HELD'});
  });

  test(`who waits for a copy of another protocol may give up${pair}`, async (t) => {
    const {a, b} = setUp();
    await a.acquireLock();
    const controller = new AbortController();
    const waiter = b.acquire({signal: controller.signal});
    controller.abort(new Error('It has waited enough.'));
    await t.throwsAsync(waiter, {message: 'It has waited enough.'});
    t.is(b.pendingCount, 0);
    a.releaseLock();
    t.is(await a.withLock(() => 'a'), 'a');
    t.is(await b.withLock(() => 'b'), 'b');
  });
}

test('a thread that has the lock in the line of another copy is not blocked for it', async (t) => {
  const {copy} = renamed({acquireBlocking: 'acquireByBlocking'});
  const lock = esm.createLock();
  const other = copy.createLock(undefined, {buffer: lock.buffer});
  t.false(await isShared(esm, copy));
  const guard = await other.acquire();
  const options = {allowMainThread: true, timeoutMilliseconds: 1_000};
  t.throws(() => lock.acquireSync(options), {code: 'ERR_LOCK_DEADLOCK'});
  guard.release();
  lock.acquireSync(options).release();
  t.false(other.isLocked);
});
