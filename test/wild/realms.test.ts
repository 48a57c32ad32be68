// The kind: a thread has many realms, of node:vm or a test runner's, that come and go, and the
// lock's code is loaded in each. What a realm leaves in the thread is one listener for all, keeps
// no realm, and needs nothing of a realm that is gone.
import {fileURLToPath} from 'node:url';
import test from 'ava';
import {compiledFile} from '../support/compiled.js';
import {runFile} from '../support/program.js';
import {commandFile, makeProject} from '../support/project.js';

const program = fileURLToPath(new URL('programs/realms.js', import.meta.url));

for (const [entry, listeners] of [
  ['src/shared/index', 1],
  ['src/index', 0],
] as const) {
  for (const use of listeners ? ['alone', 'with another realm'] : ['alone']) {
    test(`two hundred realms that use a lock ${use} leave nothing behind: ${entry}`, async (t) => {
      const {stdout, exit, stderr} = await runFile(program, {
        flags: ['--expose-gc'],
        args: [compiledFile(entry, 'commonjs'), use],
      });
      t.is(stderr, '');
      t.deepEqual(stdout.trimEnd().split('\n'), [
        `workerMessage listeners: ${listeners}`,
        '0 of 400 left',
        `workerMessage listeners in the end: ${listeners}`,
      ]);
      t.is(exit, '0');
    });
  }
}

const USES_LOCKS = `
const {Worker} = require('node:worker_threads');
const {createLock, createLocksByKey} = require('@databases/lock');
const {createLock: createSharedLock} = require('@databases/lock/shared');

const makers = {
  'one lock': createLock,
  'a lock by key': (timeoutMilliseconds) => {
    const locks = createLocksByKey({timeoutMilliseconds});
    return {
      acquireLock: () => locks.acquireLock('key'),
      releaseLock: () => locks.releaseLock('key'),
      withLock: (fn) => locks.withLock('key', fn),
    };
  },
  'a shared lock': createSharedLock,
};

for (const [name, make] of Object.entries(makers)) {
  test(name + ' admits one at a time', async () => {
    const lock = make(30_000);
    let inside = 0;
    let most = 0;
    const section = async () => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 1));
      inside--;
    };
    await Promise.all([1, 2, 3].map(() => lock.withLock(section)));
    expect(most).toBe(1);
  });

  test(name + ' times out', async () => {
    const lock = make(50);
    await lock.acquireLock();
    const outcome = await lock.acquireLock().catch((error) => error.code);
    expect(outcome).toBe('ERR_LOCK_TIMEOUT');
    lock.releaseLock();
  });

  test(name + ' times out, each waiter in its time, by fake timers', async () => {
    jest.useFakeTimers();
    try {
      const lock = make(50);
      await lock.acquireLock();
      const codes = [];
      const wait = () => lock.acquireLock().catch((error) => codes.push(error.code));
      wait();
      await jest.advanceTimersByTimeAsync(25);
      wait();
      await jest.advanceTimersByTimeAsync(24);
      expect(codes.length).toBe(0);
      await jest.advanceTimersByTimeAsync(1);
      expect(codes.length).toBe(1);
      jest.advanceTimersByTime(25);
      await jest.advanceTimersByTimeAsync(0);
      expect(codes).toEqual(['ERR_LOCK_TIMEOUT', 'ERR_LOCK_TIMEOUT']);
      lock.releaseLock();
    } finally {
      jest.useRealTimers();
    }
  });
}

test('a shared lock goes back and forth between two threads', async () => {
  const lock = createSharedLock();
  const counter = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(
    \`
      const {workerData} = require('node:worker_threads');
      const {createLock} = require('@databases/lock/shared');
      const lock = createLock(undefined, {buffer: workerData.buffer});
      const {counter} = workerData;
      (async () => {
        for (let n = 0; n < 50; n++) {
          await lock.withLock(async () => {
            const before = counter[0];
            await new Promise((resolve) => setTimeout(resolve, 0));
            counter[0] = before + 1;
          });
        }
      })();
    \`,
    {eval: true, execArgv: [], workerData: {buffer: lock.buffer, counter}},
  );
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  for (let n = 0; n < 50; n++) {
    await lock.withLock(async () => {
      const before = counter[0];
      await new Promise((resolve) => setTimeout(resolve, 0));
      counter[0] = before + 1;
    });
  }
  await ended;
  expect(counter[0]).toBe(100);
});

test('a lock is inherited from a thread that ended', async () => {
  const lock = createSharedLock();
  const worker = new Worker(
    \`
      const {parentPort, workerData} = require('node:worker_threads');
      const {createLock} = require('@databases/lock/shared');
      createLock(undefined, {buffer: workerData}).acquireLock().then(() => parentPort.postMessage('held'));
      setInterval(() => undefined, 1000);
    \`,
    {eval: true, execArgv: [], workerData: lock.buffer},
  );
  await new Promise((resolve) => worker.once('message', resolve));
  const heir = lock.withLock(() => 'inherited');
  await worker.terminate();
  expect(await heir).toBe('inherited');
});
`;

/**
 * Runs when the realm of the other file is gone, and gives what that left behind the occasion to
 * run.
 */
const USES_NONE = `
const v8 = require('node:v8');
const vm = require('node:vm');

test('nothing of another file fails here', async () => {
  v8.setFlagsFromString('--expose-gc');
  const gc = vm.runInNewContext('gc');
  for (let n = 0; n < 20; n++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
});
`;

for (const [title, options] of [
  ['by default', {testEnvironment: 'node'}],
  [
    "with globalsCleanup 'on'",
    {testEnvironment: 'node', testEnvironmentOptions: {globalsCleanup: 'on'}},
  ],
  ['in jsdom', {testEnvironment: 'jsdom'}],
  [
    "in jsdom with globalsCleanup 'on'",
    {testEnvironment: 'jsdom', testEnvironmentOptions: {globalsCleanup: 'on'}},
  ],
] as const) {
  test(`Jest ${title}: locks work, and leave other test files alone`, async (t) => {
    const project = makeProject(
      {
        'a.test.js': USES_LOCKS,
        'b.test.js': USES_NONE,
        'c.test.js': USES_LOCKS,
        'd.test.js': USES_NONE,
        'sequencer.js': `
          const Sequencer = require('@jest/test-sequencer').default;
          module.exports = class extends Sequencer {
            sort(tests) {
              return [...tests].sort((a, b) => (a.path < b.path ? -1 : 1));
            }
          };
        `,
        'jest.config.json': JSON.stringify({
          ...options,
          testEnvironment: fileURLToPath(
            import.meta.resolve(`jest-environment-${options.testEnvironment}`),
          ),
          transform: {},
          testTimeout: 8000,
          testSequencer: '<rootDir>/sequencer.js',
        }),
      },
      ['jest', '@jest/test-sequencer'],
    );
    const {stdout, stderr, exit} = await runFile(commandFile('jest'), {
      flags: ['--expose-gc'],
      args: ['--runInBand', '--json', '--config=jest.config.json'],
      cwd: project,
      env: {NODE_OPTIONS: '', FORCE_COLOR: '0'},
    });
    t.deepEqual(
      stderr.split('\n').filter((line) => /warning|@databases|●/i.test(line)),
      [],
    );
    const {numPassedTests, success} = JSON.parse(stdout || '{}') as Record<string, unknown>;
    t.deepEqual({numPassedTests, success, exit}, {numPassedTests: 24, success: true, exit: '0'});
  });
}
