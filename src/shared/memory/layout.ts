/**
 * The layout of a memory. It consists of cells of 32 bits: first a header, then a slot for each
 * thread that uses the memory, then an entry for each lock. A memory for locks by key ends with the
 * index, which finds the entry of a key. Every change of the layout, or of the meaning of a cell,
 * needs a new `VERSION`.
 */

import {Atomics} from '../intrinsics.js';

const MAGIC = 0x4c6f636b;
const VERSION = 5;

/** How many threads can use one memory at a time. */
export const SLOTS = 128;

/** An entry is one cache line long, so that no lock slows down another. */
export const ENTRY_CELLS = 16;

/** How many cells have a bit for each slot. */
export const WAITING_CELLS = (SLOTS + 31) >> 5;

// The header.
const MAGIC_CELL = 0; // marks the buffer as that of a lock; the same in every version
const VERSION_CELL = 1;
const ID = 2; // three cells, unique in the process: two are random, one is a serial number
const ENTRIES = 5; // how many there are
export const POLLS = 6; // how often contending threads have polled
export const NEXT_RECLAIM = 7; // where the next search for the slot of a dead thread begins
const BUCKETS = 8; // how many the index has, a power of 2; 0 where the memory is for one lock
export const USED = 9; // how many entries have ever been used, from the first
export const NEXT_IDLE = 10; // where the next search for an entry that nobody needs begins
export const SEED = 11; // two cells, of the hash of keys
export const THREADS = 13; // how many threads were numbered here: see threads.ts
const HEADER_CELLS = 16;

// A slot. A thread that waits parks on one cell of it, for whichever locks.
export const THREAD = 0; // the thread that it belongs to: see threads.ts
export const CALLS = 1; // for which locks its thread was called: see calls.ts
export const PROBED_AT = 2; // when anybody last began to probe whether its thread lives
export const SPENT_AT = 3; // when a token that was due was last spent, or the runtime asked instead
export const TOKENS = 4; // tokens, by which others find out whether its thread lives: see tokens.ts
export const SPARE_TOKEN = 5; // one more, in case a prober ends in the middle of a probe
export const LAST_TOKEN = 6; // one more, to be spent last
const SLOT_CELLS = 7;

// An entry.
const WORD = 0; // see word.ts
export const WAITING = 1; // which slots wait for the lock: see waiters.ts
export const DEATHS = WAITING + WAITING_CELLS; // five cells: see deaths.ts
export const KEY = DEATHS + 5; // four cells, the hash of the key whose lock it is: see keys.ts
export const GENERATION = KEY + 4; // how often the entry was taken from a key

const FIRST_ENTRY = (HEADER_CELLS + SLOTS * SLOT_CELLS + ENTRY_CELLS - 1) & -ENTRY_CELLS;

/** A bucket of the index is one cache line, too. */
export const BUCKET_CELLS = 16;

/** How many keys a bucket has on average, at most. With two, there is always room for all keys. */
const KEYS_OF_A_BUCKET = 2;

/** A cell of the index has room for the numbers of this many entries. */
export const MOST_KEYS = 1 << 17;

export type Cells = Int32Array;

declare const KIND: unique symbol;
/** The number of a slot, from 0. */
export type Slot = number & {readonly [KIND]: 'slot'};

export function slotCell(slot: Slot, field: number): number {
  return HEADER_CELLS + slot * SLOT_CELLS + field;
}

/** One lock in a memory. */
export interface Entry {
  readonly cells: Cells;
  /** Its number, from 0. */
  readonly number: number;
  /** The cell of its word, which is its first. */
  readonly word: number;
}

export function entryAt(cells: Cells, number: number): Entry {
  return {cells, number, word: FIRST_ENTRY + number * ENTRY_CELLS + WORD};
}

export function countEntries(cells: Cells): number {
  return cells[ENTRIES] as number;
}

/** Whether `test` returns `true` for one of the entries that were ever used. */
export function someEntry(cells: Cells, test: (entry: Entry) => boolean): boolean {
  const used = Atomics.load(cells, USED);
  for (let n = 0; n < used; n++) if (test(entryAt(cells, n))) return true;
  return false;
}

/** Calls `action` for each entry that was ever used. */
export function eachEntry(cells: Cells, action: (entry: Entry) => void): void {
  const used = Atomics.load(cells, USED);
  for (let n = 0; n < used; n++) action(entryAt(cells, n));
}

/** The first cell of the bucket for a hash. */
export function bucketOf(cells: Cells, hash: number): number {
  const bucket = hash & ((cells[BUCKETS] as number) - 1);
  return FIRST_ENTRY + countEntries(cells) * ENTRY_CELLS + bucket * BUCKET_CELLS;
}

const bytesWith = (entries: number, buckets: number) =>
  (FIRST_ENTRY + entries * ENTRY_CELLS + buckets * BUCKET_CELLS) * Int32Array.BYTES_PER_ELEMENT;

/** Identifies a memory. No two memories may have the same. */
export type MemoryId = readonly [number, number, number];

/** Creates a memory for one lock, which is free. */
export function createLockMemory(id: MemoryId): SharedArrayBuffer {
  const cells = createMemory(id, 1, 0);
  cells[USED] = 1;
  return cells.buffer as SharedArrayBuffer;
}

/** Creates a memory for the locks of `maxKeys` keys. */
export function createKeysMemory(
  id: MemoryId,
  maxKeys: number,
  seed: readonly [number, number],
): SharedArrayBuffer {
  let buckets = 1;
  while (buckets * KEYS_OF_A_BUCKET < maxKeys) buckets *= 2;
  const cells = createMemory(id, maxKeys, buckets);
  cells.set(seed, SEED);
  return cells.buffer as SharedArrayBuffer;
}

function createMemory(id: MemoryId, entries: number, buckets: number): Cells {
  const cells = new Int32Array(new SharedArrayBuffer(bytesWith(entries, buckets)));
  cells.set(id, ID);
  cells[ENTRIES] = entries;
  cells[BUCKETS] = buckets;
  cells[VERSION_CELL] = VERSION;
  cells[MAGIC_CELL] = MAGIC;
  return cells;
}

/** Whether `buffer` is the buffer of a lock, of any version. */
export function isLockBuffer(buffer: SharedArrayBuffer): boolean {
  if (buffer.byteLength < HEADER_CELLS * Int32Array.BYTES_PER_ELEMENT) return false;
  return new Int32Array(buffer, 0, HEADER_CELLS)[MAGIC_CELL] === MAGIC;
}

export function isOfThisVersion(buffer: SharedArrayBuffer): boolean {
  const header = new Int32Array(buffer, 0, HEADER_CELLS);
  return (
    header[VERSION_CELL] === VERSION &&
    buffer.byteLength === bytesWith(countEntries(header), header[BUCKETS] as number)
  );
}

/** Whether a memory of this version is for locks by key, and not for one lock. */
export const isForKeys = (cells: Cells) => cells[BUCKETS] !== 0;

export function memoryId(cells: Cells): string {
  return cells.slice(ID, ID + 3).join();
}
