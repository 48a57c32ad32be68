/**
 * A histogram of waiting times whose buckets grow by 9 %: eight of them double the time, from 1 µs
 * to an hour.
 */

const BUCKETS_PER_DOUBLING = 8;

export const BUCKETS = 32 * BUCKETS_PER_DOUBLING;

export const bucketOf = (milliseconds: number) =>
  Math.min(Math.floor(Math.log2(1 + milliseconds * 1000) * BUCKETS_PER_DOUBLING), BUCKETS - 1);

/** The time, in milliseconds, that `share` of all waits did not exceed. */
export function percentile(waits: readonly Uint32Array[], share: number): number {
  const total = waits.reduce((sum, thread) => sum + thread.reduce((a, b) => a + b, 0), 0);
  let left = total * share;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    for (const thread of waits) left -= thread[bucket] ?? 0;
    if (left <= 0) return (2 ** ((bucket + 1) / BUCKETS_PER_DOUBLING) - 1) / 1000;
  }
  return NaN;
}
