/**
 * Which threads ended as the owner of a lock, while no caller has been told of it: a bit for each
 * slot, so that a death is still told if its heir ends, too.
 *
 *     | changes of the cell, modulo 64: 6 bits | slots: 26 bits |
 *
 * What must hold:
 *
 * - A dead owner's bit is set before the word is exchanged, and never after. Whoever sets it reads
 *   the cell first and the word then, and exchanges the cell only if it has not changed since. The
 *   word was the dead owner's in between. It can have been exchanged since only after somebody else
 *   had set the bit, which is a change of the cell, as is the owner's that clears it. So whoever
 *   comes late fails, however slow it was, and nobody is told twice. (That is why changes are
 *   counted: the cell would look the same again after the bit was set and cleared.)
 * - Only the owner clears a bit, after its caller was told.
 * - The slot of a dead thread is its own until no word names it and no bit of it is set. Whoever
 *   wants it looks at the word first: what was the thread's left a bit before it changed.
 */
import {Atomics} from '../intrinsics.js';
import {DEATHS, type Entry, type Slot} from './layout.js';
import {hasDied, type SlotThread} from './threads.js';
import {isSameTurn, readWord, type Word} from './word.js';

const SLOTS_OF_A_CELL = 26;
const ONE_CHANGE = 1 << SLOTS_OF_A_CELL;

const deathsCell = (entry: Entry, slot: Slot) =>
  entry.word + DEATHS + ((slot / SLOTS_OF_A_CELL) | 0);
const bitOf = (slot: Slot) => 1 << (slot % SLOTS_OF_A_CELL);

/**
 * Writes down that `owner`, which has the lock by `word`, has ended.
 *
 * @returns `false` if that is no longer its word, or its slot
 */
export function markDeath(entry: Entry, word: Word, owner: SlotThread): boolean {
  const {cells} = entry;
  const cell = deathsCell(entry, owner.slot);
  const bit = bitOf(owner.slot);
  for (;;) {
    const deaths = Atomics.load(cells, cell);
    if (!isSameTurn(word, readWord(entry)) || !hasDied(cells, owner)) return false;
    if ((deaths & bit) !== 0) return true;
    const next = (deaths | bit) + ONE_CHANGE;
    if (Atomics.compareExchange(cells, cell, deaths, next) === deaths) return true;
  }
}

/** Whether the thread of `slot` ended as the owner, and nobody has been told. */
export function isUntold(entry: Entry, slot: Slot): boolean {
  return (Atomics.load(entry.cells, deathsCell(entry, slot)) & bitOf(slot)) !== 0;
}

/** Somebody has been told. To be called by the owner: only a dead owner's word lets others write. */
export function clearDeath(entry: Entry, slot: Slot): void {
  const cell = deathsCell(entry, slot);
  const deaths = Atomics.load(entry.cells, cell);
  Atomics.store(entry.cells, cell, (deaths & ~bitOf(slot)) + ONE_CHANGE);
}
