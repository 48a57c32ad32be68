import {Piscina} from 'piscina';
import test, {type ExecutionContext} from 'ava';
import {createLock} from '../../src/shared/index.js';
import type {Task} from '../fixtures/piscinaTask.js';
import {until} from '../support/async.js';
import {compiledFile} from '../support/compiled.js';

function setUp(t: ExecutionContext) {
  const pool = new Piscina<Task, number[]>({
    filename: compiledFile('test/fixtures/piscinaTask'),
    minThreads: 3,
    maxThreads: 3,
  });
  t.teardown(() => pool.destroy());
  const {buffer} = createLock();
  const counter = new SharedArrayBuffer(12);
  const numbers = new Int32Array(counter);
  const run = (work: Task['work'], signal?: AbortSignal) =>
    pool.run({buffer, counter, work}, signal === undefined ? {} : {signal});
  return {buffer, numbers, run};
}

test('tasks of a pool, each with a lock object of its own, count without loss', async (t) => {
  const {numbers, run} = setUp(t);
  await Promise.all(Array.from({length: 300}, () => run('count')));
  t.is(numbers[0], 300);
});

for (const work of ['hold for ever', 'compute for ever'] as const) {
  test(`the lock of a task that is aborted while it would ${work} goes to the next, which is told`, async (t) => {
    const {numbers, run} = setUp(t);
    const controller = new AbortController();
    const aborted = run(work, controller.signal);
    await until(() => Atomics.load(numbers, 2) === 1);
    const others = Array.from({length: 20}, () => run('count'));
    await new Promise((resolve) => setTimeout(resolve, 500));
    controller.abort();
    await t.throwsAsync(aborted, {name: 'AbortError'});
    const told = await Promise.all(others);
    t.is(numbers[0], 20);
    t.deepEqual(told.flat(), [numbers[1]]);
  });
}

test('a worker that stands still between two tasks, with a caller in line, stops nobody', async (t) => {
  const {buffer, numbers, run} = setUp(t);
  const lock = createLock(undefined, {buffer});
  await lock.acquireLock();
  // All three workers: each now waits for the lock, and for a task.
  await Promise.all([run('forget a waiter'), run('forget a waiter'), run('forget a waiter')]);
  lock.releaseLock();
  for (let n = 0; n < 20; n++) await lock.withLock(() => Atomics.add(numbers, 0, 1));
  await Promise.all(Array.from({length: 20}, () => run('count')));
  t.is(numbers[0], 40);
});
