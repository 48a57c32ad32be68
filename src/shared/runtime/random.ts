import type crypto from 'node:crypto';
import {random} from '../intrinsics.js';
import {builtin} from './host.js';

const {randomFillSync} = builtin<typeof crypto>('node:crypto');

/** Random numbers that nobody can guess, if the runtime offers such numbers. */
export function randomSeed(): readonly [number, number] {
  const words = new Int32Array(2);
  if (randomFillSync) randomFillSync(words);
  else words.set([random() * 2 ** 32, random() * 2 ** 32]);
  return [words[0] as number, words[1] as number];
}
