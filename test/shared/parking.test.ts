import test, {type ExecutionContext} from 'ava';
import {call} from '../../src/shared/memory/calls.js';
import {entryAt} from '../../src/shared/memory/layout.js';
import {Parking, type Parked} from '../../src/shared/parking.js';
import {settle, until} from '../support/async.js';
import {attachNobody} from '../support/nobody.js';
import {createLocks} from '../support/waiting.js';

/** A thread that waits for some locks of a memory, and which of them it looked at. */
function setUp(t: ExecutionContext, ...numbers: number[]) {
  const cells = createLocks(64);
  const slot = attachNobody(cells, 1001);
  const parking = new Parking(cells, slot);
  const answers: number[] = [];
  const polls: number[] = [];
  const contenders = numbers.map((number) => {
    const contender: Parked = {
      entry: entryAt(cells, number),
      parkedAt: undefined,
      answer: () => void answers.push(number),
      poll: () => void polls.push(number),
      pollDelay: undefined,
      millisecondsSinceProbe: () => 0,
    };
    parking.join(contender);
    return contender;
  });
  // Their timer would keep the process alive.
  t.teardown(() => {
    for (const contender of contenders) parking.leave(contender);
  });
  const callFor = (number: number) => call(entryAt(cells, number), slot);
  return {parking, contenders, answers, polls, callFor};
}

test('the contender that was called answers, and no other', async (t) => {
  const {answers, callFor} = setUp(t, 0, 1, 2);
  await settle();
  t.deepEqual(answers, []);
  callFor(1);
  await settle();
  t.deepEqual(answers, [1]);
});

test('a thread parks again while any contender contends', async (t) => {
  const {parking, contenders, answers, callFor} = setUp(t, 0, 1);
  for (const number of [1, 0, 1]) {
    callFor(number);
    await settle();
  }
  t.deepEqual(answers, [1, 0, 1]);
  parking.leave(contenders[1] as Parked);
  callFor(0);
  await settle();
  t.deepEqual(answers, [1, 0, 1, 0]);
});

test('a contender that has left does not answer, and the others do', async (t) => {
  const {parking, contenders, answers, callFor} = setUp(t, 1, 33, 65);
  parking.leave(contenders[0] as Parked);
  callFor(1);
  await settle();
  t.deepEqual(answers, [33, 65]);
  for (const contender of contenders) parking.leave(contender);
  callFor(1);
  await settle();
  t.deepEqual(answers, [33, 65]);
});

test('contenders may leave while they answer', async (t) => {
  const {parking, contenders, answers, callFor} = setUp(t, 1, 33, 65, 97);
  for (const contender of contenders) {
    const {answer} = contender;
    contender.answer = () => {
      answer();
      parking.leave(contender);
    };
  }
  callFor(1);
  await settle();
  t.deepEqual(answers, [97, 65, 33, 1]);
});

test('all that contend poll together, as long as one does', async (t) => {
  const {parking, contenders, polls} = setUp(t, 0, 1, 33);
  await until(() => polls.length >= 6);
  t.deepEqual(polls.slice(0, 6), [0, 33, 1, 0, 33, 1]);
  for (const contender of contenders) parking.leave(contender);
});

test('a call that comes before the thread parks is answered', async (t) => {
  const {parking, contenders, answers, callFor} = setUp(t, 3);
  callFor(3);
  await settle();
  t.deepEqual(answers, [3]);
  for (const contender of contenders) parking.leave(contender);
  callFor(3);
  await settle();
  t.deepEqual(answers, [3], 'nobody is there');
  callFor(3);
  for (const contender of contenders) parking.join(contender);
  await settle();
  t.deepEqual(answers, [3, 3]);
});

test('several calls at once are answered together', async (t) => {
  const {answers, callFor} = setUp(t, 0, 5, 31);
  for (const number of [31, 0]) callFor(number);
  await settle();
  t.deepEqual(answers, [0, 31]);
});

test('locks whose numbers differ by 32 are called together', async (t) => {
  const {answers, callFor} = setUp(t, 1, 33, 2);
  callFor(33);
  await settle();
  t.deepEqual(answers, [33, 1]);
});
