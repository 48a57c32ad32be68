// By a clock that the test moves by hand.
import test from 'ava';
import {advance, keepToLoaded} from '../support/handClock.js';
import {
  THREAD,
  TOKENS,
  slotCell,
  type Cells,
  type Entry,
  type Slot,
} from '../../src/shared/memory/layout.js';
import {FRESH, armedBy} from '../../src/shared/memory/tokens.js';
import {
  DIED,
  IN_USE,
  readThread,
  slotState,
  threadState,
  type SlotThread,
} from '../../src/shared/memory/threads.js';
import {
  exchangeWord,
  readWord,
  reserved,
  tryTake,
  type Word,
} from '../../src/shared/memory/word.js';
import {OwnerWatch} from '../../src/shared/ownerWatch.js';
import {settle} from '../support/async.js';
import {attachNobody} from '../support/nobody.js';
import {createEntry} from '../support/waiting.js';

keepToLoaded();

const DEAD = 90 as Slot;

/** A watch over a lock, what it reports, and the slot of a thread that lives. */
function setUp() {
  const entry = createEntry();
  const {cells} = entry;
  const deaths: Array<{word: Word; owner: SlotThread}> = [];
  const watch = new OwnerWatch(entry, 1000, (word, owner) => deaths.push({word, owner}));
  return {entry, cells, watch, deaths, slot: attachNobody(cells, 1001)};
}

/** The lock is reserved for a slot, by whoever owns it. @returns the word */
function reserve(entry: Entry, slot: Slot): Word {
  const word = readWord(entry);
  exchangeWord(entry, word, reserved(word, slot));
  return readWord(entry);
}

/** The lock is owned by a thread that has ended, of which nobody knows yet. @returns the word */
function takeAsDead(entry: Entry, threadId: number): Word {
  const {cells} = entry;
  cells[slotCell(DEAD, THREAD)] = slotState(threadId, IN_USE);
  armAsDead(cells, threadId);
  return tryTake(entry, DEAD) as Word;
}

/** It has a token, and no wait behind that. */
function armAsDead(cells: Cells, threadId: number): void {
  cells[slotCell(DEAD, TOKENS)] = armedBy(threadId, FRESH);
}

/** Whether the thread that lives was probed: then its token is spent until a later microtask. */
const isTokenSpent = (cells: Cells, slot: Slot) => cells[slotCell(slot, TOKENS)] === 0;

// Reservations

test.serial('a reservation has its time from when it is first sighted', (t) => {
  const {entry, watch, slot} = setUp();
  tryTake(entry, slot);
  const word = reserve(entry, slot);
  advance(100);
  t.false(watch.isExpired(word), 'nobody has sighted it');
  watch.sight(word);
  t.false(watch.isExpired(word));
  advance(4.9);
  watch.sight(word);
  t.false(watch.isExpired(word));
  advance(0.1);
  t.true(watch.isExpired(word));
});

test.serial('a reservation that is made again has its time anew', (t) => {
  const {entry, watch, slot} = setUp();
  tryTake(entry, slot);
  watch.sight(reserve(entry, slot));
  advance(10);
  const again = reserve(entry, slot);
  t.false(watch.isExpired(again));
  watch.sight(again);
  t.false(watch.isExpired(again));
  advance(5);
  t.true(watch.isExpired(again));
});

test.serial('an owner has the lock for as long as it likes', (t) => {
  const {entry, watch, slot} = setUp();
  const word = tryTake(entry, slot) as Word;
  watch.sight(word);
  advance(1e9);
  t.false(watch.isExpired(word));
});

test.serial('a watch knows whether it last sighted a reservation', (t) => {
  const {entry, watch, slot} = setUp();
  t.false(watch.hasSightedReservation);
  watch.sight(tryTake(entry, slot) as Word);
  t.false(watch.hasSightedReservation);
  watch.sight(reserve(entry, slot));
  t.true(watch.hasSightedReservation);
  watch.sight(tryTake(entry, slot) as Word);
  t.false(watch.hasSightedReservation);
});

// Deaths

test.serial('an owner that has ended is reported with its word, once it is probed', async (t) => {
  const {entry, cells, watch, deaths} = setUp();
  const word = takeAsDead(entry, 1002);
  watch.probe();
  await settle();
  t.deepEqual(deaths, [{word, owner: {slot: DEAD, threadId: 1002, hasDied: false}}]);
  t.is(threadState(readThread(cells, DEAD)), DIED);
});

