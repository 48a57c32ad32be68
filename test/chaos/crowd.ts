/**
 * Locks by key: the run is about the lock of one key, and all around it callers use others, the
 * crowd. There are more of those than the memory has room for at a time, so that entries are taken
 * from keys all the time.
 */
import {createLocksByKey, type SharedKey, type SharedLocksByKey} from '../../src/shared/index.js';
import {isTimeout, useLock, type Player, type Section, type TestedLock} from './tested.js';
import {CROWD} from './marks.js';

export const MAX_KEYS = 256;

/** In the order in which several keys are acquired, it is in the middle of the crowd. */
export const TESTED_KEY = 500;

/** A number, a string or a bigint. None of them is the tested key: that number's turn is a bigint. */
export function crowdKey(number: number): SharedKey {
  if (number % 3 === 0) return number;
  return number % 3 === 1 ? String(number) : BigInt(number);
}

/** For so long, many ask for the same key of the crowd. */
const MOMENT_MILLISECONDS = 20;

/** How many of the crowd a caller holds at most. */
const SEVERAL = 4;

/**
 * How long a thread blocks at most where it may hold a key that others need, in whichever call: the
 * one that has the key for which it blocks may wait for just that key.
 */
const BLOCKING_MILLISECONDS = 300;

/** How many callers of this thread have or want keys of the crowd. */
let busy = 0;

async function busily(use: () => Promise<void>): Promise<void> {
  busy++;
  try {
    await use();
  } finally {
    busy--;
  }
}

type Keys = SharedLocksByKey;

/** The lock of one key, as if there were no other. */
const lockOf = (locks: Keys, key: SharedKey, blocksFor: () => number | undefined) => ({
  withLock: (section: Section) => locks.withLock(key, async () => section()),
  acquireLock: () => locks.acquireLock(key),
  releaseLock: () => locks.releaseLock(key),
  acquire: (options: {signal: AbortSignal}) => locks.acquire(key, options),
  tryAcquire: () => locks.tryAcquire(key),
  acquireSync: () => locks.acquireSync(key, {timeoutMilliseconds: blocksFor()}),
});

/** Attaches to the locks by key in `buffer`. */
export function attachToKeys(
  buffer: SharedArrayBuffer,
  timeoutMilliseconds: number | undefined,
  player: Player,
  random: () => number,
): TestedLock {
  const create = (through: () => TestedLock | undefined) =>
    createLocksByKey({
      timeoutMilliseconds,
      buffer,
      onAbandoned: ({threadId, key}) => {
        if (key === TESTED_KEY) player.told(through(), threadId);
        else player.toldInCrowd(Number(key), threadId);
      },
    });
  const locks = create(() => tested);
  // A call for several keys may be told of a death and then give up.
  const locksOfSeveral = create(() => undefined);

  const blocksFor = () => random() ** 2 * BLOCKING_MILLISECONDS;
  const testedKey = lockOf(locks, TESTED_KEY, () => (busy === 0 ? undefined : blocksFor()));

  /** Often one that many ask for at this moment, or that a thread had when it ended. */
  const anyone = () => {
    const kind = random();
    if (kind < 0.3) return Math.floor(Date.now() / MOMENT_MILLISECONDS) % CROWD;
    const left = kind < 0.6 ? player.leftInCrowd() : undefined;
    return left ?? Math.floor(random() * CROWD);
  };

  async function useCrowd(): Promise<void> {
    try {
      if (random() < 0.6) {
        const number = anyone();
        const lock = lockOf(locks, crowdKey(number), blocksFor);
        await useLock(lock, player, random, () => player.inCrowd([number]));
      } else {
        const size = 1 + Math.floor(random() * SEVERAL);
        const numbers = [...new Set(Array.from({length: size}, anyone))];
        using _guard = await locksOfSeveral.acquireAll(numbers.map(crowdKey));
        await player.inCrowd(numbers);
      }
    } catch (error) {
      if (!isTimeout(error)) throw error;
    }
  }

  const tested: TestedLock = {
    async withLock(section) {
      const way = random();
      if (way < 0.15) {
        const number = anyone();
        const keys = [crowdKey(number), TESTED_KEY];
        return busily(() =>
          locksOfSeveral.withLocks(keys, async () => player.inCrowd([number], section)),
        );
      }
      if (way < 0.5) await busily(useCrowd);
      return useLock(testedKey, player, random, section);
    },
  };
  return tested;
}

/** Asks for each key of the crowd, not for too many at a time. */
export async function askForAll(buffer: SharedArrayBuffer, player: Player): Promise<void> {
  const locks = createLocksByKey({
    buffer,
    onAbandoned: ({threadId, key}) => player.toldInCrowd(Number(key), threadId),
  });
  const numbers = Array.from({length: CROWD}, (_, number) => number);
  while (numbers.length > 0) {
    const some = numbers.splice(0, MAX_KEYS / 2);
    await Promise.all(
      some.map((number) => locks.withLock(crowdKey(number), () => player.inCrowd([number]))),
    );
  }
}
