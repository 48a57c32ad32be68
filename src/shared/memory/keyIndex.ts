/**
 * The index, which leads from a key to its entry.
 *
 * The hash of a key names a bucket of cells. A search looks at all cells of the bucket, so nothing
 * ever has to be moved. A cell is 0, or it names an entry:
 *
 *     | MEMBER | fingerprint of the hash: 13 bits | number of the entry, from 1: 18 bits |
 *
 * - tentative: the thread that owns the entry has written a key into it, and wants to insert it
 *   here. It makes way if another thread inserts an entry for the same key.
 * - MEMBER: the entry is the lock of its key.
 *
 * An entry that nobody needs keeps its key until another key needs an entry. Then a thread takes
 * the entry's word, just as if it wanted the lock. It takes the entry out of the index, and only
 * then checks whether anybody waits for the lock. If nobody does, the thread writes the other key
 * into the entry, raises the entry's generation, and puts the entry back into the index.
 *
 * What must hold:
 *
 * - Only the owner of an entry writes the entry's key and generation, fills a cell that names the
 *   entry, and empties such a cell if it is a MEMBER. So suppose that a thread owns an entry, or
 *   has shown that it waits for it. If it then finds cell and generation as they were when the
 *   entry had the thread's key, it has the right entry for as long as it owns it or waits for it.
 * - Anybody may empty a tentative cell. The thread that filled it then starts again.
 * - A key has one MEMBER at most. To insert one, a thread first fills a cell and then looks at all
 *   the others. So if two threads insert the same key, at least one of them sees the other. One of
 *   them makes way, or finds its cell emptied, and cannot turn it into a MEMBER any more. (Purcell
 *   and Harris, "Non-blocking Hashtables with Open Addressing", DISC 2005.)
 * - A cell that names an entry is always in the bucket of the entry's key. So an entry can be
 *   repaired, at whichever of these steps its owner ended.
 */
import {Atomics} from '../intrinsics.js';
import {forgetDeaths, inherit} from './inheritance.js';
import {bucketHash, fingerprint, hasKey, readKey, writeKey, type KeyHash} from './keys.js';
import {
  BUCKET_CELLS,
  ENTRY_CELLS,
  GENERATION,
  NEXT_IDLE,
  USED,
  bucketOf,
  countEntries,
  entryAt,
  type Cells,
  type Entry,
  type Slot,
} from './layout.js';
import {isInUse, readOwner} from './threads.js';
import {clearDeadWaiting, handOff, isAwaited} from './waiters.js';
import {
  hasWaiters,
  isAbandoned,
  isFree,
  isHeld,
  namedSlot,
  readWord,
  take,
  type Word,
} from './word.js';

const MEMBER = 1 << 31;
const NUMBER_BITS = 18;
const NUMBER_MASK = (1 << NUMBER_BITS) - 1;
const FINGERPRINT_MASK = ~MEMBER & ~NUMBER_MASK;

/** After this many attempts, a thread no longer makes way for another that makes no progress. */
const COURTESIES = 20;

/**
 * How often a thread looks for an entry before it reports that there is none. (Another thread may
 * just be inserting the same key, with the last entry.) The number is low because each look goes
 * through all entries.
 */
const LOOKS_FOR_AN_ENTRY = 2;

/** An entry that is, or was, the lock of a key. */
export interface Place extends Entry {
  /** The generation of the entry while it had that key. */
  readonly generation: number;
  /** The cell of the index that names the entry, and the cell's value. */
  readonly cell: number;
  readonly member: number;
}

/** For an entry that the caller owns or waits for: whether it still has the same key. */
export function isInPlace({cells, word, generation, cell, member}: Place): boolean {
  return (
    Atomics.load(cells, cell) === member && Atomics.load(cells, word + GENERATION) === generation
  );
}

/** Finds the place of a key that anybody has used lately. */
export function findPlace(cells: Cells, hash: KeyHash): Place | undefined {
  const bucket = bucketOf(cells, bucketHash(hash));
  const wanted = MEMBER | markOf(hash);
  for (let cell = bucket; cell < bucket + BUCKET_CELLS; cell++) {
    const seen = Atomics.load(cells, cell);
    if ((seen & ~NUMBER_MASK) !== wanted) continue;
    const entry = entryIn(cells, seen);
    const place = placeOf(entry, cell, seen);
    if (hasKey(entry, hash) && isInPlace(place)) return place;
  }
  return undefined;
}

