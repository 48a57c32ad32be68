/**
 * What a key is in a memory: its hash, by HalfSipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast
 * short-input PRF", 2012) with the seed of the memory. So nobody who chooses keys can choose ones
 * that collide. All of the 128 bits in which that ends are kept, as what tells one key from another.
 */
import {Atomics, charCodeAt} from '../intrinsics.js';
import {KEY, SEED, type Cells, type Entry} from './layout.js';

/** What means the same in every thread. */
export type Key = string | number | bigint;

export type KeyHash = readonly [number, number, number, number];

/** What a key's text or number begins with, so that `1`, `'1'` and `1n` are three keys. */
const STRING = 1;
const NUMBER = 2;
const BIGINT = 3;

const number = new Float64Array(1);
const halves = new Int32Array(number.buffer);

export function hashKey(cells: Cells, key: Key): KeyHash {
  const state = begin(cells[SEED] as number, cells[SEED + 1] as number);
  if (typeof key === 'number') {
    // As in a `Map`, -0 is 0, and NaN is NaN.
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
  // Two UTF-16 units at a time. (After the last comes NaN, which is 0 here.)
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

/** An order of all keys that is the same in every thread. */
export function compareKeys(a: Key, b: Key): number {
  const [typeA, typeB] = [typeof a, typeof b];
  if (typeA !== typeB) return typeA < typeB ? -1 : 1;
  if (a < b) return -1;
  if (a > b) return 1;
  // Equal, or one of them is NaN, which is the last of the numbers.
  return Number(a !== a) - Number(b !== b);
}

/** By what the bucket for a hash is found, and what its cells have of it. */
export const bucketHash = (hash: KeyHash) => hash[0];
export const fingerprint = (hash: KeyHash) => hash[1];

export function readKey({cells, word}: Entry): KeyHash {
  const at = (n: number) => Atomics.load(cells, word + KEY + n);
  return [at(0), at(1), at(2), at(3)];
}

/** To be called by the owner of an entry that no cell of the index names. */
export function writeKey({cells, word}: Entry, hash: KeyHash): void {
  for (let n = 0; n < 4; n++) Atomics.store(cells, word + KEY + n, hash[n] as number);
}

export function hasKey({cells, word}: Entry, hash: KeyHash): boolean {
  for (let n = 0; n < 4; n++) {
    if (Atomics.load(cells, word + KEY + n) !== hash[n]) return false;
  }
  return true;
}
