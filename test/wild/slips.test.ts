// The kind: a slip of the caller's passes in silence, or is reported by a text that does not lead
// to it. Every slip is named, as what it is, with what to write instead; and an error can be
// recognised wherever it gets to.
import {fileURLToPath} from 'node:url';
import {inspect} from 'node:util';
import {threadId} from 'node:worker_threads';
import test, {type ExecutionContext} from 'ava';
import {Piscina} from 'piscina';
import {createLock, createLocksByKey} from '../../src/index.js';
import {createLock as createSharedLock} from '../../src/shared/index.js';
import {actors} from '../support/actors.js';
import {settle, watch} from '../support/async.js';
import {compiledUrl} from '../support/compiled.js';

interface Slip {
  readonly call: () => unknown;
  /** What the message must tell. */
  readonly tells: readonly RegExp[];
}

/** Calls with arguments that the types forbid, as JavaScript or a cast lets them through. */
type Loose = (...args: unknown[]) => unknown;
const create = createLock as Loose;
const createShared = createSharedLock as unknown as Loose;
const createByKey = createLocksByKey as unknown as Loose;

const existing = createSharedLock(1000);
const {buffer} = existing;
const {signal} = new AbortController();

const CREATORS: Record<string, Slip> = {
  'a buffer without braces': {
    call: () => createShared(1000, buffer),
    tells: [/SharedArrayBuffer/, /\{ ?buffer\b/],
  },
  'a buffer for a lock of one thread': {
    call: () => create(1000, {buffer}),
    tells: [/@databases\/lock\/shared/],
  },
  'a buffer alone for a lock of one thread': {
    call: () => create(1000, buffer),
    tells: [/@databases\/lock\/shared/],
  },
  'a misspelt buffer': {
    call: () => createShared(1000, {buf: buffer}),
    tells: [/\bbuf\b/, /\bbuffer\b/],
  },
  'a misspelt onAbandoned': {
    call: () => createShared(1000, {buffer, onabandoned: () => undefined}),
    tells: [/\bonabandoned\b/, /\bonAbandoned\b/],
  },
  'a timeout among the options': {
    call: () => createShared(undefined, {timeoutMilliseconds: 1000}),
    tells: [/\btimeoutMilliseconds\b/],
  },
  'options of locks by key that there are not': {
    call: () => createByKey({timeout: 1000}),
    tells: [/\btimeout\b/, /\btimeoutMilliseconds\b/],
  },
  'a misspelt store': {
    call: () => createByKey({Store: new Map()}),
    tells: [/\bStore\b/, /\bstore\b/],
  },
  'a store without braces': {call: () => createByKey(new Map()), tells: [/Map/, /\bstore\b/]},
  'a shared lock where its buffer belongs': {
    call: () => createShared(1000, {buffer: existing}),
    tells: [/SharedLock/, /\.buffer\b/],
  },
  'a shared lock as options': {
    call: () => createShared(1000, existing),
    tells: [/SharedLock/, /\bbuffer\b/],
  },
  'an ArrayBuffer': {
    call: () => createShared(1000, {buffer: new ArrayBuffer(buffer.byteLength)}),
    tells: [/(?<!Shared)ArrayBuffer/, /SharedArrayBuffer/],
  },
  'an array over the buffer': {
    call: () => createShared(1000, {buffer: new Int32Array(buffer)}),
    tells: [/Int32Array/, /SharedArrayBuffer/],
  },
  'a Node.js Buffer over the buffer': {
    call: () => createShared(1000, {buffer: Buffer.from(buffer)}),
    tells: [/Uint8Array|\bBuffer\b/, /SharedArrayBuffer/],
  },
  'what JSON made of a buffer': {
    call: () => createShared(1000, {buffer: JSON.parse(JSON.stringify(buffer)) as unknown}),
    tells: [/object/, /SharedArrayBuffer/],
  },
};

for (const [name, {call, tells}] of Object.entries(CREATORS)) {
  test(`no lock is made of ${name}`, (t) => {
    const error = t.throws(call, {instanceOf: TypeError});
    for (const told of tells) t.regex(error.message, told);
  });
}

const KINDS = {
  'one lock': () => {
    const lock = createLock(1000);
    const acquire = (options?: unknown) => lock.acquire(options as undefined);
    return {...lockLike(lock), acquire};
  },
  'a shared lock': () => {
    const lock = createSharedLock(1000);
    const acquire = (options?: unknown) => lock.acquire(options as undefined);
    return {...lockLike(lock), acquire};
  },
  'a lock by key': () => {
    const locks = createLocksByKey<string>({timeoutMilliseconds: 1000});
    return {
      acquire: (options?: unknown) => locks.acquire('key', options as undefined),
      withLock: (fn: () => unknown) => locks.withLock('key', fn),
      releaseLock: () => locks.releaseLock('key'),
      state: () => [locks.isLocked('key'), locks.pendingCount('key')],
    };
  },
};

function lockLike(lock: ReturnType<typeof createLock>) {
  return {
    withLock: (fn: () => unknown) => lock.withLock(fn),
    releaseLock: () => lock.releaseLock(),
    state: () => [lock.isLocked, lock.pendingCount],
  };
}

for (const [kind, make] of Object.entries(KINDS)) {
  for (const [name, options, tells] of [
    ['a signal without braces', signal, [/AbortSignal/, /\{ ?signal\b/]],
    ['a timeout', {timeout: 5}, [/\btimeout\b/, /\bsignal\b/]],
    ['a misspelt signal', {Signal: signal}, [/\bSignal\b/, /\bsignal\b/]],
    ['a controller', {signal: new AbortController()}, [/AbortSignal/, /signal/]],
  ] as const) {
    test(`acquire of ${kind} refuses ${name}, and queues nothing`, async (t) => {
      const lock = make();
      const error = await t.throwsAsync(lock.acquire(options), {instanceOf: TypeError});
      for (const told of tells) t.regex(error.message, told);
      t.deepEqual(lock.state(), [false, 0]);
      const guard = await lock.acquire();
      await t.throwsAsync(lock.acquire(options), {instanceOf: TypeError});
      t.deepEqual(lock.state(), [true, 0]);
      guard.release();
    });
  }

  test(`options of ${kind} that are right are accepted, whatever object they are in`, async (t) => {
    const lock = make();
    class Options {
      signal = signal;
    }
    const bare = Object.assign(Object.create(null) as object, {signal});
    for (const options of [undefined, {}, {signal: undefined}, {signal}, new Options(), bare]) {
      (await lock.acquire(options)).release();
    }
    t.deepEqual(lock.state(), [false, 0]);
  });

  test(`each mistake in releasing ${kind} has a text of its own`, async (t) => {
    const lock = make();
    const error = async (call: () => unknown) => {
      const caught = await t.throwsAsync(async () => call(), {code: 'ERR_LOCK_NOT_HELD'});
      return caught.message;
    };
    const never = await error(() => lock.releaseLock());
    const inside = await error(() => lock.withLock(() => lock.releaseLock()));
    const guard = await lock.acquire();
    lock.releaseLock();
    const under = await error(() => guard.release());
    t.is(new Set([never, inside, under]).size, 3, [never, inside, under].join('\n'));
    t.regex(inside, /withLock/);
    t.regex(under, /guard/i);
  });
}

test('a release through another object, and of what another thread holds, is told as that', async (t) => {
  const [actor] = actors(t, 1);
  if (!actor) throw new Error('There is no actor.');
  const one = createSharedLock();
  const other = createSharedLock(undefined, {buffer: one.buffer});
  const message = (call: () => void) => t.throws(call, {code: 'ERR_LOCK_NOT_HELD'}).message;
  const free = message(() => one.releaseLock());
  await one.acquireLock();
  const throughOther = message(() => other.releaseLock());
  t.regex(throughOther, /object/);
  one.releaseLock();
  await actor.tell({do: 'attach', buffer: one.buffer});
  await actor.tell({do: 'acquire'});
  const ofThread = message(() => one.releaseLock());
  t.regex(ofThread, new RegExp(`\\bthread ${actor.threadId}\\b`, 'i'));
  t.is(new Set([free, throughOther, ofThread]).size, 3);
});

async function timeoutOf(t: ExecutionContext, acquire: () => Promise<unknown>): Promise<Error> {
  await acquire();
  return t.throwsAsync(acquire, {code: 'ERR_LOCK_TIMEOUT'});
}

const TIMEOUT = {code: 'ERR_LOCK_TIMEOUT', timeoutMilliseconds: 5};

for (const [name, acquire, cause] of [
  ['one lock', ofLock(createLock(5)), TIMEOUT],
  ['a shared lock', ofLock(createSharedLock(5)), {...TIMEOUT, ownerThreadId: threadId}],
  ['the key of a text', ofKey('text'), {...TIMEOUT, key: 'text'}],
  ['the key of a number', ofKey(7), {...TIMEOUT, key: 7}],
  ['a key that is a symbol', ofKey(Symbol('key')), TIMEOUT],
  ['a key that is an object', ofKey({id: 1}), TIMEOUT],
  ['a key that is a function', ofKey(() => undefined), TIMEOUT],
  ['a key that cannot be cloned', ofKey({id: () => 1}), TIMEOUT],
] as const) {
  test(`the facts of a timeout survive a structured clone: ${name}`, async (t) => {
    const error = await timeoutOf(t, acquire);
    t.deepEqual(error.cause, cause);
    const clone = structuredClone(error);
    t.deepEqual(clone.cause, cause);
    t.is(clone.message, error.message);
  });
}

function ofLock(lock: ReturnType<typeof createLock>) {
  return () => lock.acquireLock();
}

function ofKey(key: unknown) {
  const locks = createLocksByKey({timeoutMilliseconds: 5});
  return () => locks.acquireLock(key);
}

test('the facts of errors that are no timeout survive a structured clone', async (t) => {
  const lock = createLock();
  const notHeld = t.throws(() => lock.releaseLock());
  t.deepEqual(structuredClone(notHeld).cause, {code: 'ERR_LOCK_NOT_HELD'});
  await lock.pool();
  const pooled = await t.throwsAsync(lock.acquireLock());
  t.deepEqual(structuredClone(pooled).cause, {code: 'ERR_LOCK_POOLED'});
});

test('an error of a lock can be recognised outside of a Piscina task', async (t) => {
  const pool = new Piscina({
    filename: fileURLToPath(new URL('programs/timesOut.js', import.meta.url)),
    maxThreads: 1,
  });
  t.teardown(() => pool.destroy());
  const lock = createSharedLock();
  await lock.acquireLock();
  const task = {sharedEntry: compiledUrl('src/shared/index'), buffer: lock.buffer};
  const error = await t.throwsAsync(pool.run(task) as Promise<unknown>);
  t.deepEqual(error.cause, {
    code: 'ERR_LOCK_TIMEOUT',
    timeoutMilliseconds: 20,
    ownerThreadId: threadId,
  });
});

test('inspect shows whether a lock is held, how many wait, and across threads by which', async (t) => {
  for (const lock of [createLock(), createSharedLock()]) {
    t.regex(inspect(lock), /\bfree\b/);
    await lock.acquireLock();
    const waiters = Array.from({length: 12}, () => watch(lock.acquireLock()));
    const shown = inspect(lock);
    t.regex(shown, /\bheld\b/);
    t.regex(shown, /\b12\b/);
    t.notRegex(shown, /LineLock|AtomicsLock/);
    if ('buffer' in lock) t.regex(shown, new RegExp(`thread ${threadId}\\b`, 'i'));
    for (const _ of waiters) {
      lock.releaseLock();
      await settle();
    }
    lock.releaseLock();
    t.regex(inspect({lock}, {depth: 5}), /\bfree\b/);
  }
});

test('inspect shows the thread that holds a shared lock', async (t) => {
  const [actor] = actors(t, 1);
  if (!actor) throw new Error('There is no actor.');
  const lock = createSharedLock();
  await actor.tell({do: 'attach', buffer: lock.buffer});
  await actor.tell({do: 'acquire'});
  t.regex(inspect(lock), new RegExp(`\\bheld\\b.*thread ${actor.threadId}\\b`, 'is'));
});