/** For an entry that the caller owns: whether it is the lock of any key. */
export function hasAnyKey(entry: Entry): boolean {
  const {cells} = entry;
  const bucket = bucketOf(cells, bucketHash(readKey(entry)));
  for (let cell = bucket; cell < bucket + BUCKET_CELLS; cell++) {
    const seen = Atomics.load(cells, cell);
    if (isMember(seen) && (seen & NUMBER_MASK) === entry.number + 1) return true;
  }
  return false;
}

/**
 * Finds the place of a key, or makes one. If it makes one, `slot` owns the lock there.
 *
 * @returns `undefined` if the key has no place and no entry is left
 */
export function findOrMakePlace(cells: Cells, hash: KeyHash, slot: Slot): Place | undefined {
  let idle: Entry | undefined;
  for (let attempt = 0; ; attempt++) {
    const found = findPlace(cells, hash);
    if (found !== undefined) {
      if (idle !== undefined) leave(idle);
      return found;
    }
    if (idle === undefined) {
      idle = ownIdle(cells, slot);
      if (idle === undefined) {
        if (attempt + 1 < LOOKS_FOR_AN_ENTRY) continue;
        return undefined;
      }
      writeKey(idle, hash);
      // Before any cell names the entry.
      countGeneration(idle);
    }
    const outcome = insert(idle, hash, slot, attempt < COURTESIES);
    if (typeof outcome === 'object') return outcome;
    if (outcome === 'full') {
      leave(idle);
      return undefined;
    }
  }
}

// Cells

const markOf = (hash: KeyHash) => fingerprint(hash) & FINGERPRINT_MASK;
const entryIn = (cells: Cells, seen: number) => entryAt(cells, (seen & NUMBER_MASK) - 1);
const isMember = (seen: number) => (seen & MEMBER) !== 0;

function exchange(cells: Cells, cell: number, from: number, to: number): boolean {
  return Atomics.compareExchange(cells, cell, from, to) === from;
}

function placeOf({cells, number, word}: Entry, cell: number, member: number): Place {
  const generation = Atomics.load(cells, word + GENERATION);
  return {cells, number, word, generation, cell, member};
}

function countGeneration({cells, word}: Entry): void {
  Atomics.add(cells, word + GENERATION, 1);
}

// Inserting

/** @param entry an entry that the caller owns and into which it has written the key */
function insert(
  entry: Entry,
  hash: KeyHash,
  slot: Slot,
  isCourteous: boolean,
): Place | 'again' | 'full' {
  const {cells} = entry;
  const bucket = bucketOf(cells, bucketHash(hash));
  const tentative = markOf(hash) | (entry.number + 1);
  const own = claimCell(cells, bucket, tentative);
  if (own === undefined) return makeRoom(cells, bucket, slot) ? 'again' : 'full';
  for (let cell = bucket; cell < bucket + BUCKET_CELLS; cell++) {
    if (cell === own) continue;
    const seen = Atomics.load(cells, cell);
    if ((seen & FINGERPRINT_MASK) !== markOf(hash) || seen === 0) continue;
    if (!hasKey(entryIn(cells, seen), hash)) continue;
    // The lower of the two cells wins. Whichever thread sees the other first enforces that.
    const makesWay = isMember(seen) || (cell < own && isCourteous);
    if (makesWay || !exchange(cells, cell, seen, 0)) {
      exchange(cells, own, tentative, 0);
      return 'again';
    }
  }
  const member = tentative | MEMBER;
  return exchange(cells, own, tentative, member) ? placeOf(entry, own, member) : 'again';
}

function claimCell(cells: Cells, bucket: number, tentative: number): number | undefined {
  for (let cell = bucket; cell < bucket + BUCKET_CELLS; cell++) {
    if (Atomics.load(cells, cell) === 0 && exchange(cells, cell, 0, tentative)) return cell;
  }
  return undefined;
}

/** Empties a cell of a bucket that is full. @returns whether there may be an empty cell now */
function makeRoom(cells: Cells, bucket: number, slot: Slot): boolean {
  for (let cell = bucket; cell < bucket + BUCKET_CELLS; cell++) {
    const seen = Atomics.load(cells, cell);
    if (seen === 0) return true;
    if (!isMember(seen)) {
      exchange(cells, cell, seen, 0);
      return true;
    }
    const idle = ownIfIdle(entryIn(cells, seen), slot);
    if (idle !== undefined) {
      leave(idle);
      return true;
    }
  }
  return false;
}

