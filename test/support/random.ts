import {uniformFloat64} from 'pure-rand/distribution/uniformFloat64';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';

/** Seeds that lie close together give first numbers that do, too. */
const LEFT_OUT = 16;

/** Random numbers from 0 to 1, the same for the same seed. */
export function randomNumbers(seed: number): () => number {
  const generator = xoroshiro128plus(seed);
  for (let n = 0; n < LEFT_OUT; n++) generator.next();
  return () => uniformFloat64(generator);
}
