/** How far the growth is followed, and by which names it is found in a report. */

export const SIZES = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000];
export const THREADS = [1, 2, 4, 8, 16, 32, 64];

/** What there are many of, in one thread. */
export const KINDS = ['callers', 'keys'] as const;

export const sizeRow = (size: number, kind: (typeof KINDS)[number]) => `${size} ${kind}`;
export const threadsRow = (threads: number) => `${threads} threads`;
