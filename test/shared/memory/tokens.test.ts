import test from 'ava';
import {createLocks} from '../../support/waiting.js';
import {Atomics as calledAtomics} from '../../../src/shared/intrinsics.js';
import {
  LAST_TOKEN,
  SPARE_TOKEN,
  SPENT_AT,
  THREAD,
  TOKENS,
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
  FRESH,
  ORDINARY_TOKENS,
  TOKEN_CELLS,
  armFirst,
  armMissing,
  armedBy,
  disarmTokens,
  isLastTokenLeft,
  spendToken,
  type TokenCell,
} from '../../../src/shared/memory/tokens.js';
import {settle, watch} from '../../support/async.js';

const SLOT = 4 as Slot;
const THREAD_ID = 1001;
const PROBER_ID = 7;
const SPENT = 0;
const NOW = 1_000_000;

const cellOf = (field: TokenCell) => slotCell(SLOT, field);
const armed = (level: number) => armedBy(THREAD_ID, level);
const isSpending = (cells: Cells, field: TokenCell) => (cells[cellOf(field)] as number) < SPENT;

/** The memory in which a thread has the slot, without tokens. */
function createCells(): Cells {
  const cells = createLocks(1);
  cells[slotCell(SLOT, THREAD)] = slotState(THREAD_ID, IN_USE);
  return cells;
}

/** The memory in which a thread that ended has the slot, with these tokens. */
function createDead(level = ORDINARY_TOKENS, spare = 1, last = 1): Cells {
  const cells = createCells();
  for (const [index, count] of [level, spare, last].entries()) {
    if (count > 0) cells[cellOf(TOKEN_CELLS[index] as TokenCell)] = armed(count);
  }
  return cells;
}

const spend = (cells: Cells, now = NOW, isThoughtDead = false) =>
  spendToken(cells, SLOT, PROBER_ID, now, isThoughtDead);

const stateOf = (cells: Cells) => threadState(readThread(cells, SLOT));

/** Arms the ordinary tokens of a thread that lives. @returns what became of each wait */
function arm(cells: Cells, level = ORDINARY_TOKENS) {
  const first = armFirst(cells, SLOT, TOKENS, THREAD_ID);
  if (first === undefined) throw new Error('It cannot be armed.');
  return [first, ...armMissing(cells, SLOT, TOKENS, THREAD_ID, level)].map(watch);
}

const countEnded = (waits: ReturnType<typeof arm>) => waits.filter(({length}) => length > 0).length;

/** Lets `meanwhile` run while a prober is about to notify. */
function beforeNextNotification(meanwhile: () => void): void {
  const {notify} = calledAtomics;
  calledAtomics.notify = (array, place, count) => {
    calledAtomics.notify = notify;
    meanwhile();
    return notify(array as Cells, place, count);
  };
}

test('a slot without a token that is armed says nothing', (t) => {
  const cells = createCells();
  t.is(spend(cells), undefined);
  t.is(spend(cells, NOW, true), undefined);
  t.false(isLastTokenLeft(cells, SLOT));
  t.is(stateOf(cells), IN_USE);
});

test('a token that is spent says that its thread lives, and ends one wait of that thread', async (t) => {
  const cells = createCells();
  const waits = arm(cells);
  t.is(waits.length, ORDINARY_TOKENS);
  t.is(cells[cellOf(TOKENS)], armed(ORDINARY_TOKENS));
  t.true(spend(cells));
  t.is(cells[cellOf(TOKENS)], armed(ORDINARY_TOKENS - 1));
  t.is(stateOf(cells), IN_USE);
  await settle();
  t.is(countEnded(waits), 1);
});

test('each token is spent once', async (t) => {
  const cells = createCells();
  const waits = arm(cells, 3);
  for (let n = 0; n < 3; n++) t.true(spend(cells, NOW, true));
  t.is(cells[cellOf(TOKENS)], SPENT);
  t.is(spend(cells, NOW, true), undefined);
  await settle();
  t.is(countEnded(waits), 3);
});

test('as many tokens are armed again as are missing, and can be spent again', async (t) => {
  const cells = createCells();
  arm(cells);
  spend(cells, NOW, true);
  spend(cells, NOW, true);
  const waits = armMissing(cells, SLOT, TOKENS, THREAD_ID, ORDINARY_TOKENS).map(watch);
  t.is(waits.length, 2);
  t.deepEqual(armMissing(cells, SLOT, TOKENS, THREAD_ID, ORDINARY_TOKENS), []);
  for (let n = 0; n < ORDINARY_TOKENS; n++) t.true(spend(cells, NOW, true));
  await settle();
  t.is(countEnded(waits), 2);
});

test('a thread that begins to use a lock has few tokens, and then all', (t) => {
  const cells = createCells();
  arm(cells, FRESH);
  t.is(cells[cellOf(TOKENS)], armed(FRESH));
  t.is(armMissing(cells, SLOT, TOKENS, THREAD_ID, ORDINARY_TOKENS).length, ORDINARY_TOKENS - 1);
  t.is(cells[cellOf(TOKENS)], armed(ORDINARY_TOKENS));
});

test('the token of a thread that has few is due at any time, and there is one', (t) => {
  const cells = createCells();
  arm(cells, FRESH);
  t.true(spend(cells));
  t.is(cells[cellOf(TOKENS)], SPENT);
});

test('a token that is spent with no wait behind it marks its thread as dead', (t) => {
  const cells = createDead();
  t.false(spend(cells));
  t.is(stateOf(cells), DIED);
  t.is(threadIdIn(readThread(cells, SLOT)), THREAD_ID);
  t.is(cells[cellOf(TOKENS)], SPENT);
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
  t.is(cells[cellOf(TOKENS)], armed(ORDINARY_TOKENS));
});

