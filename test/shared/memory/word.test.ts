import test from 'ava';
import {createLocks} from '../../support/waiting.js';
import {entryAt, type Entry, type Slot} from '../../../src/shared/memory/layout.js';
import {
  NO_WORD,
  clearAbandoned,
  exchangeWord,
  freed,
  hasWaiters,
  inherited,
  isAbandoned,
  isFree,
  isHeld,
  isOneTenure,
  isOwnedBy,
  isReserved,
  isReservedFor,
  isSameTurn,
  leftBehind,
  markWaiters,
  namedSlot,
  offered,
  readWord,
  reserved,
  setWaiters,
  take,
  tryFree,
  tryTake,
  type Word,
} from '../../../src/shared/memory/word.js';

const LAST_TURN = 2 ** 21 - 1;
const LAST_SLOT = 127;

type State = 'FREE' | 'HELD' | 'RESERVED';

interface Parts {
  readonly turn: number;
  readonly state: State;
  /** The slot that is named; -1 where none is. */
  readonly slot: number;
  readonly waiters: boolean;
  readonly abandoned: boolean;
}

/** The word of these parts, by the drawing in the header of `word.ts`. */
function compose({turn, state, slot, waiters, abandoned}: Parts): Word {
  const flags = (abandoned ? 4 : 0) + (waiters ? 2 : 0) + (state === 'RESERVED' ? 1 : 0);
  return ((turn * 2 ** 11 + flags * 2 ** 8 + slot + 1) | 0) as Word;
}

/** The parts of a word, by the same drawing. */
function parse(word: Word): Parts {
  const bits = (word >>> 0).toString(2).padStart(32, '0');
  const slot = parseInt(bits.slice(24), 2) - 1;
  return {
    turn: parseInt(bits.slice(0, 21), 2),
    abandoned: bits[21] === '1',
    waiters: bits[22] === '1',
    state: bits[23] === '1' ? 'RESERVED' : slot < 0 ? 'FREE' : 'HELD',
    slot,
  };
}

const booleans = [false, true];
const turns = [0, 1, 2 ** 20 - 1, 2 ** 20, LAST_TURN];
const slots = [0, 5, LAST_SLOT];

/** Words of these states, in each combination of what else they may say. */
function* words(...states: State[]): Generator<Parts & {readonly word: Word}> {
  for (const state of states) {
    for (const turn of turns) {
      for (const slot of state === 'FREE' ? [-1] : slots) {
        for (const waiters of booleans) {
          for (const abandoned of booleans) {
            const parts = {turn, state, slot, waiters, abandoned};
            yield {...parts, word: compose(parts)};
          }
        }
      }
    }
  }
}

const all = () => words('FREE', 'HELD', 'RESERVED');
const nextOf = (turn: number) => (turn === LAST_TURN ? 0 : turn + 1);

/** The second of three locks in a memory, with this word. */
function createEntry(word: Word = 0 as Word): Entry {
  const entry = entryAt(createLocks(3), 1);
  entry.cells[entry.word] = word;
  return entry;
}

const SLOT = 9 as Slot;

// What it can be

test('the word of a new lock is free, in its first turn', (t) => {
  const parts = {turn: 0, state: 'FREE', slot: -1, waiters: false, abandoned: false};
  t.deepEqual(parse(readWord(createEntry())), parts as Parts);
});

test('a word is in exactly one of its states', (t) => {
  for (const {word, state} of all()) {
    t.deepEqual(
      [isFree(word), isHeld(word), isReserved(word)],
      [state === 'FREE', state === 'HELD', state === 'RESERVED'],
    );
  }
});

test('WAITERS and ABANDONED are told whatever else a word says', (t) => {
  for (const {word, waiters, abandoned} of all()) {
    t.deepEqual([hasWaiters(word), isAbandoned(word)], [waiters, abandoned]);
  }
});

test('a word names the slot that has the lock or is to have it', (t) => {
  for (const {word, state, slot} of all()) {
    t.is(namedSlot(word), slot as Slot);
    for (const other of slots as Slot[]) {
      t.is(isOwnedBy(word, other), state === 'HELD' && slot === other);
      t.is(isReservedFor(word, other), state === 'RESERVED' && slot === other);
    }
  }
});

