import test from 'ava';
import {Atomics as calledAtomics} from '../../../src/shared/intrinsics.js';
import {
  call,
  isCalled as isCalledFor,
  takeCalls,
  waitForCall,
} from '../../../src/shared/memory/calls.js';
import {SLOTS, WAITING, entryAt, type Entry, type Slot} from '../../../src/shared/memory/layout.js';
import {
  announceOrTake,
  clearWaiting,
  countPoll,
  decline,
  handOff,
  nextWaiting,
  offer,
  wakeNext,
  withdraw,
} from '../../../src/shared/memory/waiters.js';
import {
  hasWaiters,
  isFree,
  isOwnedBy,
  isReserved,
  isReservedFor,
  readWord,
  setWaiters,
  tryTake,
  type Word,
} from '../../../src/shared/memory/word.js';
import {settle, watch} from '../../support/async.js';
import {attachNobody} from '../../support/nobody.js';
import {createLocks, isCalled} from '../../support/waiting.js';

/** The second of three locks in a memory. */
const createEntry = () => entryAt(createLocks(3), 1);

/** The lock, the slot that owns it, and the slots of others, of which none waits yet. */
function setUp(others = 3) {
  const entry = createEntry();
  const owner = attachNobody(entry.cells, 1000);
  const slots = Array.from({length: others}, (_, n) => attachNobody(entry.cells, 1001 + n));
  tryTake(entry, owner);
  const calls = () => slots.map((slot) => isCalled(entry, slot));
  return {entry, owner, slots: slots as [Slot, Slot, Slot], calls};
}

/** `slot` begins to wait. */
function join(entry: Entry, slot: Slot): void {
  if (announceOrTake(entry, slot) !== undefined) throw new Error('It need not wait.');
}

function setWaiting({cells, word}: Entry, slot: Slot): void {
  Atomics.or(cells, word + WAITING + (slot >> 5), 1 << slot);
}

const isWaiting = ({cells, word}: Entry, slot: Slot) =>
  ((cells[word + WAITING + (slot >> 5)] as number) & (1 << slot)) !== 0;

/**
 * Something happens just before the word is next exchanged, or just after: in another thread, as it
 * seems to who exchanges it.
 */
function interpose({word}: Entry, moment: 'before' | 'after', action: () => void): void {
  const {compareExchange} = calledAtomics;
  const once = (cells: Int32Array, cell: number, from: number, to: number): number => {
    if (cell !== word) return compareExchange(cells, cell, from, to);
    calledAtomics.compareExchange = compareExchange;
    if (moment === 'before') action();
    const was = compareExchange(cells, cell, from, to);
    if (moment === 'after') action();
    return was;
  };
  calledAtomics.compareExchange = once as typeof compareExchange;
}

// Turns

test('the next in turn is the next slot that waits, around the circle of slots', (t) => {
  const {entry, slots} = setUp();
  const [a, b, c] = slots;
  t.is(nextWaiting(entry, a), undefined);
  for (const slot of [c, a, b]) join(entry, slot);
  t.deepEqual(
    slots.map((slot) => nextWaiting(entry, slot)),
    [b, c, a],
  );
  clearWaiting(entry, b);
  t.is(nextWaiting(entry, a), c);
  clearWaiting(entry, c);
  t.is(nextWaiting(entry, a), a, 'the slot itself comes last');
});

test('turns go around in the order of slots, wherever they are and begin', (t) => {
  const waiting = [0, 1, 30, 31, 32, 62, 63, 64, 100, 126, 127] as Slot[];
  const entry = createEntry();
  for (let first = 0 as Slot; first < SLOTS; first++) {
    for (const slot of waiting) setWaiting(entry, slot);
    const served: Slot[] = [];
    for (let next: Slot | undefined = first; ; served.push(next)) {
      next = nextWaiting(entry, next);
      if (next === undefined) break;
      t.true(clearWaiting(entry, next));
    }
    const after = waiting.filter((slot) => slot > first);
    t.deepEqual(served, [...after, ...waiting.slice(0, waiting.length - after.length)]);
  }
});

