import test from 'ava';
import {createLocks} from '../../support/waiting.js';
import {Atomics as calledAtomics} from '../../../src/shared/intrinsics.js';
import {isUntold, markDeath} from '../../../src/shared/memory/deaths.js';
import {freeLeftBehind, inherit, tellDeaths} from '../../../src/shared/memory/inheritance.js';
import {
  DEATHS,
  SLOTS,
  THREAD,
  TOKENS,
  entryAt,
  slotCell,
  type Cells,
  type Entry,
  type Slot,
} from '../../../src/shared/memory/layout.js';
import {attach, detach} from '../../../src/shared/memory/slots.js';
import {DIED, IN_USE, slotState, type SlotThread} from '../../../src/shared/memory/threads.js';
import {
  isAbandoned,
  isFree,
  isOwnedBy,
  readWord,
  setWaiters,
  take,
  tryTake,
  type Word,
} from '../../../src/shared/memory/word.js';
import {FRESH, armedBy} from '../../../src/shared/memory/tokens.js';
import {attachNobody} from '../../support/nobody.js';

const NOW = 1_000_000;
const ENTRY_CELLS = 16;

/** The three locks of a memory. */
function createEntries(): [Entry, Entry, Entry] {
  const cells = createLocks(3);
  return [entryAt(cells, 0), entryAt(cells, 1), entryAt(cells, 2)];
}

/** A thread has ended that owns the lock. */
function dieAsOwner(entry: Entry, slot: Slot, threadId: number): {word: Word; owner: SlotThread} {
  entry.cells[slotCell(slot, THREAD)] = slotState(threadId, DIED);
  const word = take(entry, readWord(entry), slot) as Word;
  return {word, owner: {slot, threadId, hasDied: true}};
}

function told(entry: Entry): number[] {
  const ids: number[] = [];
  tellDeaths(entry, (id) => ids.push(id));
  return ids;
}

const HEIR = 3 as Slot;
const OTHER = 4 as Slot;

test('an heir is told of the thread that died, once, and the lock is no longer abandoned', (t) => {
  const [, entry] = createEntries();
  const {word, owner} = dieAsOwner(entry, 7 as Slot, 1001);
  t.true(isOwnedBy(inherit(entry, word, owner, HEIR) as Word, HEIR));
  t.true(isAbandoned(readWord(entry)));
  t.true(isUntold(entry, owner.slot));
  t.deepEqual(told(entry), [1001]);
  t.false(isAbandoned(readWord(entry)));
  t.false(isUntold(entry, owner.slot));
  t.deepEqual(told(entry), []);
});

test('of several threads that would inherit one does', (t) => {
  const [entry] = createEntries();
  const {word, owner} = dieAsOwner(entry, 7 as Slot, 1001);
  t.not(inherit(entry, word, owner, HEIR), undefined);
  t.is(inherit(entry, word, owner, OTHER), undefined);
  t.is(freeLeftBehind(entry, word, owner), undefined);
  t.true(isOwnedBy(readWord(entry), HEIR));
});

test('a lock is inherited also if others begin to wait for it meanwhile', (t) => {
  const [entry] = createEntries();
  const {word, owner} = dieAsOwner(entry, 7 as Slot, 1001);
  setWaiters(entry);
  t.true(isOwnedBy(inherit(entry, word, owner, HEIR) as Word, HEIR));
});

test('nobody inherits from a thread that lives, or from another in the slot of a dead one', (t) => {
  const [entry] = createEntries();
  const {word, owner} = dieAsOwner(entry, 7 as Slot, 1001);
  for (const thread of [slotState(1001, IN_USE), slotState(1002, DIED)]) {
    entry.cells[slotCell(owner.slot, THREAD)] = thread;
    t.is(inherit(entry, word, owner, HEIR), undefined);
    t.is(readWord(entry), word);
    t.false(isUntold(entry, owner.slot));
  }
});

test('deaths of heirs that were not told are told as well, whichever slots they had', (t) => {
  const [, entry] = createEntries();
  let {word, owner} = dieAsOwner(entry, 0 as Slot, 1000);
  const slots = Array.from({length: SLOTS - 1}, (_, n) => (n + 1) as Slot);
  for (const slot of slots) {
    const threadId = 1000 + slot;
    word = inherit(entry, word, owner, slot) as Word;
    entry.cells[slotCell(slot, THREAD)] = slotState(threadId, DIED);
    owner = {slot, threadId, hasDied: true};
  }
  t.not(freeLeftBehind(entry, word, owner), undefined);
  t.true(isFree(readWord(entry)));
  tryTake(entry, HEIR);
  t.deepEqual(told(entry), [1000, ...slots.map((slot) => 1000 + slot)]);
});