test('words are of the same turn if they differ in WAITERS and ABANDONED at most', (t) => {
  const some = [...all()].filter(({turn}) => turn !== 2 ** 20);
  let count = 0;
  for (const a of some) {
    for (const b of some) {
      const same = a.turn === b.turn && a.state === b.state && a.slot === b.slot;
      if (isSameTurn(a.word, b.word) !== same) t.fail(`${a.word} and ${b.word}`);
      count++;
    }
  }
  t.true(count > 10_000);
});

test('turns of one owner are one tenure if no other turn was between them', (t) => {
  for (const {word, turn} of words('HELD')) {
    const at = (other: number) =>
      compose({turn: other, state: 'HELD', slot: 3, waiters: true, abandoned: false});
    const next = nextOf(turn);
    t.true(isOneTenure(word, at(turn)));
    t.true(isOneTenure(word, at(next)));
    t.false(isOneTenure(word, at(nextOf(next))));
    t.false(isOneTenure(at(next), word), 'the later turn comes second');
  }
});

test('no lock ever has NO_WORD', (t) => {
  for (const {word} of all()) t.false(isSameTurn(NO_WORD, word));
  for (const slot of slots as Slot[]) {
    t.false(isOwnedBy(NO_WORD, slot));
    t.false(isReservedFor(NO_WORD, slot));
  }
  for (const {word} of all()) {
    const entry = createEntry(word);
    t.is(take(entry, NO_WORD, SLOT), undefined);
    t.is(readWord(entry), word);
  }
});

// What it can become

test('a lock that is taken is held, in the next turn, and keeps WAITERS and ABANDONED', (t) => {
  for (const {word, turn, waiters, abandoned} of all()) {
    const entry = createEntry(word);
    const taken = take(entry, word, SLOT);
    t.is(taken, readWord(entry));
    const expected: Parts = {turn: nextOf(turn), state: 'HELD', slot: SLOT, waiters, abandoned};
    t.deepEqual(parse(taken as Word), expected);
  }
});

test('a lock that is inherited is held, abandoned, in the next turn, and keeps WAITERS', (t) => {
  for (const {word, turn, waiters} of words('HELD')) {
    const expected: Parts = {
      turn: nextOf(turn),
      state: 'HELD',
      slot: SLOT,
      waiters,
      abandoned: true,
    };
    t.deepEqual(parse(inherited(word, SLOT)), expected);
  }
});

test('a lock that is left behind is free, abandoned, in the next turn, and keeps WAITERS', (t) => {
  for (const {word, turn, waiters} of words('HELD')) {
    const expected: Parts = {
      turn: nextOf(turn),
      state: 'FREE',
      slot: -1,
      waiters,
      abandoned: true,
    };
    t.deepEqual(parse(leftBehind(word)), expected);
  }
});

/** A reservation that lapses is a turn, the section of an owner was one already. */
const turnAfter = ({state, turn}: Parts) => (state === 'RESERVED' ? nextOf(turn) : turn);

test('a lock that is freed has no WAITERS, and keeps ABANDONED', (t) => {
  for (const {word, ...parts} of words('HELD', 'RESERVED')) {
    const {abandoned} = parts;
    const turn = turnAfter(parts);
    t.deepEqual(parse(freed(word)), {turn, state: 'FREE', slot: -1, waiters: false, abandoned});
  }
});

test('a lock that is offered is free with WAITERS, and keeps ABANDONED', (t) => {
  for (const {word, ...parts} of words('HELD', 'RESERVED')) {
    const {abandoned} = parts;
    const turn = turnAfter(parts);
    t.deepEqual(parse(offered(word)), {turn, state: 'FREE', slot: -1, waiters: true, abandoned});
  }
});

test('a lock that is reserved names its slot, with WAITERS, and keeps ABANDONED', (t) => {
  for (const {word, ...parts} of words('HELD', 'RESERVED')) {
    const {abandoned} = parts;
    const turn = turnAfter(parts);
    const expected: Parts = {turn, state: 'RESERVED', slot: SLOT, waiters: true, abandoned};
    t.deepEqual(parse(reserved(word, SLOT)), expected);
  }
});

test('a reservation that is made again for the same slot is another turn', (t) => {
  for (const {word, slot} of words('RESERVED')) {
    t.false(isSameTurn(word, reserved(word, slot as Slot)));
  }
});

