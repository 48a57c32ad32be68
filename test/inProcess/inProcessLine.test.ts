import test, {type ExecutionContext} from 'ava';
import {InProcessLine} from '../../src/inProcess/inProcessLine.js';
import type {LineWaiter} from '../../src/line/protocol.js';

const entrance = {lock: {}, onAbandoned: undefined};

/** A waiter that finds the stack full when it is first admitted. */
class Unlucky implements LineWaiter {
  readonly entrance = entrance;
  isWaiting = true;
  #attempts = 0;

  admit(): void {
    if (++this.#attempts === 1) throw new RangeError('Maximum call stack size exceeded');
    this.isWaiting = false;
  }
}

/** Which of `waiters` have been admitted. */
const admitted = (...waiters: LineWaiter[]) => waiters.map(({isWaiting}) => !isWaiting);

function setUpReleased(t: ExecutionContext) {
  const holder = {...entrance};
  const waiters = [new Unlucky(), new Unlucky()] as const;
  const line = new InProcessLine();
  line.tryAcquire(holder);
  for (const waiter of waiters) line.enqueue(waiter);
  t.throws(() => line.release(), {instanceOf: RangeError});
  return {line, holder, waiters};
}

test('a release for which the stack has no room has done nothing, and can be repeated', (t) => {
  const {line, holder, waiters} = setUpReleased(t);
  t.deepEqual([line.holder, line.acquisition, line.waiting], [holder, 1, 2]);
  t.deepEqual(admitted(...waiters), [false, false]);
  line.release();
  t.deepEqual([line.holder, line.acquisition, line.waiting], [entrance, 2, 1]);
  t.deepEqual(admitted(...waiters), [true, false]);
});

test('a waiter whose admission was not finished stays the first', (t) => {
  const {line, waiters} = setUpReleased(t);
  line.enqueue({entrance, isWaiting: true, admit: () => t.fail('The last in line was admitted.')});
  line.recount();
  t.is(line.waiting, 3);
  line.release();
  t.deepEqual(admitted(...waiters), [true, false]);
});

test('a waiter whose admission was not finished may give up', (t) => {
  const {line, waiters} = setUpReleased(t);
  const [first, second] = waiters;
  first.isWaiting = false;
  line.withdraw(first);
  t.is(line.waiting, 1);
  second.admit = () => {
    second.isWaiting = false;
  };
  line.release();
  t.false(second.isWaiting);
  t.is(line.waiting, 0);
});
