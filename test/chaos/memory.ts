/** Our locks' memory in words, by the layout and the constants in src/shared/memory. */
import type {SharedKey} from '../../src/shared/index.js';
import {hashKey} from '../../src/shared/memory/keys.js';
import {TESTED_KEY} from './crowd.js';
import {isOurs, type LockSource} from './locks.js';

const ENTRIES = 5;
const BUCKETS = 8;
const USED = 9;
const FIRST_SLOT = 16;
const SLOT_CELLS = 7;
const SLOTS = 128;
const FIRST_ENTRY = 912;
const ENTRY_CELLS = 16;
const WAITING = 1;
const DEATHS = 5;
const KEY = 10;
const GENERATION = 14;
const BUCKET_CELLS = 16;
const NUMBER_MASK = (1 << 18) - 1;
const LEVEL_MASK = 15;
const STATES = ['FREE_SLOT', 'IN_USE', 'DIED', 'PREPARING'];

function slots(cells: Int32Array) {
  return Array.from({length: SLOTS}, (_, slot) => {
    const [thread = 0, calls = 0, , , ...tokens] = cells.subarray(FIRST_SLOT + slot * SLOT_CELLS);
    return {
      slot,
      threadId: thread >> 2,
      state: STATES[thread & 3] ?? '',
      calls,
      tokens: tokens.slice(0, 3),
    };
  });
}

/** Where the slot of this thread is, and whose it was when this thread had a lock. */
let seen = {cell: 0, thread: -1};

/**
 * By which number the memory knows this thread, which has the lock of `key`; `undefined` where that
 * is no news.
 */
export function newNumber({name, buffer}: LockSource, key: SharedKey): number | undefined {
  if (!isOurs(name)) return undefined;
  const cells = new Int32Array(buffer);
  if (cells[seen.cell] === seen.thread) return undefined;
  for (let number = 0; number < (cells[USED] ?? 0); number++) {
    const first = FIRST_ENTRY + number * ENTRY_CELLS;
    const word = cells[first] ?? 0;
    const isHeld = (word & 0xff) !== 0 && (word & 0x100) === 0;
    if (!isHeld || !hasKey(cells, first, key)) continue;
    // An entry may still have a key whose lock is elsewhere.
    if (cells[BUCKETS] !== 0 && !namedBy(cells, number).includes('member')) continue;
    const cell = FIRST_SLOT + ((word & 0xff) - 1) * SLOT_CELLS;
    seen = {cell, thread: cells[cell] ?? 0};
    return seen.thread >> 2;
  }
  return undefined;
}

/** The entries that were ever used. */
function entries(cells: Int32Array) {
  return Array.from({length: cells[USED] ?? 0}, (_, number) => {
    const first = FIRST_ENTRY + number * ENTRY_CELLS;
    const word = cells[first] ?? 0;
    const all = Array.from({length: SLOTS}, (_, slot) => slot);
    return {
      number,
      word,
      owner: (word & 0xff) - 1,
      isFree: (word & 0xff) === 0,
      isAbandoned: (word & 0x400) !== 0,
      waiting: all.filter((slot) => hasBit(cells, first + WAITING, 32, slot)),
      untold: all.filter((slot) => hasBit(cells, first + DEATHS, 26, slot)),
      generation: cells[first + GENERATION] ?? 0,
      isTested: hasKey(cells, first, TESTED_KEY),
      named: namedBy(cells, number),
    };
  });
}

/** Whether the bit of a slot is set in cells that have so many of them each. */
function hasBit(cells: Int32Array, first: number, bits: number, slot: number): boolean {
  return ((cells[first + Math.floor(slot / bits)] ?? 0) & (1 << (slot % bits))) !== 0;
}

/** Whether the entry that begins there has the lock of `key`, or had it. */
function hasKey(cells: Int32Array, first: number, key: SharedKey): boolean {
  if (cells[BUCKETS] === 0) return true;
  return hashKey(cells, key).every((part, n) => cells[first + KEY + n] === part);
}

/** What the cells of the index are to the entry that name it. */
function namedBy(cells: Int32Array, number: number): ('member' | 'tentative')[] {
  const index = FIRST_ENTRY + (cells[ENTRIES] ?? 0) * ENTRY_CELLS;
  return [...cells.subarray(index, index + (cells[BUCKETS] ?? 0) * BUCKET_CELLS)]
    .filter((cell) => (cell & NUMBER_MASK) === number + 1)
    .map((cell) => (cell < 0 ? 'member' : 'tentative'));
}

/**
 * The words that are not free, the tested lock's too if it is, and the slots that have to do with
 * one of them or with one of the threads that the lock knows by one of `numbers`.
 */
export function describe({name, buffer}: LockSource, numbers: readonly number[] = []): string {
  const cells = new Int32Array(buffer);
  if (!isOurs(name)) return `word ${cells[0] ?? 0}`;
  const shown = entries(cells).filter(({word, isFree, waiting, untold, isTested}) => {
    return isTested || !isFree || (word & 0x600) !== 0 || waiting.length + untold.length > 0;
  });
  const lines: string[] = [];
  const named = new Set<number>();
  for (const {number, word, owner, waiting, untold, generation, isTested, named: by} of shown) {
    for (const slot of [owner, ...waiting, ...untold]) named.add(slot);
    const state = owner < 0 ? 'free' : `${word & 0x100 ? 'reserved for' : 'held by'} slot ${owner}`;
    const flags = `${word & 0x200 ? ', WAITERS' : ''}${word & 0x400 ? ', ABANDONED' : ''}`;
    lines.push(
      `entry ${number}${isTested ? ' (tested)' : ''}, ${by.join(' and ') || 'not in the index'}, generation ${generation}: ${state}${flags}, turn ${word >>> 11}, waiting: ${waiting.join(' ')}, untold: ${untold.join(' ')}`,
    );
  }
  for (const {slot, threadId, state, calls, tokens} of slots(cells)) {
    if (!named.has(slot) && !numbers.includes(threadId)) continue;
    const these = tokens.map((token) =>
      token > 0 ? `armed (${token & LEVEL_MASK})` : token === 0 ? 'spent' : token,
    );
    lines.push(
      `slot ${slot}: thread ${threadId} ${state}${calls === 0 ? '' : ', called'}, tokens ${these.join(' ')}`,
    );
  }
  return lines.join('\n');
}

/** What is wrong with the locks' memory when nobody uses them any more. */
export function unrest({name, buffer}: LockSource): string | undefined {
  if (!isOurs(name)) return undefined;
  const cells = new Int32Array(buffer);
  for (const {number, isFree, isAbandoned, untold, named} of entries(cells)) {
    // A thread may have ended while it made or took an entry for a key that it did not have yet.
    if (name === 'keys' && !named.includes('member')) continue;
    if (named.length > 1) return `entry ${number} is in the index ${named.length} times`;
    if (!isFree) return `the lock of entry ${number} is not free`;
    if (isAbandoned) return `in entry ${number}, somebody is still to be told of a death`;
    if (untold.length > 0) {
      const about = slots(cells)[untold[0] as number];
      return `in entry ${number}, nobody was told of the death of thread ${about?.threadId}`;
    }
  }
  return undefined;
}

/** How many of the locks somebody holds, dead or alive. */
export function countHeld({buffer}: LockSource): number {
  const cells = new Int32Array(buffer);
  let held = 0;
  for (let number = 0; number < (cells[USED] ?? 0); number++) {
    const word = cells[FIRST_ENTRY + number * ENTRY_CELLS] ?? 0;
    if ((word & 0xff) !== 0 && (word & 0x100) === 0) held++;
  }
  return held;
}