test('each new word is one that the memory can give back', (t) => {
  for (const {word} of all()) {
    const next = [
      inherited(word, SLOT),
      leftBehind(word),
      freed(word),
      offered(word),
      reserved(word, SLOT),
    ];
    for (const each of next) {
      const entry = createEntry();
      t.true(exchangeWord(entry, readWord(entry), each));
      t.is(readWord(entry), each);
    }
  }
});

// The steps

test('a word is exchanged only if it is still the one that was seen', (t) => {
  const [before, after] = [...words('FREE')].map(({word}) => word) as [Word, Word];
  const entry = createEntry(before);
  t.false(exchangeWord(entry, after, before));
  t.is(readWord(entry), before);
  t.true(exchangeWord(entry, before, after));
  t.is(readWord(entry), after);
});

test('nobody takes a lock whose word has changed, WAITERS included', (t) => {
  for (const {word, waiters, ...parts} of words('FREE')) {
    const entry = createEntry(compose({...parts, waiters: !waiters}));
    const before = readWord(entry);
    t.is(take(entry, word, SLOT), undefined);
    t.is(readWord(entry), before);
  }
});

test('a slot tries to take a lock that is free or reserved for it, and no other', (t) => {
  for (const {word, state} of all()) {
    for (const slot of slots as Slot[]) {
      const entry = createEntry(word);
      const taken = tryTake(entry, slot);
      if (state === 'FREE' || isReservedFor(word, slot)) {
        t.is(taken, readWord(entry));
        t.true(isOwnedBy(taken as Word, slot));
      } else {
        t.is(taken, isOwnedBy(word, slot) ? word : undefined, 'it may own the lock already');
        t.is(readWord(entry), word);
      }
    }
  }
});

test('a lock without WAITERS is freed in one step, in the same turn, and keeps ABANDONED', (t) => {
  for (const {word, turn, waiters, abandoned} of words('HELD')) {
    const entry = createEntry(word);
    const left = tryFree(entry, word);
    if (waiters) {
      t.is(left, undefined);
      t.is(readWord(entry), word);
    } else {
      t.is(left, readWord(entry));
      t.deepEqual(parse(left as Word), {turn, state: 'FREE', slot: -1, waiters, abandoned});
    }
  }
});

test('a lock that others have begun to wait for is not freed in one step', (t) => {
  const entry = createEntry();
  const word = tryTake(entry, SLOT) as Word;
  setWaiters(entry);
  t.is(tryFree(entry, word), undefined);
  t.true(isOwnedBy(readWord(entry), SLOT));
});

test('WAITERS is set on the word that was seen, and nothing else is changed', (t) => {
  for (const {word, ...parts} of all()) {
    const entry = createEntry(word);
    t.true(markWaiters(entry, word));
    t.deepEqual(parse(readWord(entry)), {...parts, waiters: true});
  }
});

test('WAITERS is not set on a word that has changed', (t) => {
  for (const {word, waiters, turn} of words('HELD')) {
    if (waiters) continue;
    const now = compose({turn, state: 'FREE', slot: -1, waiters, abandoned: false});
    const entry = createEntry(now);
    t.false(markWaiters(entry, word));
    t.is(readWord(entry), now);
  }
});

test('WAITERS can be set whatever the word is', (t) => {
  for (const {word, ...parts} of all()) {
    const entry = createEntry(word);
    setWaiters(entry);
    t.deepEqual(parse(readWord(entry)), {...parts, waiters: true});
  }
});

test('ABANDONED is cleared whatever the word is', (t) => {
  for (const {word, ...parts} of all()) {
    const entry = createEntry(word);
    clearAbandoned(entry);
    t.deepEqual(parse(readWord(entry)), {...parts, abandoned: false});
  }
});

test('the word stays within its cell', (t) => {
  const entry = createEntry(compose({...parse(0 as Word), turn: LAST_TURN, abandoned: true}));
  const {cells, word: at} = entry;
  const around = () => [...cells.slice(0, at), ...cells.slice(at + 1)];
  const before = around();
  const word = tryTake(entry, LAST_SLOT as Slot) as Word;
  setWaiters(entry);
  exchangeWord(entry, readWord(entry), reserved(readWord(entry), SLOT));
  clearAbandoned(entry);
  t.is(parse(word).turn, 0);
  t.deepEqual(around(), before);
});
