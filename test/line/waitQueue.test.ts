import test from 'ava';
import type {LineWaiter} from '../../src/line/protocol.js';
import {WaitQueue, admit} from '../../src/line/waitQueue.js';
import {countLeft} from '../support/garbage.js';

interface Waiter {
  readonly name: number;
  isWaiting: boolean;
}

const create = (name: number): Waiter => ({name, isWaiting: true});

function createQueue(count: number) {
  const queue = new WaitQueue<Waiter>();
  const waiters = Array.from({length: count}, (_, name) => create(name));
  for (const waiter of waiters) queue.enqueue(waiter);
  return {queue, waiters};
}

function leave(queue: WaitQueue<Waiter>, waiter: Waiter | undefined): void {
  if (waiter === undefined) throw new Error('Nobody is there to leave.');
  waiter.isWaiting = false;
  queue.dequeue(waiter);
}

/** The names of those who still wait, in their order. Nobody is left afterwards. */
function drain(queue: WaitQueue<Waiter>): number[] {
  const names: number[] = [];
  for (let waiter; (waiter = queue.first); leave(queue, waiter)) names.push(waiter.name);
  return names;
}

test('whoever came first is first', (t) => {
  const {queue} = createQueue(5);
  t.is(queue.size, 5);
  t.is(queue.first?.name, 0);
  t.is(queue.first?.name, 0, 'whoever looks changes nothing');
  t.deepEqual(drain(queue), [0, 1, 2, 3, 4]);
  t.deepEqual([queue.size, queue.first], [0, undefined]);
});

test('a queue that was empty in between keeps its order', (t) => {
  const {queue} = createQueue(3);
  drain(queue);
  queue.enqueue(create(3));
  queue.enqueue(create(4));
  leave(queue, queue.first);
  queue.enqueue(create(5));
  t.is(queue.size, 2);
  t.deepEqual(drain(queue), [4, 5]);
});

test('queues share nothing', (t) => {
  const {queue} = createQueue(0);
  const {queue: other} = createQueue(0);
  queue.enqueue(create(1));
  t.deepEqual([other.size, other.first], [0, undefined]);
});

test('whoever leaves from the middle is passed over', (t) => {
  const {queue, waiters} = createQueue(6);
  for (const name of [1, 2, 4]) leave(queue, waiters[name]);
  t.is(queue.size, 3);
  t.deepEqual(drain(queue), [0, 3, 5]);
});

test('the order is kept whoever leaves, and whenever others come', (t) => {
  const {queue} = createQueue(0);
  let expected: Waiter[] = [];
  for (let step = 0; step < 2000; step++) {
    // A few steps of coming, a few of leaving, from each place in turn.
    if (step % 50 < 25 || expected.length === 0) {
      const waiter = create(step);
      queue.enqueue(waiter);
      expected.push(waiter);
    } else {
      const leaving = expected[(step * 7) % expected.length];
      leave(queue, leaving);
      expected = expected.filter((waiter) => waiter !== leaving);
    }
    if (queue.size !== expected.length || queue.first !== expected[0]) {
      t.fail(`step ${step}: ${queue.size} wait, the first is ${queue.first?.name}`);
    }
  }
  t.deepEqual(
    drain(queue),
    expected.map(({name}) => name),
  );
});

test('the first may be dequeued before it stops waiting', (t) => {
  const {queue} = createQueue(3);
  for (let first; (first = queue.first); first.isWaiting = false) {
    queue.dequeue(first);
    t.not(queue.first, first);
  }
  t.is(queue.size, 0);
});

test('recount finds out who has gone without dequeue', (t) => {
  const {queue, waiters} = createQueue(5);
  leave(queue, waiters[0]);
  for (const waiter of waiters) if (waiter.name % 2 === 1) waiter.isWaiting = false;
  queue.recount();
  t.is(queue.size, 2);
  queue.enqueue(create(5));
  t.deepEqual(drain(queue), [2, 4, 5]);
});

test('recount finds an empty queue where all have gone', (t) => {
  const {queue, waiters} = createQueue(3);
  for (const waiter of waiters) waiter.isWaiting = false;
  queue.recount();
  t.deepEqual([queue.size, queue.first], [0, undefined]);
  queue.enqueue(create(3));
  t.deepEqual(drain(queue), [3]);
});

/** Makes a queue of whom some leave. @returns the queue, and references to those who left */
function leaveOf(count: number, hasLeft: (name: number) => boolean) {
  const {queue, waiters} = createQueue(count);
  const left = waiters.filter(({name}) => hasLeft(name));
  for (const waiter of left) leave(queue, waiter);
  return {queue, left: left.map((waiter) => new WeakRef(waiter))};
}

test('nobody who left from the front is kept', async (t) => {
  const {queue, left} = leaveOf(100, (name) => name < 40);
  t.is(await countLeft(left), 0);
  t.is(queue.size, 60);
});

test('nobody is kept once all have left', async (t) => {
  const {queue, left} = leaveOf(100, () => true);
  t.is(await countLeft(left), 0);
  t.is(queue.size, 0);
});

test('at most two who left from the middle are kept for each who waits', async (t) => {
  for (const waiting of [1, 10, 50]) {
    const {queue, left} = leaveOf(100, (name) => name >= waiting);
    const kept = await countLeft(left);
    t.true(kept <= 2 * waiting, `${kept} are kept where ${waiting} wait`);
    t.is(queue.size, waiting);
  }
});

test('a queue whose only waiter could not be admitted keeps it, and shares nothing', (t) => {
  const queue = new WaitQueue<LineWaiter>();
  const createLineWaiter = (): LineWaiter => ({
    entrance: {lock: {}, onAbandoned: undefined},
    isWaiting: true,
    admit: () => {
      throw new RangeError('Maximum call stack size exceeded');
    },
  });
  const [first, second, other] = [createLineWaiter(), createLineWaiter(), createLineWaiter()];
  queue.enqueue(first);
  t.throws(() => admit(first, queue, 1), {instanceOf: RangeError});
  t.deepEqual([queue.size, queue.first], [1, first]);
  queue.enqueue(second);
  const another = new WaitQueue<LineWaiter>();
  another.enqueue(other);
  t.deepEqual([another.size, another.first], [1, other]);
  another.dequeue(other);
  t.deepEqual([another.size, another.first], [0, undefined]);
  queue.dequeue(first);
  t.deepEqual([queue.size, queue.first], [1, second]);
  // A queue that is new finds nobody of them.
  const third = new WaitQueue<LineWaiter>();
  third.size = 1;
  t.is(third.first, undefined);
});
