import test from 'ava';
import {Atomics as calledAtomics} from '../../../src/shared/intrinsics.js';
import {
  FIRST_TOKEN,
  THREAD,
  TOKENS,
  createBuffer,
  slotCell,
  type Cells,
  type Slot,
} from '../../../src/shared/memory/layout.js';
import {
  DIED,
  IN_USE,
  readThread,
  slotState,
  threadIdIn,
  threadState,
} from '../../../src/shared/memory/threads.js';
import {
  armToken,
  disarmTokens,
  isLastTokenLeft,
  rearmToken,
  spendToken,
} from '../../../src/shared/memory/tokens.js';
import {settle, watch} from '../../support/async.js';

const SLOT = 4 as Slot;
const THREAD_ID = 1001;
const PROBER_ID = 7;
const SPENT = 0;
const ARMED = 1 + THREAD_ID;
const SPENDING = -1 - PROBER_ID;
const NOW = 1_000_000;

const tokenCell = (token: number) => slotCell(SLOT, FIRST_TOKEN + token);

/** The memory in which a thread has the slot, without tokens. */
function createCells(): Cells {
  const cells = new Int32Array(createBuffer([1, 2, 3], 1));
  cells[slotCell(SLOT, THREAD)] = slotState(THREAD_ID, IN_USE);
  return cells;
}

/** The memory in which a thread that ended has the slot. Its tokens from `first` on are armed. */
function createDead(first = 0): Cells {
  const cells = createCells();
  for (let token = first; token < TOKENS; token++) cells[tokenCell(token)] = ARMED;
  return cells;
}

const spend = (cells: Cells, now = NOW, isThoughtDead = false) =>
  spendToken(cells, SLOT, PROBER_ID, now, isThoughtDead);

const stateOf = (cells: Cells) => threadState(readThread(cells, SLOT));

const arm = (cells: Cells, token: number) =>
  watch(
    armToken(cells, SLOT, token, THREAD_ID) ?? Promise.reject(new Error('It cannot be armed.')),
  );

test('a slot without a token that is armed says nothing', (t) => {
  const cells = createCells();
  t.is(spend(cells), undefined);
  t.is(spend(cells, NOW, true), undefined);
  t.false(isLastTokenLeft(cells, SLOT));
  t.is(stateOf(cells), IN_USE);
});

test('a token that is spent says that its thread lives, and ends the wait of that thread', async (t) => {
  const cells = createCells();
  const spent = arm(cells, 0);
  t.is(cells[tokenCell(0)], ARMED);
  await settle();
  t.deepEqual(spent, []);
  t.true(spend(cells));
  t.is(cells[tokenCell(0)], SPENT);
  t.is(stateOf(cells), IN_USE);
  await settle();
  t.deepEqual(spent, [{value: 'ok'}]);
});

test('a token is spent once', (t) => {
  const cells = createCells();
  void arm(cells, 0);
  t.true(spend(cells));
  t.is(spend(cells, NOW + 1e9), undefined);
  t.is(spend(cells, NOW, true), undefined);
});

test('a token that was armed again can be spent again', async (t) => {
  const cells = createCells();
  void arm(cells, 0);
  spend(cells);
  const spent = watch(rearmToken(cells, SLOT, 0, THREAD_ID));
  t.is(cells[tokenCell(0)], ARMED);
  t.true(spend(cells));
  await settle();
  t.deepEqual(spent, [{value: 'ok'}]);
});

test('a token that is spent with no wait behind it marks its thread as dead', (t) => {
  const cells = createDead();
  t.false(spend(cells));
  t.is(stateOf(cells), DIED);
  t.is(threadIdIn(readThread(cells, SLOT)), THREAD_ID);
  t.is(cells[tokenCell(0)], SPENT);
});

test('no other thread that has the slot by then is marked as dead', (t) => {
  const cells = createDead();
  const other = slotState(THREAD_ID + 1, IN_USE);
  cells[slotCell(SLOT, THREAD)] = other;
  t.false(spend(cells));
  t.is(readThread(cells, SLOT), other);
});

test('the tokens of another slot are not touched', (t) => {
  const cells = createDead();
  t.is(spendToken(cells, (SLOT + 1) as Slot, PROBER_ID, NOW), undefined);
  t.is(spendToken(cells, (SLOT - 1) as Slot, PROBER_ID, NOW), undefined);
  t.is(cells[tokenCell(0)], ARMED);
});

test('the first token is due at any time', (t) => {
  const cells = createDead();
  for (let n = 0; n < 3; n++) {
    cells[tokenCell(0)] = ARMED;
    t.false(spend(cells, NOW));
  }
});

test('each token but the last is due this long after the one before', (t) => {
  const cells = createDead();
  spend(cells, NOW);
  t.is(spend(cells, NOW + 299), undefined, 'it is not due yet');
  t.is(cells[tokenCell(1)], ARMED);
  t.false(spend(cells, NOW + 300), 'it is due');
  t.is(cells[tokenCell(1)], SPENT);
  t.is(spend(cells, NOW + 1e9), undefined, 'only the last is left');
});