test('who waits for one lock does not wait for another of the same memory', (t) => {
  const {entry, slots} = setUp();
  const [before, after] = [entryAt(entry.cells, 0), entryAt(entry.cells, 2)];
  for (const slot of slots) join(entry, slot);
  t.deepEqual(
    [nextWaiting(before, slots[0]), nextWaiting(after, slots[0])],
    [undefined, undefined],
  );
  setWaiting(before, slots[2]);
  t.is(nextWaiting(entry, slots[0]), slots[1]);
  t.is(nextWaiting(before, slots[0]), slots[2]);
});

// Beginning to wait

test('who announces itself takes a lock that is free', (t) => {
  const {entry, owner, slots} = setUp();
  handOff(entry, readWord(entry));
  const word = announceOrTake(entry, slots[0]);
  t.is(word, readWord(entry));
  t.true(isOwnedBy(word as Word, slots[0]));
  t.false(isOwnedBy(word as Word, owner));
});

test('who announces itself takes a lock that is reserved for it, and no other', (t) => {
  const {entry, slots} = setUp();
  const [a, b] = slots;
  join(entry, a);
  handOff(entry, readWord(entry));
  t.is(announceOrTake(entry, b), undefined);
  t.true(isReservedFor(readWord(entry), a));
  t.true(isOwnedBy(announceOrTake(entry, a) as Word, a));
});

test('who announces itself while the lock is held shows that it waits, and WAITERS says so', (t) => {
  const {entry, owner, slots} = setUp();
  t.false(hasWaiters(readWord(entry)));
  join(entry, slots[0]);
  t.true(isWaiting(entry, slots[0]));
  t.true(hasWaiters(readWord(entry)));
  t.true(isOwnedBy(readWord(entry), owner));
});

test('who announces itself takes a lock that it is given in that moment', (t) => {
  const {entry, owner, slots} = setUp();
  interpose(entry, 'before', () => handOff(entry, readWord(entry)));
  // The owner finds that it waits, and reserves the lock for it.
  const word = announceOrTake(entry, slots[0]);
  t.true(isOwnedBy(word as Word, slots[0]));
  t.false(isOwnedBy(readWord(entry), owner));
});

// Giving up the wait

test('who withdraws and was not chosen passes on nothing', (t) => {
  const {entry, owner, slots, calls} = setUp();
  const [a, b] = slots;
  join(entry, a);
  join(entry, b);
  t.is(withdraw(entry, a), undefined);
  t.false(isWaiting(entry, a));
  t.is(nextWaiting(entry, owner), b);
  t.true(isOwnedBy(readWord(entry), owner));
  t.deepEqual(calls(), [false, false, false]);
});

test('who withdraws from a lock that is reserved for it hands it to the next', (t) => {
  const {entry, slots, calls} = setUp();
  const [a, b] = slots;
  join(entry, a);
  join(entry, b);
  handOff(entry, readWord(entry));
  t.true(isReservedFor(readWord(entry), a));
  t.deepEqual(calls(), [true, false, false]);
  t.is(withdraw(entry, a), readWord(entry));
  t.true(isReservedFor(readWord(entry), b));
  t.deepEqual(calls(), [true, true, false]);
});

test('who withdraws as the last from a lock that is reserved for it frees it', (t) => {
  const {entry, slots} = setUp();
  join(entry, slots[0]);
  handOff(entry, readWord(entry));
  t.is(withdraw(entry, slots[0]), readWord(entry));
  t.true(isFree(readWord(entry)));
  t.false(hasWaiters(readWord(entry)));
});

test('who withdraws and was woken for a free lock wakes the next in its place', (t) => {
  const {entry, slots, calls} = setUp();
  const [a, b] = slots;
  join(entry, a);
  join(entry, b);
  offer(entry, readWord(entry));
  t.deepEqual(calls(), [true, false, false]);
  t.is(withdraw(entry, a), readWord(entry));
  t.true(isFree(readWord(entry)));
  t.deepEqual(calls(), [true, true, false]);
});

