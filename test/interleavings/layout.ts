import {hashKey} from '../../src/shared/memory/keys.js';
import type {Cells, Entry, Slot} from '../../src/shared/memory/layout.js';

/** What the harness has to know of the memory, as it is in the threads: with fewer slots. */
export interface Layout {
  readonly SLOTS: number;
  readonly THREAD: number;
  readonly CALLS: number;
  readonly TOKENS: number;
  readonly SPARE_TOKEN: number;
  readonly LAST_TOKEN: number;
  readonly ORDINARY_TOKENS: number;
  readonly FRESH: number;
  readonly WAITING: number;
  readonly DEATHS: number;
  readonly KEY: number;
  readonly IN_USE: number;
  readonly PREPARING: number;
  readonly STATE_BITS: number;
  readonly slotCell: (slot: Slot, field: number) => number;
  readonly entryAt: (cells: Cells, number: number) => Entry;
  readonly countEntries: (cells: Cells) => number;
}

/** Each slot, and what its cells say. */
export function readSlots(
  {SLOTS, THREAD, TOKENS, SPARE_TOKEN, LAST_TOKEN, STATE_BITS, slotCell}: Layout,
  cells: Cells,
) {
  return Array.from({length: SLOTS}, (_, number) => {
    const slot = number as Slot;
    const thread = cells[slotCell(slot, THREAD)] as number;
    return {
      slot,
      id: thread >> STATE_BITS,
      state: thread & ((1 << STATE_BITS) - 1),
      tokens: cells[slotCell(slot, TOKENS)] as number,
      spareToken: cells[slotCell(slot, SPARE_TOKEN)] as number,
      lastToken: cells[slotCell(slot, LAST_TOKEN)] as number,
    };
  });
}

export function readEntries({entryAt, countEntries}: Layout, cells: Cells): Entry[] {
  return Array.from({length: countEntries(cells)}, (_, number) => entryAt(cells, number));
}

// Locks by key: see src/shared/memory/keyIndex.ts.

const NUMBER_MASK = (1 << 18) - 1;

/** What a cell of the index names. */
interface Named {
  readonly cell: number;
  readonly isMember: boolean;
  readonly entry: Entry;
}

/** The first cell of the index, which is behind the last entry. */
export function indexBegin({entryAt, countEntries}: Layout, cells: Cells): number {
  return entryAt(cells, countEntries(cells)).word;
}

/** All cells of the index that are not empty. */
export function readIndex(layout: Layout, cells: Cells): Named[] {
  const index: Named[] = [];
  for (let cell = indexBegin(layout, cells); cell < cells.length; cell++) {
    const seen = cells[cell] as number;
    if (seen === 0) continue;
    // MEMBER is the sign.
    const entry = layout.entryAt(cells, (seen & NUMBER_MASK) - 1);
    index.push({cell, isMember: seen < 0, entry});
  }
  return index;
}

/** The key of an entry, as `hashOf` has it. */
export function readHash({KEY}: Layout, {cells, word}: Entry): string {
  return cells.slice(word + KEY, word + KEY + 4).join();
}

export function hashOf(cells: Cells, key: string): string {
  return hashKey(cells, key).join();
}

/** The entries that have the lock of a key: one at most, unless something is wrong. */
export function entriesOf(layout: Layout, cells: Cells, key: string): Entry[] {
  const hash = hashOf(cells, key);
  return readIndex(layout, cells)
    .filter(({isMember, entry}) => isMember && readHash(layout, entry) === hash)
    .map(({entry}) => entry);
}
