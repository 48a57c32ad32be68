/**
 * What a memory keeps of a key: its hash, by HalfSipHash-2-4 (Aumasson and Bernstein, "SipHash: a
 * fast short-input PRF", 2012). The hash depends on a random seed in the memory, so nobody can
 * choose keys that collide. All 128 bits of the final state are kept, and they alone tell one key
 * from another.
 */
import {Atomics, charCodeAt} from '../intrinsics.js';
import {KEY, SEED, type Cells, type Entry} from './layout.js';

/** The types of keys, whose values mean the same in every thread. */
export type Key = string | number | bigint;

export type KeyHash = readonly [number, number, number, number];

/** Hashed before the key's text or number, so that `1`, `'1'` and `1n` are three different keys. */
const STRING = 1;
const NUMBER = 2;
const BIGINT = 3;

const number = new Float64Array(1);
const halves = new Int32Array(number.buffer);

export function hashKey(cells: Cells, key: Key): KeyHash {
  const state = begin(cells[SEED] as number, cells[SEED + 1] as number);
  if (typeof key === 'number') {
    // As in a `Map`, -0 is the same as 0, and NaN the same as NaN.
    number[0] = key === 0 ? 0 : key;
    absorb(state, NUMBER);
    absorb(state, halves[0] as number);
    absorb(state, halves[1] as number);
    return finish(state);
  }
  absorb(state, typeof key === 'string' ? STRING : BIGINT);
  const text = `${key}`;
  const {length} = text;
  absorb(state, length);
  // Two UTF-16 units at a time. (`charCodeAt` past the end is NaN, which counts as 0 here.)
  for (let i = 0; i < length; i += 2) {
    absorb(state, charCodeAt(text, i) | (charCodeAt(text, i + 1) << 16));
  }
  return finish(state);
}

interface State {
  a: number;
  b: number;
  c: number;
  d: number;
}

const begin = (seed0: number, seed1: number): State => ({
  a: seed0,
  b: seed1,
  c: 0x6c796765 ^ seed0,
  d: 0x74656462 ^ seed1,
});

function absorb(state: State, word: number): void {
  state.d ^= word;
  round(state);
  round(state);
  state.a ^= word;
}

function finish(state: State): KeyHash {
  state.c ^= 0xee;
  for (let i = 0; i < 4; i++) round(state);
  return [state.a, state.b, state.c, state.d];
}

function round(state: State): void {
  let {a, b, c, d} = state;
  a = (a + b) | 0;
  b = rotate(b, 5) ^ a;
  a = rotate(a, 16);
  c = (c + d) | 0;
  d = rotate(d, 8) ^ c;
  a = (a + d) | 0;
  d = rotate(d, 7) ^ a;
  c = (c + b) | 0;
  b = rotate(b, 13) ^ c;
  state.a = a;
  state.b = b;
  state.c = rotate(c, 16);
  state.d = d;
}

const rotate = (word: number, bits: number) => (word << bits) | (word >>> (32 - bits));

/** Compares keys in an order that is the same in every thread. */
export function compareKeys(a: Key, b: Key): number {
  const [typeA, typeB] = [typeof a, typeof b];
  if (typeA !== typeB) return typeA < typeB ? -1 : 1;
  if (a < b) return -1;
  if (a > b) return 1;
  // They are equal, or one of them is NaN, which comes after all other numbers.
  return Number(a !== a) - Number(b !== b);
}

/** The part of a hash that finds its bucket, and the part that is in the bucket's cells. */
export const bucketHash = (hash: KeyHash) => hash[0];
export const fingerprint = (hash: KeyHash) => hash[1];

export function readKey({cells, word}: Entry): KeyHash {
  const at = (n: number) => Atomics.load(cells, word + KEY + n);
  return [at(0), at(1), at(2), at(3)];
}

/** Only the owner of an entry may call it, while no cell of the index names the entry. */
export function writeKey({cells, word}: Entry, hash: KeyHash): void {
  for (let n = 0; n < 4; n++) Atomics.store(cells, word + KEY + n, hash[n] as number);
}

export function hasKey({cells, word}: Entry, hash: KeyHash): boolean {
  for (let n = 0; n < 4; n++) {
    if (Atomics.load(cells, word + KEY + n) !== hash[n]) return false;
  }
  return true;
}