test('the locks of a memory are inherited one by one', (t) => {
  const [first, second, third] = createEntries();
  const slot = 127 as Slot;
  const deaths = [first, second].map((entry) => ({entry, ...dieAsOwner(entry, slot, 1001)}));
  for (const {entry, word, owner} of deaths) {
    inherit(entry, word, owner, HEIR);
    t.deepEqual([told(third), told(entry), told(entry)], [[], [1001], []]);
  }
});

for (const [moment, interposed] of [
  ['has read the cell of deaths', 'load'],
  ['is about to exchange it', 'compareExchange'],
] as const) {
  test(`a prober that ${moment}, and goes on only when all is told, writes no death down`, (t) => {
    const [entry] = createEntries();
    const {word, owner} = dieAsOwner(entry, 7 as Slot, 1001);
    const original = calledAtomics[interposed] as (...args: unknown[]) => number;
    const changed: Record<string, unknown> = calledAtomics;
    const others = () => {
      inherit(entry, word, owner, HEIR);
      t.deepEqual(told(entry), [1001]);
    };
    changed[interposed] = (cells: Cells, cell: number, ...values: number[]) => {
      if (cell < entry.word + DEATHS) return original(cells, cell, ...values);
      changed[interposed] = original;
      if (interposed === 'compareExchange') others();
      const result = original(cells, cell, ...values);
      if (interposed === 'load') others();
      return result;
    };
    t.false(markDeath(entry, word, owner));
    t.false(isUntold(entry, owner.slot));
    t.deepEqual(told(entry), []);
  });
}

test('the slot of a dead owner is not given away until its death was told for each lock', (t) => {
  const [first, second] = createEntries();
  const {cells} = first;
  const slots = Array.from({length: SLOTS}, (_, n) => attachNobody(cells, 1001 + n));
  const dead = slots[60] as Slot;
  const newcomer = () => attach(cells, 2001, NOW, () => undefined)?.slot;
  const deaths = [first, second].map((entry) => ({entry, ...dieAsOwner(entry, dead, 1061)}));
  t.is(newcomer(), undefined, 'it owns both');
  for (const {entry, word, owner} of deaths) inherit(entry, word, owner, HEIR);
  t.is(newcomer(), undefined, 'both deaths are untold');
  t.deepEqual(told(first), [1061]);
  t.is(newcomer(), undefined, 'one death is untold');
  t.deepEqual(told(second), [1061]);
  t.is(newcomer(), dead);
});

test('a newcomer leaves the slot to a dead owner whose lock is inherited while it looks', (t) => {
  const [entry] = createEntries();
  const {cells} = entry;
  const slots = Array.from({length: SLOTS}, (_, n) => attachNobody(cells, 1001 + n));
  const slot = slots[0] as Slot;
  cells[slotCell(slot, TOKENS)] = armedBy(999, FRESH);
  cells[slotCell(slot, THREAD)] = slotState(999, IN_USE);
  const {notify, load} = calledAtomics;
  // When its token is spent the thread has just become the owner and ended.
  calledAtomics.notify = () => {
    calledAtomics.notify = notify;
    const word = tryTake(entry, slot) as Word;
    let loads = 0;
    calledAtomics.load = ((array: Cells, cell: number) => {
      const value = load(array, cell);
      if (cell >= entry.word && cell < entry.word + ENTRY_CELLS && ++loads === 1) {
        calledAtomics.load = load;
        inherit(entry, word, {slot, threadId: 999, hasDied: true}, slots[1] as Slot);
      }
      return value;
    }) as typeof load;
    return 0;
  };
  t.is(
    attach(cells, 2001, NOW, () => undefined),
    undefined,
  );
  t.true(isOwnedBy(readWord(entry), slots[1] as Slot));
  t.deepEqual(told(entry), [999]);
});

test('a slot is not given back while its thread owns one of the locks', (t) => {
  const [, , entry] = createEntries();
  const slot = attachNobody(entry.cells, 1001);
  const word = tryTake(entry, slot) as Word;
  const thread = entry.cells[slotCell(slot, THREAD)];
  detach(entry.cells, slot, 1001);
  t.is(entry.cells[slotCell(slot, THREAD)], thread);
  t.is(readWord(entry), word);
});
