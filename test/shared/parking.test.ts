import test from 'ava';
import {call} from '../../src/shared/memory/calls.js';
import {createBuffer, entryAt} from '../../src/shared/memory/layout.js';
import {Parking, type Parked} from '../../src/shared/parking.js';
import {settle} from '../support/async.js';
import {attachNobody} from '../support/nobody.js';

/** A thread that waits for some locks of a memory, and which of them it looked at. */
function setUp(...numbers: number[]) {
  const cells = new Int32Array(createBuffer([1, 2, 3], 64));
  const slot = attachNobody(cells, 1001);
  const parking = new Parking(cells, slot);
  const answers: number[] = [];
  const contenders = numbers.map((number) => {
    const contender = {
      entry: entryAt(cells, number),
      isContending: true,
      answer: () => void answers.push(number),
    };
    parking.add(contender satisfies Parked);
    parking.park();
    return contender;
  });
  const callFor = (number: number) => call(entryAt(cells, number), slot);
  return {parking, contenders, answers, callFor};
}

test('the contender that was called answers, and no other', async (t) => {
  const {answers, callFor} = setUp(0, 1, 2);
  await settle();
  t.deepEqual(answers, []);
  callFor(1);
  await settle();
  t.deepEqual(answers, [1]);
});

test('a thread parks again while any contender contends', async (t) => {
  const {contenders, answers, callFor} = setUp(0, 1);
  for (const number of [1, 0, 1]) {
    callFor(number);
    await settle();
  }
  t.deepEqual(answers, [1, 0, 1]);
  for (const contender of contenders) contender.isContending = false;
  callFor(0);
  await settle();
  t.deepEqual(answers, [1, 0, 1, 0], 'there was a wait left');
  callFor(0);
  await settle();
  t.deepEqual(answers, [1, 0, 1, 0]);
});

test('a contender that has given up answers still', async (t) => {
  const {contenders, answers, callFor} = setUp(0, 1);
  for (const contender of contenders) contender.isContending = false;
  callFor(1);
  await settle();
  t.deepEqual(answers, [1]);
});

test('a call that comes before the thread parks is answered', async (t) => {
  const {parking, contenders, answers, callFor} = setUp(3);
  callFor(3);
  await settle();
  for (const contender of contenders) contender.isContending = false;
  callFor(3);
  await settle();
  t.deepEqual(answers, [3, 3]);
  callFor(3);
  parking.park();
  await settle();
  t.deepEqual(answers, [3, 3, 3]);
});

test('several calls at once are answered together', async (t) => {
  const {answers, callFor} = setUp(0, 5, 31);
  for (const number of [31, 0]) callFor(number);
  await settle();
  t.deepEqual(answers, [0, 31]);
});

test('locks whose numbers differ by 32 are called together', async (t) => {
  const {answers, callFor} = setUp(1, 33, 2);
  callFor(33);
  await settle();
  t.deepEqual(answers, [1, 33]);
});