test.serial(
  'an owner that another thread has found dead is reported without a token',
  async (t) => {
    const {entry, cells, watch, deaths} = setUp();
    const word = takeAsDead(entry, 1002);
    cells[slotCell(DEAD, THREAD)] = slotState(1002, DIED);
    cells[slotCell(DEAD, TOKENS)] = 0;
    watch.probe();
    await settle();
    t.deepEqual(deaths, [{word, owner: {slot: DEAD, threadId: 1002, hasDied: true}}]);
  },
);

test.serial('an owner that lives is not reported', async (t) => {
  const {entry, cells, watch, deaths, slot} = setUp();
  tryTake(entry, slot);
  watch.probe();
  t.true(isTokenSpent(cells, slot));
  await settle();
  t.deepEqual(deaths, []);
});

test.serial('nobody is probed while nobody owns the lock', async (t) => {
  const {entry, cells, watch, deaths, slot} = setUp();
  watch.probe();
  takeAsDead(entry, 1002);
  reserve(entry, DEAD);
  watch.probe();
  await settle();
  t.deepEqual(deaths, []);
  t.false(isTokenSpent(cells, slot));
});

test.serial('the owner that is sighted first is probed at once', async (t) => {
  const {entry, watch, deaths} = setUp();
  watch.sight(takeAsDead(entry, 1002));
  await settle();
  t.is(deaths.length, 1);
});

test.serial('a later owner is probed by those who come when it was sighted long ago', async (t) => {
  const {entry, watch, deaths, slot} = setUp();
  watch.sight(tryTake(entry, slot) as Word);
  await settle();
  reserve(entry, DEAD);
  advance(1000);
  const word = takeAsDead(entry, 1002);
  watch.sight(word);
  advance(99);
  watch.sight(word);
  await settle();
  t.deepEqual(deaths, []);
  advance(1);
  watch.sight(word);
  await settle();
  t.is(deaths.length, 1);
});

test.serial('all threads together probe an owner at most every 200 milliseconds', async (t) => {
  const {entry, cells, watch, deaths} = setUp();
  const other = new OwnerWatch(entry, 1000, (word, owner) => deaths.push({word, owner}));
  takeAsDead(entry, 1002);
  watch.probe();
  await settle();
  t.is(deaths.length, 1);
  // As if it had not been found dead.
  const revive = () => {
    cells[slotCell(DEAD, THREAD)] = slotState(1002, IN_USE);
    armAsDead(cells, 1002);
  };
  revive();
  advance(199);
  for (const each of [watch, other]) each.probe();
  await settle();
  t.is(deaths.length, 1);
  advance(1);
  for (const each of [watch, other]) {
    each.probe();
    revive();
  }
  await settle();
  t.is(deaths.length, 2);
});

test.serial('an owner that was found dead is dead for everybody at once', async (t) => {
  const {entry, watch, deaths} = setUp();
  const other = new OwnerWatch(entry, 1000, (word, owner) => deaths.push({word, owner}));
  takeAsDead(entry, 1002);
  for (const each of [watch, other]) each.probe();
  await settle();
  t.is(deaths.length, 2);
});

test.serial(
  'an owner is probed less often the longer it was sighted, but at least every 700 milliseconds',
  async (t) => {
    for (const [age, interval] of [
      [1_000, 200],
      [20_000, 400],
      [1_000_000, 700],
    ] as const) {
      const {entry, cells, watch, deaths, slot} = setUp();
      // The first is probed when it is sighted, so that the age is that of another.
      watch.sight(tryTake(entry, slot) as Word);
      await settle();
      reserve(entry, DEAD);
      const word = takeAsDead(entry, 1002);
      watch.sight(word);
      advance(age);
      watch.probe();
      await settle();
      t.is(deaths.length, 1);
      cells[slotCell(DEAD, THREAD)] = slotState(1002, IN_USE);
      armAsDead(cells, 1002);
      // Its age has grown meanwhile, and with it the interval: by a fiftieth.
      advance(interval - 1);
      watch.probe();
      await settle();
      t.is(deaths.length, 1, `${interval - 1} ms after the last, at ${age} ms`);
      advance(1 + interval / 40);
      watch.probe();
      await settle();
      t.is(deaths.length, 2, `${interval} ms after the last, at ${age} ms`);
    }
  },
);

test.serial('a watch probes one owner at a time', async (t) => {
  const {entry, watch, deaths} = setUp();
  takeAsDead(entry, 1002);
  watch.probe();
  advance(1000);
  watch.probe();
  await settle();
  t.is(deaths.length, 1);
});
