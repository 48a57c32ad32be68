/** What is measured of the locks by key across threads, and by which names it is found in a report. */
import {contended} from '../threads/rows.js';
import type {Work} from '../threads/phases.js';

/** How many keys the callers use. */
export const KEYS = [1, 16, 10_000];
export const THREADS = 4;
export const CALLERS = 100;

export const keyedRow = (keys: number, work: Work) =>
  `${keys} ${keys === 1 ? 'key' : 'keys'}, ${contended(THREADS, CALLERS, work)}`;

/** Whose callers all want the same, as those of one key do. */
export const SINGLE = 'a single shared lock';

/** What there may be many of. */
export const OVER_TIME = 'keys one after the other';
export const AT_ONCE = 'keys held at once';
export const LEFT = 'keys left by a dead thread';

export const limitRow = (count: number, of: string) => `${count} ${of}`;

/** How many keys there are in each of these rows. */
export const COUNTS = {
  [OVER_TIME]: 1_000_000,
  [AT_ONCE]: 100_000,
  [LEFT]: 10_000,
} as const;
