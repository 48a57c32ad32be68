/** How far the growth is followed, and by which names it is found in a report. */

export const SIZES = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000];
export const THREADS = [1, 2, 4, 8, 16, 32, 64];

/** How many waiters are refused at once, and by what. */
export const REFUSED = [12_500, 25_000, 50_000, 100_000];
export const REFUSALS = ['aborted', 'timed-out'] as const;

/** On each of these, with what its command takes before a program. */
export const RUNTIMES: Readonly<Record<string, readonly string[]>> = {
  'Node.js': [],
  Bun: [],
  Deno: ['run', '--allow-all'],
};

/** What there are many of, in one thread. */
export const KINDS = ['callers', 'keys'] as const;

export const sizeRow = (size: number, kind: (typeof KINDS)[number]) => `${size} ${kind}`;
export const refusedRow = (count: number, how: (typeof REFUSALS)[number]) =>
  `${count} waiters ${how} at once`;
export const threadsRow = (threads: number) => `${threads} threads`;
