import test from 'ava';
import {Atomics as calledAtomics} from '../../../src/shared/intrinsics.js';
import {
  TICKET,
  TICKETS,
  WORD,
  createBuffer,
  slotCell,
  type Cells,
  type Slot,
} from '../../../src/shared/memory/layout.js';
import {
  announceOrTake,
  clearTicket,
  countPoll,
  countWakeUps,
  decline,
  drawTicket,
  handOff,
  longestWaiting,
  offer,
  park,
  wake,
  wakeLongestWaiting,
  withdrawTicket,
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

const createCells = () => new Int32Array(createBuffer([1, 2, 3]));

/** The lock, the slot that owns it, and the slots of others, of which none waits yet. */
function setUp(others = 3) {
  const cells = createCells();
  const owner = attachNobody(cells, 1000);
  const slots = Array.from({length: others}, (_, n) => attachNobody(cells, 1001 + n));
  tryTake(cells, owner);
  const wakeUps = () => slots.map((slot) => countWakeUps(cells, slot));
  return {cells, owner, slots: slots as [Slot, Slot, Slot], wakeUps};
}

/** `slot` begins to wait. @returns its ticket */
function join(cells: Cells, slot: Slot): number {
  const ticket = drawTicket(cells);
  if (announceOrTake(cells, slot, ticket) !== undefined) throw new Error('It need not wait.');
  return ticket;
}

const ticketOf = (cells: Cells, slot: Slot) => cells[slotCell(slot, TICKET)];

/**
 * Something happens just before the word is next exchanged, or just after: in another thread, as it
 * seems to who exchanges it.
 */
function interpose(moment: 'before' | 'after', action: () => void): void {
  const {compareExchange} = calledAtomics;
  const once = (cells: Int32Array, cell: number, from: number, to: number): number => {
    if (cell !== WORD) return compareExchange(cells, cell, from, to);
    calledAtomics.compareExchange = compareExchange;
    if (moment === 'before') action();
    const was = compareExchange(cells, cell, from, to);
    if (moment === 'after') action();
    return was;
  };
  calledAtomics.compareExchange = once as typeof compareExchange;
}

// Tickets

test('each ticket is drawn once, and none is 0', (t) => {
  const cells = createCells();
  t.deepEqual([drawTicket(cells), drawTicket(cells)], [1, 2]);
  cells[TICKETS] = -2;
  t.deepEqual([drawTicket(cells), drawTicket(cells), drawTicket(cells)], [-1, 1, 2]);
  cells[TICKETS] = 2 ** 31 - 1;
  t.deepEqual([drawTicket(cells), drawTicket(cells)], [-(2 ** 31), -(2 ** 31) + 1]);
});

test('the longest waiting is who drew first, whichever slot it has', (t) => {
  const {cells, slots} = setUp();
  const [a, b, c] = slots;
  t.is(longestWaiting(cells), undefined);
  const tickets = [c, a, b].map((slot) => join(cells, slot));
  t.deepEqual(longestWaiting(cells), {slot: c, number: tickets[0] as number});
  clearTicket(cells, c);
  t.is(longestWaiting(cells)?.slot, a);
  clearTicket(cells, a);
  t.is(longestWaiting(cells)?.slot, b);
});

for (const last of [-2, 2 ** 31 - 2]) {
  test(`the longest waiting is who drew first also where tickets go on from ${last}`, (t) => {
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
    ]) {
      const {cells, slots} = setUp();
      cells[TICKETS] = last;
      for (const n of order) join(cells, slots[n] as Slot);
      const served: Array<Slot | undefined> = [];
      for (let longest; (longest = longestWaiting(cells)); clearTicket(cells, longest.slot)) {
        served.push(longest.slot);
      }
      t.deepEqual(
        served,
        order.map((n) => slots[n]),
      );
    }
  });
}

// Beginning to wait

test('who announces itself takes a lock that is free', (t) => {
  const {cells, owner, slots} = setUp();
  handOff(cells, readWord(cells));
  const word = announceOrTake(cells, slots[0], drawTicket(cells));
  t.is(word, readWord(cells));
  t.true(isOwnedBy(word as Word, slots[0]));
  t.false(isOwnedBy(word as Word, owner));
});

test('who announces itself takes a lock that is reserved for it, and no other', (t) => {
  const {cells, slots} = setUp();
  const [a, b] = slots;
  const ticket = join(cells, a);
  handOff(cells, readWord(cells));
  t.is(announceOrTake(cells, b, drawTicket(cells)), undefined);
  t.true(isReservedFor(readWord(cells), a));
  t.true(isOwnedBy(announceOrTake(cells, a, ticket) as Word, a));
});

test('who announces itself while the lock is held has a ticket, and WAITERS says so', (t) => {
  const {cells, owner, slots} = setUp();
  t.false(hasWaiters(readWord(cells)));
  const ticket = join(cells, slots[0]);
  t.is(ticketOf(cells, slots[0]), ticket);
  t.true(hasWaiters(readWord(cells)));
  t.true(isOwnedBy(readWord(cells), owner));
});