test('a token is due this long after the one before, and four times as long each time', (t) => {
  const cells = createCells();
  arm(cells);
  let now = NOW;
  t.true(spend(cells, now), 'the first at any time');
  for (let patience = 300, n = 1; n < ORDINARY_TOKENS; n++, patience *= 4) {
    t.is(spend(cells, now + patience - 1), undefined, `token ${n} is not due yet`);
    now += patience;
    t.true(spend(cells, now), `token ${n} is due`);
  }
});

test('tokens are due also where the time in the memory wraps around', (t) => {
  for (const now of [2 ** 31 - 100, 2 ** 32 - 100, 5 * 2 ** 32 - 100]) {
    const cells = createCells();
    arm(cells);
    t.true(spend(cells, now));
    t.is(spend(cells, now + 299), undefined);
    t.true(spend(cells, now + 300));
  }
});

test('the spare token is due where a prober ended while it was spending an ordinary one', (t) => {
  const cells = createDead();
  cells[cellOf(TOKENS)] = -armed(ORDINARY_TOKENS - 1);
  cells[slotCell(SLOT, SPENT_AT)] = NOW;
  t.is(spend(cells, NOW + 299), undefined, 'that prober has time to end it');
  t.false(spend(cells, NOW + 300));
  t.is(stateOf(cells), DIED);
});

test('the last token is spent only if its thread is thought dead', (t) => {
  const cells = createDead(0, 0, 1);
  t.is(spend(cells, NOW), undefined);
  t.is(spend(cells, NOW + 1e9), undefined);
  t.is(cells[cellOf(LAST_TOKEN)], armed(1));
  t.is(stateOf(cells), IN_USE);
  t.false(spend(cells, NOW + 1e9, true));
  t.is(stateOf(cells), DIED);
});

test('the last token is left when all others are spent, and not before', (t) => {
  t.false(isLastTokenLeft(createDead(1, 0, 1), SLOT));
  t.false(isLastTokenLeft(createDead(0, 1, 1), SLOT));
  t.true(isLastTokenLeft(createDead(0, 0, 1), SLOT));
  t.false(isLastTokenLeft(createDead(0, 0, 0), SLOT));
});

test('every token is due if the thread is thought dead', (t) => {
  const cells = createDead(FRESH, 1, 1);
  for (let token = 0; token < 3; token++) t.false(spend(cells, NOW, true));
  t.is(spend(cells, NOW, true), undefined);
});

test("a cell is its prober's own while the prober notifies, and no new thread arms it meanwhile", (t) => {
  const cells = createDead();
  beforeNextNotification(() => {
    t.true(isSpending(cells, TOKENS));
    t.is(armFirst(cells, SLOT, TOKENS, THREAD_ID + 1), undefined);
    t.is(spend(cells, NOW, true), false, 'the spare one');
  });
  t.false(spend(cells));
  t.is(cells[cellOf(TOKENS)], SPENT);
  t.is(cells[cellOf(SPARE_TOKEN)], SPENT);
});

test('a prober gives back no token of a thread that has left the slot meanwhile', (t) => {
  const cells = createCells();
  arm(cells);
  beforeNextNotification(() => {
    cells[slotCell(SLOT, THREAD)] = slotState(THREAD_ID + 1, IN_USE);
  });
  t.true(spend(cells));
  t.is(cells[cellOf(TOKENS)], SPENT);
});

test('what another thread has left armed counts as none', (t) => {
  const cells = createDead();
  const waits = armMissing(cells, SLOT, TOKENS, THREAD_ID + 1, 2);
  t.is(waits.length, 2);
  t.is(cells[cellOf(TOKENS)], armedBy(THREAD_ID + 1, 2));
});

test('tokens are armed again also while their prober is not done, and it takes none of them', async (t) => {
  const cells = createCells();
  const before = arm(cells, 2);
  let after: typeof before = [];
  beforeNextNotification(() => {
    after = armMissing(cells, SLOT, TOKENS, THREAD_ID, 2).map(watch);
  });
  t.true(spend(cells, NOW, true));
  t.is(cells[cellOf(TOKENS)], armed(2));
  await settle();
  t.is(countEnded([...before, ...after]), 1);
  // As many waits are there as the cell says.
  t.true(spend(cells, NOW, true));
  t.true(spend(cells, NOW, true));
  await settle();
  t.is(countEnded([...before, ...after]), 3);
});

test('tokens that are disarmed end their waits, and say nothing about the thread', async (t) => {
  const cells = createCells();
  const waits = arm(cells);
  disarmTokens(cells, SLOT, PROBER_ID);
  await settle();
  t.is(countEnded(waits), ORDINARY_TOKENS);
  for (const field of TOKEN_CELLS) t.is(cells[cellOf(field)], SPENT);
  t.is(spend(cells, NOW, true), undefined);
  t.is(stateOf(cells), IN_USE);
});

test('a cell that a prober is spending from is left to that prober when the others are disarmed', (t) => {
  const cells = createDead();
  cells[cellOf(SPARE_TOKEN)] = -armed(0);
  disarmTokens(cells, SLOT, PROBER_ID);
  t.is(cells[cellOf(SPARE_TOKEN)], -armed(0));
  t.is(cells[cellOf(TOKENS)], SPENT);
});

test('a cell that is being disarmed is not armed by whoever gets the slot meanwhile', (t) => {
  const cells = createCells();
  arm(cells);
  let meanwhile: unknown = 'not tried';
  beforeNextNotification(() => {
    meanwhile = armFirst(cells, SLOT, TOKENS, THREAD_ID + 1);
  });
  disarmTokens(cells, SLOT, PROBER_ID);
  t.is(meanwhile, undefined);
  t.not(armFirst(cells, SLOT, TOKENS, THREAD_ID + 1), undefined);
});
