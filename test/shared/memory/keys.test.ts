import test from 'ava';
import {
  compareKeys,
  hasKey,
  hashKey,
  readKey,
  writeKey,
  type Key,
} from '../../../src/shared/memory/keys.js';
import {createKeysMemory, entryAt} from '../../../src/shared/memory/layout.js';

const memory = (...seed: [number, number]) => new Int32Array(createKeysMemory([1, 2, 3], 4, seed));
const cells = memory(0x0706_0504, -0x0706_0504);

const keys: readonly Key[] = [
  ...['', 'a', 'b', 'ab', 'ba', 'abc', 'a\0', '\0', '1', '1.5', 'NaN', 'ü', '\ud800', '\udc00'],
  ...[0, 1, -1, 1.5, NaN, Infinity, -Infinity, 2 ** 53, Number.MIN_VALUE],
  ...[0n, 1n, -1n, 2n ** 64n, 10n ** 40n],
];

test('equal keys have equal hashes, different ones differ in all words that are told apart', (t) => {
  const seen = new Map<string, Key>();
  for (const key of keys) {
    const hash = hashKey(cells, key);
    t.deepEqual(hash, hashKey(cells, key));
    t.true(hash.every((word) => word === (word | 0)));
    for (const word of hash.entries()) {
      const name = word.join();
      t.false(seen.has(name), `${String(key)} and ${String(seen.get(name))}`);
      seen.set(name, key);
    }
  }
  t.deepEqual(hashKey(cells, -0), hashKey(cells, 0));
});

test('another seed makes other hashes', (t) => {
  for (const key of keys) {
    const words = new Set([
      ...hashKey(cells, key),
      ...hashKey(memory(1, 2), key),
      ...hashKey(memory(2, 1), key),
    ]);
    t.is(words.size, 12);
  }
});

test('each bit of a hash depends on the key', (t) => {
  const ones = new Int32Array(128);
  const count = 4_000;
  for (let key = 0; key < count; key++) {
    for (const [n, word] of hashKey(cells, `key ${key}`).entries()) {
      for (let bit = 0; bit < 32; bit++) {
        const cell = n * 32 + bit;
        ones[cell] = (ones[cell] ?? 0) + ((word >>> bit) & 1);
      }
    }
  }
  for (const [bit, set] of ones.entries()) {
    t.true(Math.abs(set / count - 0.5) < 0.06, `bit ${bit}: ${set}`);
  }
});

test('an entry has the key that was written into it', (t) => {
  const entry = entryAt(cells, 2);
  const hash = hashKey(cells, 'key');
  t.false(hasKey(entry, hash));
  writeKey(entry, hash);
  t.true(hasKey(entry, hash));
  t.deepEqual(readKey(entry), hash);
  for (const other of [0, 1, 2, 3]) {
    const almost = hash.map((word, n) => (n === other ? word ^ 1 : word));
    t.false(hasKey(entry, almost as unknown as typeof hash));
  }
});

test('keys have one order, whatever the order in which they come', (t) => {
  const sorted = [...keys].sort(compareKeys);
  for (let round = 0; round < 20; round++) {
    const shuffled = [...keys].sort(() => Math.random() - 0.5);
    t.deepEqual(shuffled.sort(compareKeys), sorted);
  }
  for (const [n, key] of sorted.entries()) {
    t.is(compareKeys(key, key), 0);
    for (const later of sorted.slice(n + 1)) {
      t.true(compareKeys(key, later) < 0, `${String(key)}, ${String(later)}`);
      t.true(compareKeys(later, key) > 0);
    }
  }
});
