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
  readonly IN_USE: number;
  readonly PREPARING: number;
  readonly STATE_BITS: number;
  readonly slotCell: (slot: Slot, field: number) => number;
  readonly entryAt: (cells: Cells, number: number) => Entry;
}