test('who announces itself takes a lock that it is given in that moment', (t) => {
  const {cells, owner, slots} = setUp();
  interpose('before', () => handOff(cells, readWord(cells)));
  // The owner finds the ticket, and reserves the lock for it.
  const word = announceOrTake(cells, slots[0], drawTicket(cells));
  t.true(isOwnedBy(word as Word, slots[0]));
  t.false(isOwnedBy(readWord(cells), owner));
});

// Giving up the wait

test('who withdraws and was not chosen passes on nothing', (t) => {
  const {cells, owner, slots, wakeUps} = setUp();
  const [a, b] = slots;
  const ticket = join(cells, a);
  join(cells, b);
  t.is(withdrawTicket(cells, a, ticket), undefined);
  t.is(ticketOf(cells, a), 0);
  t.is(longestWaiting(cells)?.slot, b);
  t.true(isOwnedBy(readWord(cells), owner));
  t.deepEqual(wakeUps(), [0, 0, 0]);
});

test('who withdraws from a lock that is reserved for it hands it to the next', (t) => {
  const {cells, slots, wakeUps} = setUp();
  const [a, b] = slots;
  const ticket = join(cells, a);
  join(cells, b);
  handOff(cells, readWord(cells));
  t.true(isReservedFor(readWord(cells), a));
  t.deepEqual(wakeUps(), [1, 0, 0]);
  t.is(withdrawTicket(cells, a, ticket), readWord(cells));
  t.true(isReservedFor(readWord(cells), b));
  t.deepEqual(wakeUps(), [1, 1, 0]);
});

test('who withdraws as the last from a lock that is reserved for it frees it', (t) => {
  const {cells, slots} = setUp();
  const ticket = join(cells, slots[0]);
  handOff(cells, readWord(cells));
  t.is(withdrawTicket(cells, slots[0], ticket), readWord(cells));
  t.true(isFree(readWord(cells)));
  t.false(hasWaiters(readWord(cells)));
});

test('who withdraws and was woken for a free lock wakes the next in its place', (t) => {
  const {cells, slots, wakeUps} = setUp();
  const [a, b] = slots;
  const ticket = join(cells, a);
  join(cells, b);
  offer(cells, readWord(cells));
  t.deepEqual(wakeUps(), [1, 0, 0]);
  t.is(withdrawTicket(cells, a, ticket), readWord(cells));
  t.true(isFree(readWord(cells)));
  t.deepEqual(wakeUps(), [1, 1, 0]);
});

test('who withdraws and was woken for a lock that another took wakes nobody', (t) => {
  const {cells, owner, slots, wakeUps} = setUp();
  const [a, b] = slots;
  const ticket = join(cells, a);
  join(cells, b);
  offer(cells, readWord(cells));
  t.true(isOwnedBy(tryTake(cells, owner) as Word, owner));
  t.is(withdrawTicket(cells, a, ticket), undefined);
  t.deepEqual(wakeUps(), [1, 0, 0]);
});

test('who withdraws from a free lock and was not woken wakes nobody', (t) => {
  const {cells, slots, wakeUps} = setUp();
  const [a, b] = slots;
  join(cells, a);
  const ticket = join(cells, b);
  offer(cells, readWord(cells));
  t.is(withdrawTicket(cells, b, ticket), undefined);
  t.deepEqual(wakeUps(), [1, 0, 0]);
});

test('who has nobody left in line declines what it was woken for', (t) => {
  const {cells, slots, wakeUps} = setUp();
  const [a, b] = slots;
  join(cells, a);
  join(cells, b);
  handOff(cells, readWord(cells));
  t.is(decline(cells, a), readWord(cells));
  t.true(isReservedFor(readWord(cells), b));
  t.is(decline(cells, a), undefined);
  t.deepEqual(wakeUps(), [1, 1, 0]);
});

// Giving up the lock

test('a lock that is handed off is reserved for who has waited longest, who is woken', (t) => {
  const {cells, slots, wakeUps} = setUp();
  const [a, b, c] = slots;
  for (const slot of [b, c, a]) join(cells, slot);
  t.is(handOff(cells, readWord(cells)), readWord(cells));
  t.true(isReservedFor(readWord(cells), b));
  t.true(hasWaiters(readWord(cells)));
  t.deepEqual(wakeUps(), [0, 1, 0]);
  t.is(ticketOf(cells, b), 0);
  t.is(longestWaiting(cells)?.slot, c);
});

test('a lock that is offered is free, and who has waited longest is woken', (t) => {
  const {cells, slots, wakeUps} = setUp();
  const [a, b] = slots;
  for (const slot of [b, a]) join(cells, slot);
  t.is(offer(cells, readWord(cells)), readWord(cells));
  t.true(isFree(readWord(cells)));
  t.true(hasWaiters(readWord(cells)));
  t.deepEqual(wakeUps(), [0, 1, 0]);
  t.is(ticketOf(cells, b), 0);
  t.is(longestWaiting(cells)?.slot, a);
});

