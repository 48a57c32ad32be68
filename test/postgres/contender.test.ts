// How long a process keeps a lock for its own line, and when it asks although nobody called.
import test from 'ava';
import {PostgresContender} from '../../src/postgres/contender.js';
import type {Exchange} from '../../src/postgres/exchange.js';
import {hashKey} from '../../src/postgres/keyHash.js';

function createContender() {
  const nothing = () => undefined;
  const exchange = {ask: nothing, leave: nothing, awaitCall: nothing} as unknown as Exchange;
  const contender = new PostgresContender(hashKey('test', 'key'), exchange, nothing);
  contender.callers = {
    onLost: () => nothing,
    onTaken: nothing,
    onRefused: nothing,
    onFull: nothing,
    onRest: nothing,
    isAttempt: () => false,
  };
  contender.contend();
  return contender;
}

/** The server answers what the contender asks. */
function answer(contender: PostgresContender, text: string): string | undefined {
  const ask = contender.nextAsk();
  if (ask === undefined) return undefined;
  contender.asked(ask);
  contender.answered(text);
  return ask;
}

/** Spins until this much time has passed since `start`. */
function spin(start: number, milliseconds: number): void {
  while (performance.now() - start < milliseconds);
}

test('whoever waited when the lock came is served before other processes are asked', (t) => {
  for (;;) {
    const contender = createContender();
    const start = performance.now();
    t.is(answer(contender, 'L'), 't');
    spin(start, 12);
    // Two others waited; one more has come since.
    const extended = [2, 2, 1].map((waiting) => contender.extendTenure(waiting));
    // Otherwise this thread was kept from running, and the tenure is over for all.
    if (performance.now() - start < 19) {
      t.deepEqual(extended, [true, true, false]);
      return;
    }
  }
});

test('a long line does not keep the lock for ever', (t) => {
  const contender = createContender();
  const start = performance.now();
  answer(contender, 'L');
  spin(start, 21);
  t.false(contender.extendTenure(100));
});

test('who waits to be called asks by itself after two polls', (t) => {
  const contender = createContender();
  t.is(answer(contender, 'B'), 't');
  for (let n = 0; n < 3; n++) {
    t.false(contender.polled());
    t.is(contender.nextAsk(), undefined);
    t.true(contender.polled());
    t.is(answer(contender, 'B'), 'w');
  }
});

test('who was called and came too late waits for two polls again', (t) => {
  const contender = createContender();
  answer(contender, 'B');
  t.false(contender.polled());
  t.true(contender.called());
  t.is(answer(contender, 'B'), 'w');
  t.false(contender.polled());
});
