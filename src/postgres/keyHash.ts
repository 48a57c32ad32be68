/** The numbers that stand for a key in the database. */
import {createHash, type Hash} from 'node:crypto';
import {uncurried} from '../intrinsics.js';

/** Two numbers of 64 bits, as PostgreSQL writes them. */
export interface KeyHash {
  /** Whoever holds the lock of the key has this advisory lock. */
  readonly lock: string;
  /** Whoever waits for the lock shares this one. */
  readonly bell: string;
}

const create = createHash;
const {prototype} = create('sha256').constructor as {prototype: Hash};
const update = uncurried(prototype.update) as (hash: Hash, text: string) => Hash;
const digest = uncurried(prototype.digest) as (hash: Hash, encoding: 'hex') => string;
const slice = uncurried(String.prototype.slice);
const {asIntN} = BigInt;
const toBigInt = BigInt;
const print = uncurried(BigInt.prototype.toString);

/** The lock is bytes 0 to 7 of the SHA-256 of `namespace`, a NUL and `key`, the bell bytes 8 to 15. */
export function hashKey(namespace: string, key: string): KeyHash {
  const hex = digest(update(create('sha256'), `${namespace}\0${key}`), 'hex');
  return {lock: numberOf(slice(hex, 0, 16)), bell: numberOf(slice(hex, 16, 32))};
}

const numberOf = (hex: string): string => print(asIntN(64, toBigInt(`0x${hex}`)));
