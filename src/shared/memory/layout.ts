/**
 * Where things are in a memory: cells of 32 bits, first a header, then a slot for each thread that
 * uses the memory, then an entry for each lock in it. Every change of the layout, or of what a cell
 * means, needs a new `VERSION`.
 */

const MAGIC = 0x4c6f636b;
const VERSION = 3;

/** How many threads can use one memory at a time. */
export const SLOTS = 128;

/** An entry is one cache line, so that no lock slows another down. */
const ENTRY_CELLS = 16;

/** How many cells have a bit for each slot. */
export const WAITING_CELLS = (SLOTS + 31) >> 5;

// The header.
const MAGIC_CELL = 0; // marks the buffer of a lock; the same in every version
const VERSION_CELL = 1;
const ID = 2; // three cells, unique in the process: a thread, a realm of it, a serial number
const ENTRIES = 5; // how many there are
export const POLLS = 6; // how often contending threads have polled a word
export const NEXT_RECLAIM = 7; // where the next search for the slot of a dead thread begins
const HEADER_CELLS = 16;

// A slot. A thread that waits parks on one cell of it, for whichever locks.
export const THREAD = 0; // whose it is: see threads.ts
export const CALLS = 1; // which of its waits were called: see calls.ts
export const PROBED_AT = 2; // when a thread last began to probe its thread's liveness
export const SPENT_AT = 3; // when a token that was due was last spent, or the runtime asked instead
export const TOKENS = 4; // by which others find out whether its thread lives: see tokens.ts
export const SPARE_TOKEN = 5; // the same, in case the prober ends in the middle of that
export const LAST_TOKEN = 6; // the same, to be spent last
const SLOT_CELLS = 7;

// An entry. The cells after these are for locks by key: the key's hash, and a generation.
const WORD = 0; // see word.ts
export const WAITING = 1; // which slots wait: see waiters.ts
export const DEATHS = WAITING + WAITING_CELLS; // five cells: see deaths.ts

const FIRST_ENTRY = (HEADER_CELLS + SLOTS * SLOT_CELLS + ENTRY_CELLS - 1) & -ENTRY_CELLS;

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

const bytesWith = (entries: number) =>
  (FIRST_ENTRY + entries * ENTRY_CELLS) * Int32Array.BYTES_PER_ELEMENT;

/** A memory with so many locks, which are free. No two memories may have the same id. */
export function createBuffer(
  id: readonly [number, number, number],
  entries: number,
): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(bytesWith(entries));
  const cells = new Int32Array(buffer);
  cells.set(id, ID);
  cells[ENTRIES] = entries;
  cells[VERSION_CELL] = VERSION;
  cells[MAGIC_CELL] = MAGIC;
  return buffer;
}

/** Whether `buffer` is a lock's, of whichever version. */
export function isLockBuffer(buffer: SharedArrayBuffer): boolean {
  if (buffer.byteLength < HEADER_CELLS * Int32Array.BYTES_PER_ELEMENT) return false;
  return new Int32Array(buffer, 0, HEADER_CELLS)[MAGIC_CELL] === MAGIC;
}

export function isOfThisVersion(buffer: SharedArrayBuffer): boolean {
  const header = new Int32Array(buffer, 0, HEADER_CELLS);
  return header[VERSION_CELL] === VERSION && buffer.byteLength === bytesWith(countEntries(header));
}

export function memoryId(cells: Cells): string {
  return cells.slice(ID, ID + 3).join();
}
