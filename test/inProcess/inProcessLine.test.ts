import test from 'ava';
import {InProcessLine} from '../../src/inProcess/inProcessLine.js';
import type {LineWaiter} from '../../src/line/protocol.js';
import {settle} from '../support/async.js';

const entrance = {lock: {}, onAbandoned: undefined};

/** A waiter that finds the stack full when it is first admitted, before or after that took effect. */
class Unlucky implements LineWaiter {
  readonly entrance = entrance;
  isWaiting = true;
  isAdmitted = false;
  attempts = 0;
  readonly #isAdmittedAtOnce: boolean;

  constructor(isAdmittedAtOnce: boolean) {
    this.#isAdmittedAtOnce = isAdmittedAtOnce;
  }

  admit(): boolean {
    const isFirst = ++this.attempts === 1;
    if (this.isWaiting && (!isFirst || this.#isAdmittedAtOnce)) {
      this.isWaiting = false;
      this.isAdmitted = true;
    }
    if (isFirst) throw new RangeError('Maximum call stack size exceeded');
    return this.isAdmitted;
  }
}

function lineWith(...waiters: LineWaiter[]): InProcessLine {
  const line = new InProcessLine();
  line.tryAcquire(entrance);
  for (const waiter of waiters) line.enqueue(waiter);
  return line;
}

test('an admission for which the stack has no room is made in a microtask', async (t) => {
  const waiter = new Unlucky(false);
  const line = lineWith(waiter);
  line.release();
  t.false(waiter.isAdmitted);
  await settle();
  t.true(waiter.isAdmitted);
  t.is(line.holder, entrance);
  t.is(line.waiting, 0);
});

test('a lock goes on to the next if the wait of the first is ended before that microtask', async (t) => {
  const [first, second] = [new Unlucky(false), new Unlucky(true)];
  const line = lineWith(first, second);
  line.release();
  first.isWaiting = false;
  await settle();
  t.false(first.isAdmitted);
  t.true(second.isAdmitted);
  t.is(line.holder, entrance);
  line.release();
  t.is(line.holder, undefined);
});

test('a waiter that was admitted before the stack ran out keeps the lock', async (t) => {
  const waiter = new Unlucky(true);
  const line = lineWith(waiter);
  line.release();
  await settle();
  t.is(waiter.attempts, 2);
  t.is(line.holder, entrance);
});
