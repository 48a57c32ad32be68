/**
 * The deaths of which no caller has been told yet: which threads ended as the owner of a lock.
 * There is a bit for each slot, so that a death is still told if the heir ends, too.
 *
 *     | changes of the cell, modulo 64: 6 bits | slots: 26 bits |
 *
 * What must hold:
 *
 * - A dead owner's bit is set before the word is exchanged, and never after. Whoever sets the bit
 *   first reads the cell, then the word, and then exchanges the cell, which fails if the cell has
 *   changed since. When it read the word, the word was still the dead owner's. For somebody else to
 *   have exchanged the word since, somebody must have set the bit first, and that changes the cell.
 *   So whoever comes late fails, however slow it was, and nobody is told twice. (Changes are
 *   counted because the cell would look the same again after the bit was set and cleared.)
 * - Only the owner clears a bit, after its caller has been told.
 * - A dead thread keeps its slot until no word names the slot and no bit of it is set. Whoever
 *   wants the slot looks at the word first and the bits second, because a bit is set before the
 *   word changes.
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
 * Records that `owner`, which has the lock by `word`, has ended.
 *
 * @returns `false` if the word or the slot is no longer the owner's
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

/**
 * Records that somebody has been told. Only the owner may call it: others write here only while the
 * word is a dead owner's.
 */
export function clearDeath(entry: Entry, slot: Slot): void {
  const cell = deathsCell(entry, slot);
  const deaths = Atomics.load(entry.cells, cell);
  Atomics.store(entry.cells, cell, (deaths & ~bitOf(slot)) + ONE_CHANGE);
}