test('who withdraws and was woken for a lock that another took wakes nobody', (t) => {
  const {entry, owner, slots, calls} = setUp();
  const [a, b] = slots;
  join(entry, a);
  join(entry, b);
  offer(entry, readWord(entry));
  t.true(isOwnedBy(tryTake(entry, owner) as Word, owner));
  t.is(withdraw(entry, a), undefined);
  t.deepEqual(calls(), [true, false, false]);
});

test('who withdraws from a free lock and was not woken wakes nobody', (t) => {
  const {entry, slots, calls} = setUp();
  const [a, b] = slots;
  join(entry, a);
  join(entry, b);
  offer(entry, readWord(entry));
  t.is(withdraw(entry, b), undefined);
  t.deepEqual(calls(), [true, false, false]);
});

test('who has nobody left in line declines what it was woken for', (t) => {
  const {entry, slots, calls} = setUp();
  const [a, b] = slots;
  join(entry, a);
  join(entry, b);
  handOff(entry, readWord(entry));
  t.is(decline(entry, a), readWord(entry));
  t.true(isReservedFor(readWord(entry), b));
  t.is(decline(entry, a), undefined);
  t.deepEqual(calls(), [true, true, false]);
});

// Giving up the lock

test('a lock that is handed off is reserved for the next in turn, who is woken', (t) => {
  const {entry, owner, slots, calls} = setUp();
  const [a, b, c] = slots;
  for (const slot of [b, c, a]) join(entry, slot);
  t.is(handOff(entry, readWord(entry)), readWord(entry));
  t.true(isReservedFor(readWord(entry), a));
  t.true(hasWaiters(readWord(entry)));
  t.deepEqual(calls(), [true, false, false]);
  t.false(isWaiting(entry, a));
  t.is(nextWaiting(entry, owner), b);
});

test('a lock that is offered is free, and the next in turn is woken', (t) => {
  const {entry, owner, slots, calls} = setUp();
  const [a, b] = slots;
  for (const slot of [b, a]) join(entry, slot);
  t.is(offer(entry, readWord(entry)), readWord(entry));
  t.true(isFree(readWord(entry)));
  t.true(hasWaiters(readWord(entry)));
  t.deepEqual(calls(), [true, false, false]);
  t.false(isWaiting(entry, a));
  t.is(nextWaiting(entry, owner), b);
});

for (const [name, vacate] of Object.entries({handOff, offer})) {
  test(`${name} frees a lock that nobody waits for, and clears WAITERS`, (t) => {
    const {entry, calls} = setUp();
    setWaiters(entry);
    t.is(vacate(entry, readWord(entry)), readWord(entry));
    t.true(isFree(readWord(entry)));
    t.false(hasWaiters(readWord(entry)));
    t.deepEqual(calls(), [false, false, false]);
  });

  test(`${name} changes nothing if the word is not the one that was seen`, (t) => {
    const {entry, slots, calls} = setUp();
    const before = readWord(entry);
    join(entry, slots[0]);
    const now = readWord(entry);
    t.is(vacate(entry, before), undefined);
    t.is(readWord(entry), now);
    t.true(isWaiting(entry, slots[0]));
    t.deepEqual(calls(), [false, false, false]);
  });

  test(`${name} chooses the next where the chosen one gave up before it could know`, (t) => {
    const {entry, slots, calls} = setUp();
    const [a, b] = slots;
    join(entry, a);
    join(entry, b);
    // It waits no more, and the other half of its withdrawal comes later.
    interpose(entry, 'after', () => clearWaiting(entry, a));
    t.is(vacate(entry, readWord(entry)), readWord(entry));
    t.is(isReservedFor(readWord(entry), b), vacate === handOff);
    t.is(isFree(readWord(entry)), vacate === offer);
    t.deepEqual(calls(), [false, true, false]);
    t.is(decline(entry, a, false), undefined);
  });

  test(`${name} leaves the lock to whoever took it from the chosen one that gave up`, (t) => {
    const {entry, slots, calls} = setUp();
    const [a, b] = slots;
    join(entry, a);
    join(entry, b);
    let left: Word | undefined;
    interpose(entry, 'after', () => {
      left = readWord(entry);
      withdraw(entry, a);
      tryTake(entry, b);
    });
    t.is(vacate(entry, readWord(entry)), left);
    t.true(isOwnedBy(readWord(entry), b));
    t.false(calls()[0]);
  });

  test(`${name} frees the lock where the only one that waited gave up`, (t) => {
    const {entry, slots, calls} = setUp();
    join(entry, slots[0]);
    interpose(entry, 'after', () => clearWaiting(entry, slots[0]));
    t.is(vacate(entry, readWord(entry)), readWord(entry));
    t.true(isFree(readWord(entry)));
    t.false(hasWaiters(readWord(entry)));
    t.deepEqual(calls(), [false, false, false]);
  });

  test(`${name} forgets nobody who begins to wait while WAITERS is cleared`, (t) => {
    const {entry, slots, calls} = setUp();
    setWaiters(entry);
    interpose(entry, 'before', () => join(entry, slots[1]));
    t.not(vacate(entry, readWord(entry)), undefined);
    t.true(isFree(readWord(entry)));
    t.true(hasWaiters(readWord(entry)));
    t.deepEqual(calls(), [false, true, false]);
  });
}

