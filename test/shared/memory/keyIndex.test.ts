// How keys find their entries. Slots of threads that do not exist own them.
import test from 'ava';
import {
  findOrMakePlace,
  findPlace,
  hasAnyKey,
  isInPlace,
  type Place,
} from '../../../src/shared/memory/keyIndex.js';
import {hashKey, writeKey, type Key} from '../../../src/shared/memory/keys.js';
import {
  BUCKET_CELLS,
  THREAD,
  bucketOf,
  createKeysMemory,
  entryAt,
  slotCell,
  type Cells,
  type Slot,
} from '../../../src/shared/memory/layout.js';
import {inherit} from '../../../src/shared/memory/inheritance.js';
import {DIED, readOwner, slotState} from '../../../src/shared/memory/threads.js';
import {announceOrTake, handOff} from '../../../src/shared/memory/waiters.js';
import {
  isAbandoned,
  isFree,
  isOwnedBy,
  readWord,
  tryFree,
  tryTake,
} from '../../../src/shared/memory/word.js';
import {attachNobody} from '../../support/nobody.js';
import {countWaiting, isCalled} from '../../support/waiting.js';

const MEMBER = 1 << 31;

function setUp(maxKeys: number) {
  const cells = new Int32Array(createKeysMemory([1, 2, 3], maxKeys, [4, 5]));
  const [slot, other] = [attachNobody(cells, 1001), attachNobody(cells, 1002)] as [Slot, Slot];
  const find = (key: Key) => findPlace(cells, hashKey(cells, key));
  const make = (key: Key, by = slot) => findOrMakePlace(cells, hashKey(cells, key), by);
  /** Makes the place of a key, and frees its lock. */
  const use = (key: Key) => {
    const place = make(key) as Place;
    tryTake(place, slot);
    tryFree(place, readWord(place));
    return place;
  };
  return {cells, slot, other, find, make, use};
}

/** The cells of the bucket in which a key belongs. */
function bucket(cells: Cells, key: Key) {
  const first = bucketOf(cells, hashKey(cells, key)[0]);
  return Array.from({length: BUCKET_CELLS}, (_, n) => first + n);
}

/** A tentative cell for a key in an entry that `slot` owns, as one that has not got on. */
function tentative(cells: Cells, key: Key, number: number, slot: Slot, cell: number) {
  const entry = entryAt(cells, number);
  tryTake(entry, slot);
  const hash = hashKey(cells, key);
  writeKey(entry, hash);
  cells[cell] = (hash[1] & ~MEMBER & ~((1 << 18) - 1)) | (number + 1);
}

test('a key has no place before it is used, and one that stays after that', (t) => {
  const {slot, find, make} = setUp(8);
  t.is(find('key'), undefined);
  const made = make('key') as Place;
  t.true(isOwnedBy(readWord(made), slot), 'who made it owns it');
  t.deepEqual(find('key'), made);
  tryFree(made, readWord(made));
  t.deepEqual(find('key'), made);
  t.deepEqual(make('key'), made);
  t.true(isFree(readWord(made)), 'who found it does not');
  t.true(isInPlace(made));
});

test('so many keys have places at once as there are entries, each an entry of its own', (t) => {
  for (const maxKeys of [1, 2, 3, 16, 17, 1_000]) {
    const {make, find} = setUp(maxKeys);
    const entries = new Set<number>();
    for (let key = 0; key < maxKeys; key++) entries.add((make(key) as Place).number);
    t.is(entries.size, maxKeys);
    t.is(make('one more'), undefined);
    for (let key = 0; key < maxKeys; key++) t.true(entries.has((find(key) as Place).number));
  }
});

test('a new key gets the entry of one that nobody holds or awaits, which has no place then', (t) => {
  const {make, find, use} = setUp(2);
  const held = make('held') as Place;
  const idle = use('idle');
  const made = make('new') as Place;
  t.is(made.number, idle.number);
  t.false(isInPlace(idle));
  t.is(find('idle'), undefined);
  t.true(isInPlace(held));
  t.true(isInPlace(made));
});

test('a key that comes back gets a place that is told from its last one', (t) => {
  const {use} = setUp(1);
  const first = use('key');
  use('other');
  const second = use('key');
  t.deepEqual(
    [second.number, second.cell, second.member],
    [first.number, first.cell, first.member],
  );
  t.false(isInPlace(first));
  t.true(isInPlace(second));
});

test('an entry keeps its key while it is reserved for whoever waited for it', (t) => {
  const {make, use, find, slot, other} = setUp(1);
  const place = use('awaited');
  tryTake(place, other);
  announceOrTake(place, slot);
  t.is(make('new'), undefined, 'it is held');
  handOff(place, readWord(place));
  t.is(make('new'), undefined, 'it is reserved');
  t.deepEqual(find('awaited'), place);
});

