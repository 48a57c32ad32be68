// By a clock that the test moves by hand.
import test from 'ava';
import {advance, dueIn, keepToLoaded, timersLeft} from '../support/handClock.js';
import {HandOffWatch} from '../../src/shared/handOffWatch.js';
import type {Entry, Slot} from '../../src/shared/memory/layout.js';
import {announceOrTake, handOff, offer} from '../../src/shared/memory/waiters.js';
import {
  hasWaiters,
  isFree,
  isOwnedBy,
  isReservedFor,
  readWord,
  tryFree,
  tryTake,
  type Word,
} from '../../src/shared/memory/word.js';
import {attachNobody} from '../support/nobody.js';
import {createEntry, isCalled} from '../support/waiting.js';

keepToLoaded();

/** A thread that owns the lock, its watch, and others that wait for the lock. */
function setUp(waiting: number) {
  // What the test before has left.
  advance(1000);
  const entry = createEntry();
  const {cells} = entry;
  const owner = attachNobody(cells, 1000);
  tryTake(entry, owner);
  const slots = Array.from({length: waiting}, (_, n) => attachNobody(cells, 1001 + n));
  for (const slot of slots) announceOrTake(entry, slot);
  return {
    entry,
    owner,
    slots: slots as [Slot, Slot],
    watch: new HandOffWatch(entry, owner),
    word: () => readWord(entry),
    calls: () => slots.map((slot) => isCalled(entry, slot)),
    handOff: () => handOff(entry, readWord(entry)) as Word,
    offer: () => offer(entry, readWord(entry)) as Word,
  };
}

test('a lock that was freed with nobody waiting is not watched', (t) => {
  const {entry, watch, word} = setUp(0);
  watch.watch(tryFree(entry, word()) as Word);
  t.deepEqual(dueIn(), []);
});

test('a watch keeps no thread alive', (t) => {
  const {watch, handOff} = setUp(1);
  watch.watch(handOff());
  t.deepEqual(
    timersLeft().map(({keepsAlive}) => keepsAlive),
    [false],
  );
});

test('a reservation that nobody comes for goes to the next after five milliseconds', (t) => {
  const {slots, watch, word, calls, handOff} = setUp(2);
  watch.watch(handOff());
  advance(4.9);
  t.true(isReservedFor(word(), slots[0]));
  t.deepEqual(calls(), [true, false]);
  advance(0.1);
  t.true(isReservedFor(word(), slots[1]));
  t.deepEqual(calls(), [true, true]);
});

test('a lock that nobody comes for is free in the end, and no longer watched', (t) => {
  const {watch, word, calls, handOff} = setUp(2);
  watch.watch(handOff());
  advance(5);
  t.false(isFree(word()));
  t.deepEqual(dueIn(), [5]);
  advance(5);
  t.true(isFree(word()));
  t.false(hasWaiters(word()));
  t.deepEqual(calls(), [true, true]);
  t.deepEqual(dueIn(), []);
});

test('a lock that was taken in time is left alone', (t) => {
  const {entry, slots, watch, word, calls, handOff} = setUp(2);
  watch.watch(handOff());
  tryTake(entry, slots[0]);
  advance(5);
  t.true(isOwnedBy(word(), slots[0]));
  t.deepEqual(calls(), [true, false]);
  t.deepEqual(dueIn(), []);
});

test('a lock that was taken, released and reserved again by others is left to them', (t) => {
  const {entry, slots, watch, word, calls, handOff} = setUp(2);
  watch.watch(handOff());
  tryTake(entry, slots[0]);
  handOff();
  advance(5);
  t.true(isReservedFor(word(), slots[1]));
  t.deepEqual(calls(), [true, true]);
  t.deepEqual(dueIn(), []);
});

test('a free lock that the one who was woken does not come for is offered to the next', (t) => {
  const {watch, word, calls, offer} = setUp(2);
  watch.watch(offer());
  t.deepEqual([dueIn(), calls()], [[5], [true, false]]);
  advance(5);
  t.true(isFree(word()));
  t.deepEqual(calls(), [true, true]);
  advance(5);
  t.deepEqual(calls(), [true, true]);
  t.deepEqual(dueIn(), []);
});

test('what is left while a watch runs has its whole time', (t) => {
  const {entry, owner, slots, watch, word, calls, handOff} = setUp(2);
  watch.watch(handOff());
  tryTake(entry, slots[0]);
  tryFree(entry, word());
  advance(4);
  // This thread has the lock again, and leaves it a second time.
  handOff();
  tryTake(entry, slots[1]);
  offerTo(entry, owner);
  const again = announceOrTake(entry, slots[0]);
  t.is(again, undefined);
  watch.watch(handOff());
  t.deepEqual(dueIn(), [1]);
  const before = calls();
  advance(4.9);
  t.true(isReservedFor(word(), slots[0]));
  t.deepEqual(calls(), before);
  advance(1.1);
  t.true(isFree(word()));
});

/** Whoever owns the lock leaves it, and `slot` takes it. */
function offerTo(entry: Entry, slot: Slot): void {
  offer(entry, readWord(entry));
  if (tryTake(entry, slot) === undefined) throw new Error('The lock is not free.');
}

test('a watch on a free lock, with nobody waiting, ends the watch on what was left before', (t) => {
  const {entry, owner, slots, watch, word, handOff} = setUp(1);
  watch.watch(handOff());
  tryTake(entry, slots[0]);
  offerTo(entry, owner);
  const left = handOff();
  watch.watch(left);
  advance(5);
  t.is(word(), left);
  t.deepEqual(dueIn(), []);
});
