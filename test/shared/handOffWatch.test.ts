// By a clock that the test moves by hand.
import test from 'ava';
import {advance, dueIn, keepToLoaded, timersLeft} from '../support/handClock.js';
import {HandOffWatch} from '../../src/shared/handOffWatch.js';
import {createBuffer, type Slot} from '../../src/shared/memory/layout.js';
import {
  announceOrTake,
  countWakeUps,
  drawTicket,
  handOff,
  offer,
} from '../../src/shared/memory/waiters.js';
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

keepToLoaded();

/** A thread that owns the lock, its watch, and others that wait for the lock. */
function setUp(waiting: number) {
  // What the test before has left.
  advance(1000);
  const cells = new Int32Array(createBuffer([1, 2, 3]));
  const owner = attachNobody(cells, 1000);
  tryTake(cells, owner);
  const slots = Array.from({length: waiting}, (_, n) => attachNobody(cells, 1001 + n));
  for (const slot of slots) announceOrTake(cells, slot, drawTicket(cells));
  return {
    cells,
    owner,
    slots: slots as [Slot, Slot],
    watch: new HandOffWatch(cells),
    word: () => readWord(cells),
    wakeUps: () => slots.map((slot) => countWakeUps(cells, slot)),
    handOff: () => handOff(cells, readWord(cells)) as Word,
    offer: () => offer(cells, readWord(cells)) as Word,
  };
}

test('a lock that was freed with nobody waiting is not watched', (t) => {
  const {cells, watch, word} = setUp(0);
  watch.watch(tryFree(cells, word()) as Word);
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
  const {slots, watch, word, wakeUps, handOff} = setUp(2);
  watch.watch(handOff());
  advance(4.9);
  t.true(isReservedFor(word(), slots[0]));
  t.deepEqual(wakeUps(), [1, 0]);
  advance(0.1);
  t.true(isReservedFor(word(), slots[1]));
  t.deepEqual(wakeUps(), [1, 1]);
});

test('a lock that nobody comes for is free in the end, and no longer watched', (t) => {
  const {watch, word, wakeUps, handOff} = setUp(2);
  watch.watch(handOff());
  advance(5);
  t.false(isFree(word()));
  t.deepEqual(dueIn(), [5]);
  advance(5);
  t.true(isFree(word()));
  t.false(hasWaiters(word()));
  t.deepEqual(wakeUps(), [1, 1]);
  t.deepEqual(dueIn(), []);
});

test('a lock that was taken in time is left alone', (t) => {
  const {cells, slots, watch, word, wakeUps, handOff} = setUp(2);
  watch.watch(handOff());
  tryTake(cells, slots[0]);
  advance(5);
  t.true(isOwnedBy(word(), slots[0]));
  t.deepEqual(wakeUps(), [1, 0]);
  t.deepEqual(dueIn(), []);
});

test('a lock that was taken, released and reserved again by others is left to them', (t) => {
  const {cells, slots, watch, word, wakeUps, handOff} = setUp(2);
  watch.watch(handOff());
  tryTake(cells, slots[0]);
  handOff();
  advance(5);
  t.true(isReservedFor(word(), slots[1]));
  t.deepEqual(wakeUps(), [1, 1]);
  t.deepEqual(dueIn(), []);
});

test('a free lock that the one who was woken does not come for is offered to the next', (t) => {
  const {watch, word, wakeUps, offer} = setUp(2);
  watch.watch(offer());
  t.deepEqual([dueIn(), wakeUps()], [[5], [1, 0]]);
  advance(5);
  t.true(isFree(word()));
  t.deepEqual(wakeUps(), [1, 1]);
  advance(5);
  t.deepEqual(wakeUps(), [1, 1]);
  t.deepEqual(dueIn(), []);
});

test('what is left while a watch runs has its whole time', (t) => {
  const {cells, owner, slots, watch, word, wakeUps, handOff} = setUp(2);
  watch.watch(handOff());
  tryTake(cells, slots[0]);
  tryFree(cells, word());
  advance(4);
  // This thread has the lock again, and leaves it a second time.
  handOff();
  tryTake(cells, slots[1]);
  offerTo(cells, owner);
  const again = announceOrTake(cells, slots[0], drawTicket(cells));
  t.is(again, undefined);
  watch.watch(handOff());
  t.deepEqual(dueIn(), [1]);
  const before = wakeUps();
  advance(4.9);
  t.true(isReservedFor(word(), slots[0]));
  t.deepEqual(wakeUps(), before);
  advance(1.1);
  t.true(isFree(word()));
});

/** Whoever owns the lock leaves it, and `slot` takes it. */
function offerTo(cells: Int32Array, slot: Slot): void {
  offer(cells, readWord(cells));
  if (tryTake(cells, slot) === undefined) throw new Error('The lock is not free.');
}

test('a watch on a free lock, with nobody waiting, ends the watch on what was left before', (t) => {
  const {cells, owner, slots, watch, word, handOff} = setUp(1);
  watch.watch(handOff());
  tryTake(cells, slots[0]);
  offerTo(cells, owner);
  const left = handOff();
  watch.watch(left);
  advance(5);
  t.is(word(), left);
  t.deepEqual(dueIn(), []);
});