// Entries that nobody needs

// (Each of these functions makes `slot` the owner of an entry, and takes the entry from its key.)

function ownIdle(cells: Cells, slot: Slot): Entry | undefined {
  return ownNew(cells, slot) ?? ownUsed(cells, slot);
}

function ownNew(cells: Cells, slot: Slot): Entry | undefined {
  for (;;) {
    const number = Atomics.load(cells, USED);
    if (number >= countEntries(cells)) return undefined;
    if (!exchange(cells, USED, number, number + 1)) continue;
    const idle = ownIfIdle(entryAt(cells, number), slot);
    if (idle !== undefined) return idle;
  }
}

function ownUsed(cells: Cells, slot: Slot): Entry | undefined {
  let left = 0;
  const idle = ownFirst(cells, (word, entry) => {
    if (isIdle(word)) return ownIfIdle(entryAt(cells, entry), slot);
    if (isFree(word) || !isInUse(cells, namedSlot(word))) left++;
    return undefined;
  });
  if (idle !== undefined || left === 0) return idle;
  return ownFirst(cells, (_, entry) => ownIfLeft(entryAt(cells, entry), slot));
}

/**
 * Tries all entries that were ever used, from where the last one was found. @returns the first that
 * `own` gets
 */
function ownFirst(
  cells: Cells,
  own: (word: Word, entry: number) => Entry | undefined,
): Entry | undefined {
  const used = Atomics.load(cells, USED);
  const begin = Atomics.load(cells, NEXT_IDLE);
  const {word} = entryAt(cells, 0);
  for (let n = 0; n < used; n++) {
    const number = (begin + n) % used;
    // It makes no object for each entry: there may be a hundred thousand, and all of them may be
    // held.
    const found = own(Atomics.load(cells, word + number * ENTRY_CELLS) as Word, number);
    if (found === undefined) continue;
    Atomics.store(cells, NEXT_IDLE, number + 1);
    return found;
  }
  return undefined;
}

const isIdle = (word: Word) => isFree(word) && !hasWaiters(word) && !isAbandoned(word);

function ownIfIdle(entry: Entry, slot: Slot): Entry | undefined {
  const word = readWord(entry);
  return isIdle(word) ? takeFromKey(entry, take(entry, word, slot)) : undefined;
}

/**
 * The same for an entry that a dead thread left behind, or that waits for somebody who does not
 * come. Use it only if there is no other entry: the caller that would have inherited the lock will
 * not be told.
 */
function ownIfLeft(entry: Entry, slot: Slot): Entry | undefined {
  const word = readWord(entry);
  if (isAwaited(entry)) return undefined;
  if (isFree(word)) return takeFromKey(entry, take(entry, word, slot));
  if (!isHeld(word)) {
    const isLeft = !isInUse(entry.cells, namedSlot(word));
    return isLeft ? takeFromKey(entry, take(entry, word, slot)) : undefined;
  }
  const owner = readOwner(entry, word);
  return owner.hasDied ? takeFromKey(entry, inherit(entry, word, owner, slot)) : undefined;
}

/**
 * @param owned the word by which the caller owns the entry, or `undefined` if it does not own it
 */
function takeFromKey(entry: Entry, owned: Word | undefined): Entry | undefined {
  if (owned === undefined) return undefined;
  const {cells} = entry;
  const bucket = bucketOf(cells, bucketHash(readKey(entry)));
  for (let cell = bucket; cell < bucket + BUCKET_CELLS; cell++) {
    const seen = Atomics.load(cells, cell);
    if ((seen & NUMBER_MASK) === entry.number + 1) exchange(cells, cell, seen, 0);
  }
  if (isAbandoned(owned)) forgetDeaths(entry);
  if (isAwaited(entry)) {
    leave(entry);
    return undefined;
  }
  // Nobody can get to the entry before a cell names it again.
  clearDeadWaiting(entry);
  return entry;
}

/** Gives up an entry that the caller owns. */
function leave(entry: Entry): void {
  // Fails if another thread begins to wait in between.
  while (handOff(entry, readWord(entry)) === undefined);
}