// Waking

test('only the next in turn is woken, and shows no more that it waits', (t) => {
  const {entry, owner, slots, calls} = setUp();
  const [a, b] = slots;
  wakeNext(entry, owner);
  t.deepEqual(calls(), [false, false, false]);
  join(entry, a);
  join(entry, b);
  wakeNext(entry, a);
  t.deepEqual(calls(), [false, true, false]);
  t.deepEqual([isWaiting(entry, a), isWaiting(entry, b)], [true, false]);
  wakeNext(entry, a);
  wakeNext(entry, a);
  t.deepEqual(calls(), [true, true, false]);
  t.false(isReserved(readWord(entry)));
});

test('a slot that is parked goes on when it is called, and no other', async (t) => {
  const {entry, slots} = setUp();
  const [a, b] = slots;
  const woken = [a, b].map((slot) =>
    watch(waitForCall(entry.cells, slot) ?? Promise.reject(new Error('It was called before.'))),
  );
  await settle();
  t.deepEqual(woken, [[], []]);
  call(entry, b);
  await settle();
  t.deepEqual(woken, [[], [{value: 'ok'}]]);
});

test('a slot that was called since it looked does not park', (t) => {
  const {entry, slots} = setUp();
  const [a] = slots;
  call(entry, a);
  t.is(waitForCall(entry.cells, a), undefined);
  takeCalls(entry.cells, a);
  t.not(waitForCall(entry.cells, a), undefined);
});

test('all waits of a slot end when it is called', async (t) => {
  const {entry, slots} = setUp();
  const waits = [0, 1].map(() => watch(waitForCall(entry.cells, slots[0]) as Promise<unknown>));
  call(entry, slots[0]);
  await settle();
  t.deepEqual(
    waits.map(({length}) => length),
    [1, 1],
  );
});

test('calls tell for which locks they are, and are taken once', (t) => {
  const cells = createLocks(64);
  const slot = attachNobody(cells, 1001);
  const numbers = Array.from({length: 64}, (_, number) => number);
  const called = (calls: number) =>
    numbers.filter((number) => isCalledFor(calls, entryAt(cells, number)));
  for (const number of [0, 5, 31]) call(entryAt(cells, number), slot);
  t.deepEqual(called(takeCalls(cells, slot)), [0, 5, 31, 32, 37, 63]);
  t.deepEqual(called(takeCalls(cells, slot)), []);
});

test('polls of all threads are counted together', (t) => {
  const {cells} = createEntry();
  t.deepEqual([countPoll(cells), countPoll(cells), countPoll(cells)], [0, 1, 2]);
});
