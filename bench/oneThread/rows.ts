/**
 * What is measured in one thread, by which names it is found in a report, and which locks have it.
 */
import type {Peer} from './peers.js';

/** How a caller uses the lock: the tables. */
export interface Use {
  readonly name: string;
  readonly way: 'withLock' | 'acquireLock' | 'acquire' | 'lifetime';
  readonly isAsync: boolean;
  readonly timeout?: number;
}

export const USES: readonly Use[] = [
  {name: 'asynchronous function', way: 'withLock', isAsync: true},
  {name: 'synchronous function', way: 'withLock', isAsync: false},
  {name: 'asynchronous function, 30 s timeout', way: 'withLock', isAsync: true, timeout: 30_000},
  {name: 'synchronous function, 30 s timeout', way: 'withLock', isAsync: false, timeout: 30_000},
  {name: 'acquire and release the lock', way: 'acquireLock', isAsync: false},
  {name: 'acquire a guard and release it', way: 'acquire', isAsync: false},
  {name: 'create, acquire, release and pool a lock', way: 'lifetime', isAsync: false},
  {
    name: 'create, acquire, release and pool a lock, 30 s timeout',
    way: 'lifetime',
    isAsync: false,
    timeout: 30_000,
  },
];

/** How many there are who call at the same time, or keys with one caller each: the columns. */
export interface Load {
  readonly name: string;
  readonly of: 'callers' | 'keys';
  readonly count: number;
}

const load = (count: number, of: Load['of']) => ({
  name: `${count.toLocaleString('en')} ${of}`,
  of,
  count,
});

/** One after the other. */
export const UNCONTENDED: Load = {name: 'uncontended', of: 'callers', count: 1};
export const FEW = load(100, 'callers');
export const MANY = load(10_000, 'callers');
export const KEYS = load(10_000, 'keys');
/** The same key again and again. */
export const ONE_KEY: Load = {name: 'one key', of: 'keys', count: 1};
export const LOADS: readonly Load[] = [UNCONTENDED, FEW, MANY, ONE_KEY, KEYS];

export const rowName = (use: Use, {name}: Load) => `${use.name}: ${name}`;

export function has(peer: Peer, use: Use, {of, count}: Load): boolean {
  if (use.timeout !== undefined && !peer.hasTimeouts) return false;
  // Nobody meets anybody at a lock of their own.
  if (use.way === 'lifetime' && count > 1) return false;
  if (use.way !== 'withLock') return peer[use.way] !== undefined && of === 'callers';
  return of === 'callers' || peer.byKey !== undefined;
}

/** What each of many waiters keeps on the heap. */
export const heapRow = (timeout?: number) =>
  `heap per waiter${timeout === undefined ? '' : ', 30 s timeout'}`;

/** What a lock keeps on the heap. */
export const LOCK_HEAP = 'heap of a lock';

/** What a lock does beside being fast. */
export const TRAITS = 'traits';