test('tokens are due also where the time in the memory wraps around', (t) => {
  for (const now of [2 ** 31 - 100, 2 ** 32 - 100, 5 * 2 ** 32 - 100]) {
    const cells = createDead();
    t.false(spend(cells, now));
    t.is(spend(cells, now + 299), undefined);
    t.false(spend(cells, now + 300));
  }
});

test('the last token is spent only if its thread is thought dead', (t) => {
  const cells = createDead(TOKENS - 1);
  t.is(spend(cells, NOW), undefined);
  t.is(spend(cells, NOW + 1e9), undefined);
  t.is(cells[tokenCell(TOKENS - 1)], ARMED);
  t.is(stateOf(cells), IN_USE);
  t.false(spend(cells, NOW + 1e9, true));
  t.is(stateOf(cells), DIED);
});

test('the last token is left when all others are spent, and not before', (t) => {
  for (let first = 0; first < TOKENS; first++) {
    t.is(isLastTokenLeft(createDead(first), SLOT), first === TOKENS - 1);
  }
});

test('every token is due if the thread is thought dead', (t) => {
  const cells = createDead();
  for (let token = 0; token < TOKENS; token++) t.false(spend(cells, NOW, true));
  t.is(spend(cells, NOW, true), undefined);
});

test('a thread that lives shows so also by its last token', (t) => {
  const cells = createCells();
  void arm(cells, TOKENS - 1);
  t.is(spend(cells), undefined);
  t.true(spend(cells, NOW, true));
  t.is(stateOf(cells), IN_USE);
});

test("a token is its prober's own while the prober notifies, and nobody arms it meanwhile", (t) => {
  const cells = createDead();
  const {notify} = calledAtomics;
  calledAtomics.notify = (array, place, count) => {
    calledAtomics.notify = notify;
    t.is(cells[tokenCell(0)], SPENDING);
    t.is(armToken(cells, SLOT, 0, THREAD_ID + 1), undefined);
    return notify(array as Cells, place, count);
  };
  t.false(spend(cells));
  t.is(cells[tokenCell(0)], SPENT);
});

test('a token that another prober is spending is passed over', (t) => {
  const cells = createDead();
  cells[tokenCell(0)] = SPENDING;
  t.is(spend(cells, 0), undefined, 'the second is not due yet');
  t.false(spend(cells, NOW));
  t.is(cells[tokenCell(0)], SPENDING);
  t.is(cells[tokenCell(1)], SPENT);
});

test('a token that the last thread of the slot left behind is not armed', (t) => {
  const cells = createCells();
  for (const left of [SPENDING, ARMED]) {
    cells[tokenCell(0)] = left;
    t.is(armToken(cells, SLOT, 0, THREAD_ID + 1), undefined);
    t.is(cells[tokenCell(0)], left);
  }
});

test('a token is armed again also while its prober is not done with it', async (t) => {
  const cells = createCells();
  cells[tokenCell(0)] = SPENDING;
  const spent = watch(rearmToken(cells, SLOT, 0, THREAD_ID));
  t.is(cells[tokenCell(0)], ARMED);
  // The prober's last step.
  Atomics.compareExchange(cells, tokenCell(0), SPENDING, SPENT);
  t.is(cells[tokenCell(0)], ARMED);
  t.true(spend(cells));
  await settle();
  t.is(spent.length, 1);
});

test('tokens that are disarmed end their waits, and say nothing about the thread', async (t) => {
  const cells = createCells();
  const waits = [0, 1, TOKENS - 1].map((token) => arm(cells, token));
  disarmTokens(cells, SLOT, PROBER_ID);
  await settle();
  t.deepEqual(
    waits.map(({length}) => length),
    [1, 1, 1],
  );
  for (let token = 0; token < TOKENS; token++) t.is(cells[tokenCell(token)], SPENT);
  t.is(spend(cells, NOW, true), undefined);
  t.is(stateOf(cells), IN_USE);
});

test('a token that a prober is spending is left to that prober when the others are disarmed', (t) => {
  const cells = createDead();
  cells[tokenCell(1)] = SPENDING;
  disarmTokens(cells, SLOT, PROBER_ID);
  t.is(cells[tokenCell(1)], SPENDING);
  t.is(cells[tokenCell(2)], SPENT);
});

test('a token that is being disarmed is not armed by whoever gets the slot meanwhile', async (t) => {
  const cells = createCells();
  arm(cells, 0);
  const {notify} = calledAtomics;
  let armed: unknown = 'not tried';
  calledAtomics.notify = (array, place, count) => {
    calledAtomics.notify = notify;
    armed = armToken(cells, SLOT, 0, THREAD_ID);
    return notify(array as Cells, place, count);
  };
  disarmTokens(cells, SLOT, PROBER_ID);
  t.is(armed, undefined);
  t.is(cells[tokenCell(0)], SPENT);
  t.not(armToken(cells, SLOT, 0, THREAD_ID), undefined);
});
