/**
 * Where things are in a lock's memory: cells of 32 bits, first a header, then a slot for each
 * thread. Every change of the layout, or of what a cell means, needs a new `VERSION`.
 */

const MAGIC = 0x4c6f636b;
const VERSION = 2;

/** How many threads can use one lock at a time. */
export const SLOTS = 128;

/** How many liveness tokens a thread has for each lock. */
export const TOKENS = 10;

// The header. The word has a cache line to itself.
const MAGIC_CELL = 0; // marks a lock's buffer; the same in every version
const VERSION_CELL = 1;
const ID = 2; // three cells, unique in the process: a thread, a realm of it, a serial number
export const TICKETS = 5; // the last ticket that was drawn
export const SLOTS_IN_USE = 6; // slots from here on have never been used: scans end before them
export const PROBED_AT = 7; // when a thread last began to probe the owner's liveness
export const POLLS = 8; // how often contending threads have polled the word
export const NEXT_RECLAIM = 9; // where the next search for the slot of a dead thread begins
export const WORD = 16; // see word.ts
export const HEADER_CELLS = 32;

// A slot.
export const THREAD = 0; // whose it is: see threads.ts
export const TICKET = 1; // since when its line waits; 0 while it does not: see waiters.ts
export const WAKE_UPS = 2; // its line parks on this cell; each wake-up adds one
export const FIRST_TOKEN = 3; // see tokens.ts
export const TOKEN_SPENT_AT = FIRST_TOKEN + TOKENS; // when a token that was due was last spent
export const RUNTIME_ASKED_AT = TOKEN_SPENT_AT + 1; // when the runtime last was asked about its thread
export const SLOT_CELLS = 16;

const BYTES = (HEADER_CELLS + SLOTS * SLOT_CELLS) * Int32Array.BYTES_PER_ELEMENT;

export type Cells = Int32Array;

declare const KIND: unique symbol;
/** The number of a slot, from 0. */
export type Slot = number & {readonly [KIND]: 'slot'};

export function slotCell(slot: Slot, field: number): number {
  return HEADER_CELLS + slot * SLOT_CELLS + field;
}

/** The memory of a free lock. No two locks may have the same id. */
export function createBuffer(id: readonly [number, number, number]): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(BYTES);
  const cells = new Int32Array(buffer);
  cells.set(id, ID);
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
  const version = new Int32Array(buffer, 0, HEADER_CELLS)[VERSION_CELL];
  return version === VERSION && buffer.byteLength === BYTES;
}

export function lockId(cells: Cells): string {
  return cells.slice(ID, ID + 3).join();
}
