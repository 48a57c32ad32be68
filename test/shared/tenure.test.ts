import test from 'ava';
import {Tenure} from '../../src/shared/tenure.js';

test('a tenure lasts for a millisecond from when others are first seen to wait', (t) => {
  const tenure = new Tenure();
  t.true(tenure.extend(5000, 1));
  t.true(tenure.extend(5000.9, 1));
  t.false(tenure.extend(5001, 1));
  t.false(tenure.extend(6000, 1));
});

test('a tenure lasts longer for a long line, but no more than three milliseconds', (t) => {
  for (const [waiting, milliseconds] of [
    [0, 1],
    [33, 1],
    [50, 1.5],
    [100, 3],
    [10_000, 3],
  ] as const) {
    const tenure = new Tenure();
    t.true(tenure.extend(0, waiting));
    t.true(tenure.extend(milliseconds - 0.01, waiting), `${waiting} wait`);
    t.false(tenure.extend(milliseconds, waiting), `${waiting} wait`);
  }
});

test('the line counts as it is, not as it was when others began to wait', (t) => {
  const tenure = new Tenure();
  t.true(tenure.extend(0, 1000));
  t.false(tenure.extend(2, 1));
  t.true(tenure.extend(2, 1000));
});

test('a tenure that ended begins anew', (t) => {
  const tenure = new Tenure();
  tenure.extend(0, 1);
  t.false(tenure.extend(10, 1));
  tenure.end();
  t.true(tenure.extend(20, 1));
  t.true(tenure.extend(20.9, 1));
  t.false(tenure.extend(21, 1));
});

test('a tenure may begin at time 0', (t) => {
  const tenure = new Tenure();
  t.true(tenure.extend(0, 1));
  t.false(tenure.extend(1, 1));
});
