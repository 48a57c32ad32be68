import test from 'ava';
import {waitersWith} from '../../src/line/aborts.js';
import {Deadlines} from '../../src/line/deadlines.js';
import {WaitQueue, type Source} from '../../src/line/waitQueue.js';
import {Waiter, type CancellableWaiters, type WaiterEntrance} from '../../src/line/waiter.js';
import type {AbortSignalLike} from '../../src/types.js';

const door: WaiterEntrance = {
  lock: {},
  onAbandoned: undefined,
  admitted: () => undefined,
  details: () => undefined,
  cancel: () => undefined,
};

function wait(timeout: CancellableWaiters | undefined, signal?: CancellableWaiters): Waiter {
  const waiter = new Waiter(door);
  void waiter.wait(timeout, signal);
  return waiter;
}

/** Logs when it begins to run and when it ends. Fails to start for whom `refuses` says so. */
class LoggedSource implements Source<Waiter> {
  readonly log: string[] = [];
  refuses = false;
  #isRunning = false;

  start(): void {
    if (!this.#isRunning) this.log.push('start');
    this.#isRunning = true;
    if (this.refuses) throw new Error('out of stack');
  }

  stop(): void {
    if (this.#isRunning) this.log.push('stop');
    this.#isRunning = false;
  }
}

function setUp() {
  const source = new LoggedSource();
  return {source, waiters: new WaitQueue<Waiter>(source)};
}

test('the source runs from the first waiter to the last', (t) => {
  const {source, waiters} = setUp();
  const [first, second] = [wait(waiters), wait(waiters)];
  t.deepEqual(source.log, ['start']);
  first.admit(1);
  t.deepEqual(source.log, ['start']);
  const third = wait(waiters);
  second.admit(2);
  t.deepEqual(source.log, ['start']);
  third.admit(3);
  t.deepEqual(source.log, ['start', 'stop']);
});

test('the source runs again for whoever comes after the last', (t) => {
  const {source, waiters} = setUp();
  wait(waiters).admit(1);
  wait(waiters).admit(2);
  t.deepEqual(source.log, ['start', 'stop', 'start', 'stop']);
});

test('the source starts before anybody is kept, and learns of each waiter', (t) => {
  const seen: unknown[] = [];
  const waiters = new WaitQueue<Waiter>({
    start: (waiter) => seen.push([waiter, waiters.first]),
    stop: () => undefined,
  });
  const first = wait(waiters);
  const second = wait(waiters);
  t.deepEqual(seen, [
    [first, undefined],
    [second, first],
  ]);
});

test('the first is the one that has waited longest', (t) => {
  const {waiters} = setUp();
  const [first, second, third] = [wait(waiters), wait(waiters), wait(waiters)];
  t.is(waiters.first, first);
  second.admit(1);
  t.is(waiters.first, first);
  first.admit(2);
  t.is(waiters.first, third);
  third.admit(3);
  t.is(waiters.first, undefined);
});

test('a waiter for whom the source does not start is not kept, and the source stops', (t) => {
  const {source, waiters} = setUp();
  source.refuses = true;
  const waiter = new Waiter(door);
  t.throws(() => waiter.wait(waiters, undefined), {message: 'out of stack'});
  t.is(waiters.first, undefined);
  waiter.tidy();
  t.deepEqual(source.log, ['start', 'stop']);
});

test('a source that does not start for one waiter runs on for the others', (t) => {
  const {source, waiters} = setUp();
  const first = wait(waiters);
  source.refuses = true;
  const second = new Waiter(door);
  t.throws(() => second.wait(waiters, undefined), {message: 'out of stack'});
  second.tidy();
  t.is(waiters.first, first);
  t.deepEqual(source.log, ['start']);
  first.admit(1);
  t.deepEqual(source.log, ['start', 'stop']);
});

test('a signal whose waiter could not get a timeout stops', (t) => {
  const [signal, timeout] = [setUp(), setUp()];
  timeout.source.refuses = true;
  const waiter = new Waiter(door);
  t.throws(() => waiter.wait(timeout.waiters, signal.waiters), {message: 'out of stack'});
  waiter.tidy();
  t.deepEqual(signal.source.log, ['start', 'stop']);
  t.is(signal.waiters.first, undefined);
});

test('recount stops the source where all have gone without dequeue, and only there', (t) => {
  const {source, waiters} = setUp();
  const [first, second] = [wait(waiters), wait(waiters)];
  first.resolve = undefined;
  waiters.recount();
  t.deepEqual(source.log, ['start']);
  second.resolve = undefined;
  waiters.recount();
  t.deepEqual(source.log, ['start', 'stop']);
});

/** A signal that counts its listeners. */
function createSignal() {
  const listeners = new Set<() => void>();
  const signal: AbortSignalLike = {
    aborted: false,
    reason: 'the reason',
    addEventListener: (_, listener) => {
      if (listeners.has(listener)) throw new Error('It listens already.');
      listeners.add(listener);
    },
    removeEventListener: (_, listener) => listeners.delete(listener),
  };
  return {signal, listeners};
}

test('a signal has one listener for all who wait with it, and none afterwards', (t) => {
  const {signal, listeners} = createSignal();
  const waiters = [1, 2, 3].map(() => wait(undefined, waitersWith(signal)));
  t.is(listeners.size, 1);
  for (const waiter of waiters) {
    t.is(listeners.size, 1);
    waiter.admit(1);
  }
  t.is(listeners.size, 0);
});

test('a signal that refuses its listener is asked again by the next who waits with it', (t) => {
  const {signal, listeners} = createSignal();
  const {addEventListener} = signal;
  const waiters = waitersWith(signal);
  signal.addEventListener = () => {
    throw new Error('no more listeners');
  };
  const refused = new Waiter(door);
  t.throws(() => refused.wait(undefined, waiters), {message: 'no more listeners'});
  refused.tidy();
  t.is(listeners.size, 0);
  signal.addEventListener = addEventListener;
  const waiter = wait(undefined, waiters);
  t.is(listeners.size, 1);
  waiter.admit(1);
  t.is(listeners.size, 0);
});

test('a signal that aborts ends the waits in their order', (t) => {
  const {signal, listeners} = createSignal();
  const order: unknown[] = [];
  const ending: WaiterEntrance = {
    ...door,
    cancel: (waiter, refusal) => {
      void refusal().then(undefined, (reason: unknown) => t.is(reason, 'the reason'));
      order.push(waiter.task);
      waiter.admit(0);
    },
  };
  for (const task of [1, 2, 3]) {
    void new Waiter(ending, task).wait(undefined, waitersWith(signal));
  }
  for (const listener of listeners) listener();
  t.deepEqual(order, [1, 2, 3]);
  t.is(listeners.size, 0);
});

test('waits with the same timeout share what may end them', (t) => {
  const deadlines = new Deadlines(10_000);
  t.is(deadlines.currentWaiters(), deadlines.currentWaiters());
  const [first, second] = [wait(deadlines.currentWaiters()), wait(deadlines.currentWaiters())];
  t.is(deadlines.currentWaiters().first, first);
  t.true(second.deadline >= first.deadline);
  first.admit(1);
  second.admit(2);
});