for (const [name, vacate] of Object.entries({handOff, offer})) {
  test(`${name} frees a lock that nobody waits for, and clears WAITERS`, (t) => {
    const {cells, wakeUps} = setUp();
    setWaiters(cells);
    t.is(vacate(cells, readWord(cells)), readWord(cells));
    t.true(isFree(readWord(cells)));
    t.false(hasWaiters(readWord(cells)));
    t.deepEqual(wakeUps(), [0, 0, 0]);
  });

  test(`${name} changes nothing if the word is not the one that was seen`, (t) => {
    const {cells, slots, wakeUps} = setUp();
    const before = readWord(cells);
    const ticket = join(cells, slots[0]);
    const now = readWord(cells);
    t.is(vacate(cells, before), undefined);
    t.is(readWord(cells), now);
    t.is(ticketOf(cells, slots[0]), ticket);
    t.deepEqual(wakeUps(), [0, 0, 0]);
  });

  test(`${name} chooses the next where the chosen one gave up before it could know`, (t) => {
    const {cells, slots, wakeUps} = setUp();
    const [a, b] = slots;
    const ticket = join(cells, a);
    join(cells, b);
    // It gives up its ticket, and the other half of its withdrawal comes later.
    interpose('after', () => Atomics.compareExchange(cells, slotCell(a, TICKET), ticket, 0));
    t.is(vacate(cells, readWord(cells)), readWord(cells));
    t.is(isReservedFor(readWord(cells), b), vacate === handOff);
    t.is(isFree(readWord(cells)), vacate === offer);
    t.deepEqual(wakeUps(), [0, 1, 0]);
    t.is(decline(cells, a, false), undefined);
  });

  test(`${name} leaves the lock to whoever took it from the chosen one that gave up`, (t) => {
    const {cells, slots, wakeUps} = setUp();
    const [a, b] = slots;
    const ticket = join(cells, a);
    join(cells, b);
    let left: Word | undefined;
    interpose('after', () => {
      left = readWord(cells);
      withdrawTicket(cells, a, ticket);
      tryTake(cells, b);
    });
    t.is(vacate(cells, readWord(cells)), left);
    t.true(isOwnedBy(readWord(cells), b));
    t.is(wakeUps()[0], 0);
  });

  test(`${name} frees the lock where the only one that waited gave up`, (t) => {
    const {cells, slots, wakeUps} = setUp();
    const ticket = join(cells, slots[0]);
    interpose('after', () => Atomics.compareExchange(cells, slotCell(slots[0], TICKET), ticket, 0));
    t.is(vacate(cells, readWord(cells)), readWord(cells));
    t.true(isFree(readWord(cells)));
    t.false(hasWaiters(readWord(cells)));
    t.deepEqual(wakeUps(), [0, 0, 0]);
  });

  test(`${name} forgets nobody who begins to wait while WAITERS is cleared`, (t) => {
    const {cells, slots, wakeUps} = setUp();
    setWaiters(cells);
    interpose('before', () => join(cells, slots[1]));
    t.not(vacate(cells, readWord(cells)), undefined);
    t.true(isFree(readWord(cells)));
    t.true(hasWaiters(readWord(cells)));
    t.deepEqual(wakeUps(), [0, 1, 0]);
  });
}

// Waking

test('only who has waited longest is woken, and loses its ticket by that', (t) => {
  const {cells, slots, wakeUps} = setUp();
  const [a, b] = slots;
  wakeLongestWaiting(cells);
  t.deepEqual(wakeUps(), [0, 0, 0]);
  join(cells, b);
  join(cells, a);
  wakeLongestWaiting(cells);
  t.deepEqual(wakeUps(), [0, 1, 0]);
  wakeLongestWaiting(cells);
  wakeLongestWaiting(cells);
  t.deepEqual(wakeUps(), [1, 1, 0]);
  t.false(isReserved(readWord(cells)));
});

test('a slot that is parked goes on when it is woken, and no other', async (t) => {
  const {cells, slots} = setUp();
  const [a, b] = slots;
  const woken = [a, b].map((slot) => {
    const wait = park(cells, slot, countWakeUps(cells, slot));
    return watch(wait ?? Promise.reject(new Error('It was woken before.')));
  });
  await settle();
  t.deepEqual(woken, [[], []]);
  wake(cells, b);
  await settle();
  t.deepEqual(woken, [[], [{value: 'ok'}]]);
});

test('a slot that was woken since it looked does not park', (t) => {
  const {cells, slots} = setUp();
  const wakeUps = countWakeUps(cells, slots[0]);
  wake(cells, slots[0]);
  t.is(park(cells, slots[0], wakeUps), undefined);
  t.not(park(cells, slots[0], wakeUps + 1), undefined);
});

test('polls of all threads are counted together', (t) => {
  const cells = createCells();
  t.deepEqual([countPoll(cells), countPoll(cells), countPoll(cells)], [0, 1, 2]);
});