test('who begins to wait while an entry is taken from its key is woken, and finds that', (t) => {
  const {cells, make, use, slot, other} = setUp(1);
  const place = use('awaited');
  // The word does not say so yet.
  cells[place.word + 1] = 1 << other;
  t.is(make('new'), undefined);
  t.true(isCalled(place, other));
  t.false(isInPlace(place));
  t.true(isOwnedBy(tryTake(place, other) as never, other));
  handOff(place, readWord(place));
  t.true(isFree(readWord(place)));
  t.is((make('new') as Place).number, place.number);
  t.true(isOwnedBy(readWord(place), slot));
});

test('who inserts a key that another has just inserted gets that place', (t) => {
  const {cells, make, slot, other, find} = setUp(4);
  const [first = 0] = bucket(cells, 'key');
  // The other one comes later in the bucket, and so makes way.
  tentative(cells, 'key', 3, other, first + 5);
  const made = make('key') as Place;
  t.is(made.cell, first);
  t.is(cells[first + 5], 0);
  t.true(isOwnedBy(readWord(made), slot));
  t.deepEqual(find('key'), made);
});

test('nobody waits for ever for who inserts the same key before it, and never gets on', (t) => {
  const {cells, make, slot, other} = setUp(4);
  const [first = 0] = bucket(cells, 'key');
  tentative(cells, 'key', 3, other, first);
  const made = make('key') as Place;
  t.true(isOwnedBy(readWord(made), slot));
  t.is(cells.subarray(first, first + BUCKET_CELLS).filter((cell) => cell !== 0).length, 1);
});

test('an entry whose owner ended while it inserted a key can be used again', (t) => {
  const {cells, make, slot, other} = setUp(1);
  const [first = 0] = bucket(cells, 'lost');
  cells[9] = 1; // one entry has been used
  tentative(cells, 'lost', 0, other, first + 2);
  t.is(make('new'), undefined);
  cells[slotCell(other, THREAD)] = slotState(1002, DIED);
  const made = make('new') as Place;
  t.true(isOwnedBy(readWord(made), slot));
  t.false(isAbandoned(readWord(made)), 'nobody is told of what was no lock yet');
  t.is(cells[first + 2], 0);
});

test('what a dead thread held is given to another key only where nothing else is left', (t) => {
  const {cells, make, find, use, slot, other} = setUp(2);
  const dead = make('dead', other) as Place;
  use('idle');
  cells[slotCell(other, THREAD)] = slotState(1002, DIED);
  make('new');
  t.deepEqual(find('dead'), dead);
  t.truthy(make('newer'));
  t.is(find('dead'), undefined);
  t.true(isOwnedBy(readWord(dead), slot));
  t.false(isAbandoned(readWord(dead)));
});

test('the lock of a dead thread that nobody has been told of is as good as held', (t) => {
  const {cells, make, find, slot, other} = setUp(2);
  const dead = make('dead', other) as Place;
  cells[slotCell(other, THREAD)] = slotState(1002, DIED);
  inherit(dead, readWord(dead), readOwner(dead, readWord(dead)), slot);
  tryFree(dead, readWord(dead));
  make('new');
  t.deepEqual(find('dead'), dead);
});

test('a bucket that is full of what never got on has room', (t) => {
  const {cells, make, other} = setUp(40);
  const own = bucket(cells, 'key');
  cells[9] = 17;
  for (const [n, cell] of own.entries()) tentative(cells, `other ${n}`, n, other, cell);
  t.true(isInPlace(make('key') as Place));
});

test('a thread that ended while it waited keeps no entry from another key', (t) => {
  const {cells, make, use, slot, other} = setUp(1);
  const place = use('awaited');
  tryTake(place, slot);
  announceOrTake(place, other);
  cells[slotCell(other, THREAD)] = slotState(1002, DIED);
  // Reserved for it, and it will not come.
  handOff(place, readWord(place));
  announceOrTake(place, other);
  const made = make('new') as Place;
  t.true(isOwnedBy(readWord(made), slot));
  t.deepEqual([countWaiting(made), isInPlace(place)], [0, false]);
});

test('an entry has a key exactly while a cell names it as a member', (t) => {
  const {cells, make, use, slot} = setUp(2);
  const place = use('key');
  t.true(hasAnyKey(place));
  use('other');
  use('another');
  t.true(hasAnyKey(place), 'another key has it');
  tentative(cells, 'key', 0, slot, place.cell);
  t.false(hasAnyKey(place));
  t.truthy(make('new'));
});
