/**
 * What the threads do. This file is loaded twice: by the harness, which reads what the scenarios
 * are, and into each logical thread, whose copy of `run` is made to be suspended.
 */
import type {
  AbortSignalLike,
  AcquireOptions,
  BlockingOptions,
  LockGuard,
  SharedLock,
  SharedLocksByKey,
} from '../../src/types.js';

/** What a scenario's code can do, beside using the lock. */
export interface Actor {
  /** The one that was made before the scenario began, or of that the lock of this actor's key. */
  readonly lock: SharedLock;
  /** The locks by key, where the scenario is of those. */
  readonly locks: SharedLocksByKey<string>;
  /** The same thread, whose lock is that of a key. */
  of(key: string): Actor;
  /** Another object for the lock. */
  createLock(timeout?: number): SharedLock;
  /** Announces a caller, maybe one that goes ahead of those of its thread who asked before. */
  ask(goesFirst?: boolean): Caller;
  /** A point at which others may run. */
  step(): void;
  /** Resolves in a later turn of the event loop. */
  turn(): Promise<void>;
  sleep(milliseconds: number): Promise<void>;
  /** Lets time pass at once. */
  work(milliseconds: number): void;
  /** Declares that no lock object is referenced any more. */
  drop(): void;
}

/** To be told how it goes, so that it can be checked. */
export interface Caller {
  entered(): void;
  left(): void;
  served(): void;
  refused(error: unknown): void;
}

export interface Part {
  readonly run: (t: Actor) => Promise<void>;
  readonly timeout?: number;
  /** What its `onAbandoned` does, beside noting whom it is told of. */
  readonly whenTold?: (t: Actor) => void;
  /** It makes its lock object itself, at any time. */
  readonly attachesItself?: boolean;
  /** It may die at any of its atomic operations, and between its tasks. */
  readonly isMortal?: boolean;
}

export interface Scenario {
  readonly threads: readonly Part[];
  /** For so many keys at a time there is room, where it is of locks by key. */
  readonly maxKeys?: number;
  /** All keys that it uses. */
  readonly keys?: readonly string[];
  /** How many of them are held or awaited at a time, at most; without it, all. */
  readonly keysAtOnce?: number;
  /** How many threads die, at most. */
  readonly deaths?: number;
  /** How many are busy for long, at most. */
  readonly blocks?: number;
  readonly slots?: number;
  /** Whether the runtime says of every thread that it does not know it. */
  readonly isDenied?: boolean;
  /**
   * Whether the runtime does not answer, as while the main thread is blocked. Then threads have
   * only tokens to go by.
   */
  readonly isSilent?: boolean;
  /** Whether the slot of each thread that ends can be used again. */
  readonly losesNoSlot?: boolean;
  /** Whether no thread dies without a token by which that is found out, whatever the runtime says. */
  readonly leavesToken?: boolean;
  /** Up to how many preemptions to explore all executions. Without it, they are random. */
  readonly preemptions?: number;
}

// Callers

/** A critical section, in one turn of the event loop. */
async function call(t: Actor, lock: SharedLock, milliseconds = 0): Promise<boolean> {
  const caller = t.ask();
  try {
    await lock.withLock(() => {
      caller.entered();
      t.step();
      if (milliseconds > 0) t.work(milliseconds);
      caller.left();
    });
    caller.served();
    return true;
  } catch (error) {
    caller.refused(error);
    return false;
  }
}

/** With a turn of the event loop in the middle. */
async function callAsync(t: Actor, lock: SharedLock, milliseconds = 0): Promise<void> {
  const caller = t.ask();
  try {
    await lock.withLock(async () => {
      caller.entered();
      await t.turn();
      if (milliseconds > 0) t.work(milliseconds);
      caller.left();
    });
    caller.served();
  } catch (error) {
    caller.refused(error);
  }
}

async function acquireAndRelease(t: Actor, lock: SharedLock): Promise<void> {
  const caller = t.ask();
  try {
    await lock.acquireLock();
  } catch (error) {
    caller.refused(error);
    return;
  }
  caller.entered();
  t.step();
  caller.left();
  lock.releaseLock();
  caller.served();
}

/**
 * Blocks its thread, unless that has the lock. @returns whether it had the lock
 */
function callBlocking(t: Actor, lock: SharedLock, options?: BlockingOptions, work = 0): boolean {
  const caller = t.ask(true);
  try {
    lock.withLockSync(options, () => {
      caller.entered();
      t.step();
      if (work > 0) t.work(work);
      caller.left();
    });
  } catch (error) {
    caller.refused(error);
    return false;
  }
  caller.served();
  return true;
}

interface Abortable {
  readonly signal: AbortSignalLike;
  readonly abort: () => void;
}

function createAbortable(): Abortable {
  let onAbort: (() => void) | undefined;
  const signal = {
    aborted: false,
    reason: new Error('Aborted'),
    addEventListener: (_: 'abort', listener: () => void) => {
      onAbort = listener;
    },
    removeEventListener: () => {
      onAbort = undefined;
    },
  };
  const abort = () => {
    signal.aborted = true;
    onAbort?.();
  };
  return {signal, abort};
}

/** @returns what aborts some time later, like a timeout */
function abortLater(): AbortSignalLike {
  const {signal, abort} = createAbortable();
  setTimeout(abort, TIMEOUT);
  return signal;
}

/**
 * A critical section with limits of its own, which are all that may end its wait. Once its signal
 * has aborted it does not begin.
 */
async function callWithin(t: Actor, lock: SharedLock, options: AcquireOptions): Promise<void> {
  const caller = t.ask();
  const {signal, timeoutMilliseconds} = options;
  try {
    await lock.withLock(options, () => {
      if (signal?.aborted) throw new Error('It begins, and its signal has aborted.');
      caller.entered();
      t.step();
      caller.left();
    });
    caller.served();
  } catch (error) {
    const isTimeout = (error as {code?: unknown}).code === 'ERR_LOCK_TIMEOUT';
    if (isTimeout && timeoutMilliseconds === Infinity) throw error;
    caller.refused(error);
  }
}

/** With a guard, unless that is aborted before. */
async function callUnlessAborted(t: Actor, lock: SharedLock): Promise<void> {
  const caller = t.ask();
  let guard: LockGuard;
  try {
    guard = await lock.acquire({signal: abortLater()});
  } catch (error) {
    caller.refused(error);
    return;
  }
  caller.entered();
  await t.turn();
  caller.left();
  guard.release();
  caller.served();
}

/** @returns whether it got the lock */
function callIfFree(t: Actor, lock: SharedLock): boolean {
  const guard = lock.tryAcquire();
  if (guard === undefined) return false;
  const caller = t.ask();
  caller.entered();
  t.step();
  caller.left();
  guard.release();
  caller.served();
  return true;
}

// What a thread does

const once = async (t: Actor) => {
  await call(t, t.lock);
};
const onceAsync = async (t: Actor) => callAsync(t, t.lock);
const acquireOnce = async (t: Actor) => acquireAndRelease(t, t.lock);

const twoCallers = async (t: Actor) => {
  const first = call(t, t.lock);
  await call(t, t.lock);
  await first;
};

const twice = async (t: Actor) => {
  await call(t, t.lock);
  await call(t, t.lock);
};

/** Long enough that the lock has to be given to another thread after the second. */
const threeLong = async (t: Actor) => {
  const first = call(t, t.lock, 1);
  const second = callAsync(t, t.lock, 1);
  await call(t, t.lock, 1);
  await second;
  await first;
};

/** So long that the lock has to be given to another thread in between, whatever a tenure may be. */
const fourVeryLong = async (t: Actor) => {
  const first = call(t, t.lock, 4);
  const second = call(t, t.lock, 4);
  const third = call(t, t.lock, 4);
  await call(t, t.lock, 4);
  await third;
  await second;
  await first;
};

const twoObjects = async (t: Actor) => {
  const other = t.createLock();
  const first = callAsync(t, t.lock);
  await acquireAndRelease(t, other);
  await first;
  await call(t, t.lock);
};

const oneGivesUp = async (t: Actor) => {
  const patient = call(t, t.createLock());
  await call(t, t.lock);
  await patient;
};

const withdrawsAndComesBack = async (t: Actor) => {
  await call(t, t.lock);
  await call(t, t.createLock());
};

const abortsOnce = async (t: Actor) => callUnlessAborted(t, t.lock);

const abortsAndComesBack = async (t: Actor) => {
  await callUnlessAborted(t, t.lock);
  await call(t, t.lock);
};

const oneAborts = async (t: Actor) => {
  const aborted = callUnlessAborted(t, t.lock);
  await call(t, t.lock);
  await aborted;
};

/** The object has a timeout, and each call has limits of its own in its place. */
const ownLimits = async (t: Actor) => {
  const hasty = callWithin(t, t.lock, {timeoutMilliseconds: TIMEOUT / 2});
  const aborted = callWithin(t, t.lock, {signal: abortLater(), timeoutMilliseconds: Infinity});
  await callWithin(t, t.lock, {timeoutMilliseconds: Infinity});
  await aborted;
  await hasty;
  await callWithin(t, t.lock, {timeoutMilliseconds: 0});
};

/** Releases the lock, maybe to the next in its own line, whose signal aborts before that begins. */
const releasesAndAborts = async (t: Actor) => {
  const caller = t.ask();
  const guard = await t.lock.acquire();
  caller.entered();
  const {signal, abort} = createAbortable();
  const aborted = callWithin(t, t.lock, {signal});
  const last = callAsync(t, t.lock);
  await t.turn();
  caller.left();
  guard.release();
  caller.served();
  abort();
  await aborted;
  await last;
};

/** Does not wait, neither at first nor between two others. */
const tries = async (t: Actor) => {
  callIfFree(t, t.lock);
  const first = callAsync(t, t.lock);
  callIfFree(t, t.lock);
  await first;
  callIfFree(t, t.lock);
};

/** As a callback that goes too far. */
const releasesAndAsks = (t: Actor) => {
  try {
    t.lock.releaseLock();
  } catch {
    // It may not be released before the caller has it.
  }
  callIfFree(t, t.lock);
  void call(t, t.lock);
};

/** Tries until it gets the lock, or the other thread has had all the time in the world. */
const triesUntilFree = async (t: Actor) => {
  for (let times = 0; times < 40 && !callIfFree(t, t.lock); times++) await t.sleep(100);
};

const retires = async (t: Actor) => {
  const lock = t.createLock();
  const first = callAsync(t, lock);
  await lock.pool();
  await first;
};

/**
 * Forgets the lock object, and later makes a new one: of the same line, or of another if that was
 * collected.
 */
const comesAndGoes = async (t: Actor) => {
  await call(t, t.createLock());
  t.drop();
  await t.turn();
  await call(t, t.createLock());
  t.drop();
};

const givesUpAndForgets = async (t: Actor) => {
  await call(t, t.lock);
  t.drop();
};

const attachesAndCalls = async (t: Actor) => {
  await call(t, t.createLock());
};

/** @returns a lock object, or `undefined` if there are too many threads */
const attachIfPossible = (t: Actor): SharedLock | undefined => {
  try {
    return t.createLock();
  } catch (error) {
    if ((error as {code?: unknown}).code !== 'ERR_LOCK_FULL') throw error;
    return undefined;
  }
};

/** Tries again a few times where there is no room. */
const attachesLate = async (t: Actor) => {
  for (let tries = 0; tries < 3; tries++) {
    const lock = attachIfPossible(t);
    if (lock !== undefined) {
      await call(t, lock);
      return;
    }
    await t.sleep(150);
  }
};

/** Tries again often, and soon. */
const attachesOften = async (t: Actor) => {
  for (let tries = 0; tries < 8; tries++) {
    if (attachIfPossible(t) !== undefined) return;
    await t.sleep(20);
  }
};

/** Takes a slot, if there is one, and no more. */
const attaches = async (t: Actor) => {
  attachIfPossible(t);
};

const attachesTwice = async (t: Actor) => {
  if (attachIfPossible(t) !== undefined) return;
  await t.sleep(150);
  attachIfPossible(t);
};

/** Takes a slot when the next token of a thread that has been asked is due. */
const attachesLater = async (t: Actor) => {
  await t.sleep(350);
  attachIfPossible(t);
};

const rests = async () => undefined;

/** Forgets its lock object, and takes a slot again. */
const attachesAgain = async (t: Actor) => {
  t.drop();
  await t.turn();
  attachIfPossible(t);
};

/** Asks again where it was refused. */
const triesAgain = async (t: Actor) => {
  for (let tries = 0; tries < 40 && !(await call(t, t.lock)); tries++) await t.sleep(100);
};

const blocksOnce = async (t: Actor) => {
  callBlocking(t, t.lock);
};

const blocksTwice = async (t: Actor) => {
  callBlocking(t, t.lock);
  callBlocking(t, t.lock);
};

/** Each turn of its event loop finds the lock wanted by callers of its own. */
const blocksBesideOthers = async (t: Actor) => {
  const first = call(t, t.lock);
  callBlocking(t, t.lock);
  callBlocking(t, t.lock);
  const second = callAsync(t, t.lock);
  await first;
  await second;
};

/** Blocks while callers of its own wait for another thread, which is told of none of them. */
const blocksInLine = async (t: Actor) => {
  const first = callAsync(t, t.lock);
  const second = call(t, t.lock);
  await t.turn();
  // By then one of them may have the lock.
  callBlocking(t, t.lock);
  await first;
  await second;
};

const blocksImpatiently = async (t: Actor) => {
  callBlocking(t, t.lock, {timeoutMilliseconds: TIMEOUT});
  const waits = callAsync(t, t.lock);
  callBlocking(t, t.lock, {timeoutMilliseconds: 0});
  await waits;
};

/** Its guard outlives the turn, and others of the thread get in line meanwhile. */
const keepsGuardOfBlocking = async (t: Actor) => {
  const caller = t.ask(true);
  const guard = t.lock.acquireSync();
  caller.entered();
  const waits = call(t, t.lock);
  await t.turn();
  caller.left();
  guard.release();
  caller.served();
  // The other caller cannot have the lock yet.
  if (!callBlocking(t, t.lock)) throw new Error('The next blocking call of a turn was refused.');
  await waits;
};

// Keys

const A = 'a';
const B = 'b';
const C = 'c';
const D = 'd';

/** What a thread does with the lock of one key. */
const by =
  (key: string, run: Part['run']): Part['run'] =>
  (t) =>
    run(t.of(key));

/** One after the other. */
const inTurn =
  (...runs: Part['run'][]): Part['run'] =>
  async (t) => {
    for (const run of runs) await run(t);
  };

/** At the same time. */
const atOnce =
  (...runs: Part['run'][]): Part['run'] =>
  async (t) => {
    const running: Promise<void>[] = [];
    for (const run of runs) running.push(run(t));
    for (const each of running) await each;
  };

/** Holds the lock until nobody else has anything to do. */
const holdsLong = async (t: Actor) => {
  const caller = t.ask();
  try {
    await t.lock.withLock(async () => {
      caller.entered();
      await t.sleep(1_000);
      caller.left();
    });
    caller.served();
  } catch (error) {
    caller.refused(error);
  }
};

/** Blocks for one key while callers of its own wait for another. */
const blocksBesideAnotherKey = async (t: Actor) => {
  const first = callAsync(t.of(A), t.of(A).lock);
  const second = call(t.of(A), t.of(A).lock);
  callBlocking(t.of(B), t.of(B).lock);
  await t.turn();
  callBlocking(t.of(B), t.of(B).lock);
  await first;
  await second;
};

const waitsForTurn = async (t: Actor) => t.turn();

/** Acquires the locks of several keys at once. */
const together =
  (...keys: string[]): Part['run'] =>
  async (t) => {
    const callers: Caller[] = [];
    for (const key of keys) callers.push(t.of(key).ask());
    try {
      await t.locks.withLocks(keys, async () => {
        for (const caller of callers) caller.entered();
        await t.turn();
        for (const caller of callers) caller.left();
      });
    } catch (error) {
      for (const caller of callers) caller.refused(error);
      return;
    }
    for (const caller of callers) caller.served();
  };

/** Holds the locks of as many keys as there is room for, and of none that was used before. */
export async function fillMemory(t: Actor, size: number): Promise<void> {
  const guards: LockGuard[] = [];
  for (let tries = 0; guards.length < size; tries++) {
    try {
      guards.push(await t.of(`new ${guards.length}`).createLock().acquire());
    } catch (error) {
      if ((error as {code?: unknown}).code !== 'ERR_LOCK_FULL' || tries > 20) throw error;
      await t.sleep(300);
    }
  }
  for (const guard of guards) guard.release();
}

const TIMEOUT = 50;

export const scenarios: Record<string, Scenario> = {
  'acquire-and-release': {
    threads: [{run: acquireOnce}, {run: acquireOnce}],
    preemptions: 8,
  },
  'asynchronous-sections': {threads: [{run: onceAsync}, {run: onceAsync}], preemptions: 6},
  'two-callers-a-thread': {threads: [{run: twoCallers}, {run: twoCallers}], preemptions: 5},
  'one-after-the-other': {threads: [{run: twice}, {run: twice}], preemptions: 5},
  'two-objects': {threads: [{run: twoObjects}, {run: once}], preemptions: 4},
  'timeout-and-grant': {threads: [{run: onceAsync}, {run: once, timeout: TIMEOUT}], preemptions: 5},
  'two-timeouts': {
    threads: [
      {run: twice, timeout: TIMEOUT},
      {run: twice, timeout: TIMEOUT},
    ],
    preemptions: 4,
  },
  'withdrawal-of-the-last': {
    threads: [{run: twice}, {run: withdrawsAndComesBack, timeout: TIMEOUT}],
    preemptions: 4,
  },
  'one-of-two-gives-up': {
    threads: [{run: onceAsync}, {run: oneGivesUp, timeout: TIMEOUT}],
    preemptions: 4,
  },
  'no-patience': {threads: [{run: twice}, {run: twice, timeout: 0}], preemptions: 5},
  abort: {threads: [{run: onceAsync}, {run: abortsOnce}], preemptions: 4},
  'abort-of-the-last': {threads: [{run: twice}, {run: abortsAndComesBack}], preemptions: 3},
  'one-of-two-aborts': {threads: [{run: onceAsync}, {run: oneAborts}], preemptions: 3},
  'reserved-and-aborted': {threads: [{run: threeLong}, {run: abortsAndComesBack}], preemptions: 2},
  'own-limits': {
    threads: [{run: onceAsync}, {run: ownLimits, timeout: TIMEOUT}],
    preemptions: 3,
  },
  'released-and-aborted': {threads: [{run: twice}, {run: releasesAndAborts}], preemptions: 3},
  tries: {threads: [{run: tries}, {run: twice}], preemptions: 3},
  reserved: {threads: [{run: threeLong}, {run: once}], preemptions: 4},
  'reserved-and-withdrawn': {
    threads: [{run: threeLong}, {run: withdrawsAndComesBack, timeout: TIMEOUT}],
    preemptions: 3,
  },
  attach: {threads: [{run: once}, {run: attachesAndCalls, attachesItself: true}], preemptions: 5},
  retire: {threads: [{run: retires}, {run: once}], preemptions: 4},
  collected: {threads: [{run: comesAndGoes}, {run: once}], preemptions: 2},
  'collected-in-both': {
    threads: [{run: comesAndGoes}, {run: comesAndGoes}],
    slots: 4,
    preemptions: 1,
  },

  'dead-holder-or-waiter': {
    threads: [{run: onceAsync, isMortal: true}, {run: once}],
    deaths: 1,
    preemptions: 4,
  },
  'dead-with-callers': {
    threads: [{run: twoCallers, isMortal: true}, {run: twoCallers}],
    deaths: 1,
    preemptions: 3,
  },
  'dead-while-reserved': {
    threads: [{run: threeLong, isMortal: true}, {run: once}],
    deaths: 1,
    preemptions: 3,
  },
  'dead-waiter-while-reserved': {
    threads: [{run: threeLong}, {run: once, isMortal: true}],
    deaths: 1,
    preemptions: 3,
  },
  'dead-holder-and-no-patience': {
    threads: [
      {run: onceAsync, isMortal: true},
      {run: triesAgain, timeout: 0},
    ],
    deaths: 1,
    preemptions: 3,
  },
  'dead-holder-and-little-patience': {
    threads: [
      {run: onceAsync, isMortal: true},
      {run: triesAgain, timeout: TIMEOUT},
    ],
    deaths: 1,
    preemptions: 2,
  },
  'dead-holder-and-tries': {
    threads: [{run: onceAsync, isMortal: true}, {run: triesUntilFree}],
    deaths: 1,
    preemptions: 2,
  },
  'dead-holder-and-busy-callback': {
    threads: [
      {run: onceAsync, isMortal: true},
      {run: twoCallers, whenTold: releasesAndAsks},
    ],
    deaths: 1,
    preemptions: 2,
  },
  'dead-holder-or-aborted': {
    threads: [{run: onceAsync, isMortal: true}, {run: abortsAndComesBack}],
    deaths: 1,
    preemptions: 2,
  },
  'dead-slot': {
    threads: [
      {run: onceAsync, isMortal: true},
      {run: attachesLate, attachesItself: true},
    ],
    slots: 1,
    deaths: 1,
    preemptions: 3,
  },
  'slot-again': {
    threads: [
      {run: attachesAgain},
      {run: attaches, attachesItself: true, isMortal: true},
      {run: attaches, attachesItself: true},
    ],
    slots: 1,
    deaths: 1,
    preemptions: 2,
  },
  'slot-in-new-hands': {
    threads: [
      {run: rests, isMortal: true},
      {run: attaches, attachesItself: true},
      {run: attachesTwice, attachesItself: true},
    ],
    slots: 1,
    deaths: 1,
    preemptions: 2,
  },
  'dead-busy-holder': {
    threads: [{run: onceAsync, isMortal: true}, {run: once}],
    deaths: 1,
    blocks: 1,
    preemptions: 1,
  },
  'dead-holder-that-was-busy-in-silence': {
    threads: [{run: onceAsync, isMortal: true}, {run: once}],
    deaths: 1,
    blocks: 1,
    isSilent: true,
    leavesToken: true,
    preemptions: 1,
  },
  'slot-in-new-hands-in-the-middle': {
    threads: [
      {run: rests, isMortal: true},
      {run: attachesLater, attachesItself: true},
      {run: attachesTwice, attachesItself: true},
    ],
    slots: 1,
    deaths: 1,
    preemptions: 3,
  },
  'slot-of-one-that-stands-still': {
    threads: [
      {run: rests, isMortal: true},
      {run: attachesOften, attachesItself: true},
    ],
    slots: 1,
    deaths: 1,
    blocks: 1,
    isSilent: true,
    losesNoSlot: true,
    preemptions: 2,
  },
  'busy-waiter': {threads: [{run: threeLong}, {run: once}], blocks: 1, preemptions: 2},
  'busy-and-denied': {
    threads: [{run: onceAsync}, {run: once}],
    blocks: 1,
    isDenied: true,
    preemptions: 2,
  },

  'gives-up-and-is-collected': {
    threads: [{run: threeLong}, {run: givesUpAndForgets, timeout: TIMEOUT}],
    preemptions: 1,
  },
  'three-and-one-gives-up': {
    threads: [{run: threeLong}, {run: once, timeout: TIMEOUT}, {run: once}],
    preemptions: 1,
  },
  'three-threads': {threads: [{run: twice}, {run: twoCallers}, {run: onceAsync}]},
  'four-threads': {
    threads: [{run: twice}, {run: twoCallers}, {run: onceAsync}, {run: acquireOnce}],
  },
  'three-with-timeouts': {
    threads: [
      {run: threeLong},
      {run: withdrawsAndComesBack, timeout: TIMEOUT},
      {run: oneGivesUp, timeout: TIMEOUT},
    ],
  },
  'four-with-timeouts': {
    threads: [
      {run: threeLong},
      {run: withdrawsAndComesBack, timeout: TIMEOUT},
      {run: twice, timeout: TIMEOUT},
      {run: twice, timeout: 0},
    ],
  },
  'four-with-aborts': {
    threads: [{run: threeLong}, {run: abortsAndComesBack}, {run: oneAborts}, {run: tries}],
  },
  'three-with-own-limits': {
    threads: [{run: threeLong}, {run: ownLimits, timeout: TIMEOUT}, {run: releasesAndAborts}],
  },
  'three-reserved': {threads: [{run: threeLong}, {run: threeLong}, {run: twice}]},
  'slow-prober': {
    threads: [{run: onceAsync, isMortal: true}, {run: once}, {run: once}],
    deaths: 1,
    blocks: 1,
    preemptions: 0,
  },
  'slow-newcomer': {
    threads: [{run: onceAsync, isMortal: true}, {run: once}, {run: attaches, attachesItself: true}],
    slots: 2,
    deaths: 1,
    blocks: 1,
    preemptions: 1,
  },
  'two-heirs': {
    threads: [{run: onceAsync, isMortal: true}, {run: once}, {run: once}],
    deaths: 1,
  },
  'heir-with-a-long-line': {
    threads: [{run: onceAsync, isMortal: true}, {run: fourVeryLong}, {run: once}],
    deaths: 1,
    preemptions: 1,
  },
  'dead-heir': {
    threads: [
      {run: onceAsync, isMortal: true},
      {run: onceAsync, isMortal: true},
      {run: once},
      {run: twoCallers},
    ],
    deaths: 2,
  },
  'dead-of-three-reserved': {
    threads: [{run: threeLong, isMortal: true}, {run: threeLong, isMortal: true}, {run: twice}],
    deaths: 2,
  },
  'dead-heir-and-busy-callbacks': {
    threads: [
      {run: onceAsync, isMortal: true},
      {run: onceAsync, isMortal: true, whenTold: releasesAndAsks},
      {run: oneAborts, whenTold: releasesAndAsks},
    ],
    deaths: 2,
  },
  'dead-with-timeouts': {
    threads: [
      {run: onceAsync, isMortal: true},
      {run: withdrawsAndComesBack, timeout: TIMEOUT, isMortal: true},
      {run: triesAgain, timeout: TIMEOUT},
      {run: triesAgain, timeout: 0},
    ],
    deaths: 2,
  },
  'dead-with-aborts': {
    threads: [
      {run: onceAsync, isMortal: true},
      {run: abortsAndComesBack, isMortal: true},
      {run: oneAborts},
    ],
    deaths: 2,
  },
  'dead-with-own-limits': {
    threads: [
      {run: onceAsync, isMortal: true},
      {run: ownLimits, timeout: TIMEOUT, isMortal: true},
      {run: releasesAndAborts},
    ],
    deaths: 2,
  },
  'dead-slot-taken': {
    threads: [
      {run: onceAsync, isMortal: true},
      {run: once, isMortal: true},
      {run: attachesLate, attachesItself: true},
      {run: attachesLate, attachesItself: true},
    ],
    slots: 2,
    deaths: 2,
  },
  'blocking-twice': {threads: [{run: blocksTwice}, {run: blocksTwice}], preemptions: 5},
  'blocking-and-waiting': {threads: [{run: blocksTwice}, {run: twoCallers}], preemptions: 4},
  'blocking-beside-others': {
    threads: [{run: blocksBesideOthers}, {run: blocksBesideOthers}],
    preemptions: 3,
  },
  'blocking-guard': {threads: [{run: keepsGuardOfBlocking}, {run: twoCallers}], preemptions: 4},
  'blocking-of-three': {
    threads: [{run: blocksTwice}, {run: blocksBesideOthers}, {run: threeLong}],
  },
  'blocking-in-line': {threads: [{run: blocksInLine}, {run: threeLong}, {run: blocksOnce}]},
  'blocking-impatiently': {
    threads: [{run: blocksImpatiently}, {run: blocksBesideOthers}, {run: threeLong}],
    blocks: 1,
  },
  'blocking-and-dead': {
    threads: [
      {run: blocksTwice, isMortal: true},
      {run: blocksBesideOthers, isMortal: true},
      {run: blocksTwice},
      {run: once},
    ],
    deaths: 2,
  },
  'blocking-heirs': {
    threads: [
      {run: onceAsync, isMortal: true},
      {run: blocksOnce, isMortal: true},
      {run: blocksTwice},
    ],
    deaths: 2,
    isSilent: true,
  },
  'blocking-and-busy': {
    threads: [{run: blocksTwice}, {run: blocksBesideOthers}, {run: threeLong}],
    blocks: 1,
  },
  'busy-of-three': {threads: [{run: threeLong}, {run: twice}, {run: once}], blocks: 1},
  'busy-and-dead': {
    threads: [
      {run: threeLong, isMortal: true},
      {run: twoCallers, isMortal: true},
      {run: once},
      {run: once},
    ],
    deaths: 1,
    blocks: 1,
  },
  'collected-of-three': {
    threads: [{run: comesAndGoes}, {run: twice}, {run: comesAndGoes, attachesItself: true}],
    slots: 5,
  },
  'collected-and-dead': {
    threads: [
      {run: comesAndGoes, isMortal: true},
      {run: onceAsync, isMortal: true},
      {run: comesAndGoes, attachesItself: true},
    ],
    slots: 5,
    deaths: 1,
  },

  // Locks by key, with as many entries as may ever be needed
  'one-key': {
    threads: [{run: by(A, once)}, {run: by(A, once)}],
    maxKeys: 2,
    keys: [A],
    preemptions: 3,
  },
  'one-key-of-three': {
    threads: [{run: by(A, twice)}, {run: by(A, onceAsync)}, {run: by(A, once)}],
    maxKeys: 3,
    keys: [A],
  },
  'one-key-and-timeouts': {
    threads: [{run: by(A, oneGivesUp), timeout: TIMEOUT}, {run: by(A, twoCallers)}],
    maxKeys: 2,
    keys: [A],
    preemptions: 2,
  },
  'key-held-long': {
    threads: [{run: by(A, holdsLong)}, {run: inTurn(by(B, once), by(A, once))}],
    maxKeys: 3,
    keys: [A, B],
    preemptions: 2,
  },
  'two-keys-crossing': {
    threads: [{run: inTurn(by(A, once), by(B, once))}, {run: inTurn(by(B, once), by(A, once))}],
    maxKeys: 3,
    keys: [A, B],
    preemptions: 2,
  },
  'keys-together': {
    threads: [{run: together(A, B)}, {run: together(B, A)}],
    maxKeys: 3,
    keys: [A, B],
    preemptions: 2,
  },
  'keys-together-of-three': {
    threads: [{run: together(A, B)}, {run: together(C, B, A)}, {run: together(C, A)}],
    maxKeys: 5,
    keys: [A, B, C],
  },
  'keys-blocking': {
    threads: [{run: by(A, blocksTwice)}, {run: by(A, blocksBesideOthers)}],
    maxKeys: 2,
    keys: [A],
    preemptions: 2,
  },
  'keys-blocking-beside-another': {
    threads: [{run: blocksBesideAnotherKey}, {run: atOnce(by(A, twice), by(B, twice))}],
    maxKeys: 3,
    keys: [A, B],
    preemptions: 2,
  },
  'keys-blocking-of-three': {
    threads: [
      {run: blocksBesideAnotherKey},
      {run: atOnce(by(A, threeLong), by(B, blocksBesideOthers))},
      {run: by(B, blocksOnce)},
    ],
    maxKeys: 4,
    keys: [A, B],
  },
  'keys-collected': {
    threads: [{run: by(A, comesAndGoes)}, {run: inTurn(by(B, once), by(A, once))}],
    maxKeys: 3,
    keys: [A, B],
    slots: 4,
    preemptions: 1,
  },
  'dead-with-one-key': {
    threads: [{run: by(A, onceAsync), isMortal: true}, {run: by(A, once)}],
    maxKeys: 2,
    keys: [A],
    deaths: 1,
    preemptions: 2,
  },
  'dead-with-two-keys': {
    threads: [
      {run: atOnce(by(A, onceAsync), by(B, onceAsync)), isMortal: true},
      {run: atOnce(by(A, once), by(B, once))},
    ],
    maxKeys: 3,
    keys: [A, B],
    deaths: 1,
    preemptions: 1,
  },
  'dead-and-others-want-its-entry': {
    threads: [
      {run: by(A, onceAsync), isMortal: true},
      {
        run: inTurn(by(A, once), by(B, once), by(C, once), by(D, once), by(A, triesAgain)),
        timeout: TIMEOUT,
      },
    ],
    maxKeys: 3,
    keys: [A, B, C, D],
    keysAtOnce: 2,
    deaths: 1,
    preemptions: 1,
  },
  'dead-together': {
    threads: [{run: together(A, B), isMortal: true}, {run: together(B, A)}, {run: by(B, once)}],
    maxKeys: 4,
    keys: [A, B],
    deaths: 1,
  },
  'dead-with-two-keys-and-busy-callbacks': {
    threads: [
      {run: atOnce(by(A, onceAsync), by(B, onceAsync)), isMortal: true},
      {run: atOnce(by(A, onceAsync), by(B, once)), isMortal: true, whenTold: releasesAndAsks},
      {run: atOnce(by(A, oneAborts), by(B, once)), whenTold: releasesAndAsks},
    ],
    maxKeys: 4,
    keys: [A, B],
    deaths: 2,
  },
  'keys-blocking-and-dead': {
    threads: [
      {run: blocksBesideAnotherKey, isMortal: true},
      {run: atOnce(by(A, onceAsync), by(B, blocksTwice)), isMortal: true},
      {run: atOnce(by(A, once), by(B, blocksOnce))},
    ],
    maxKeys: 4,
    keys: [A, B],
    deaths: 2,
  },
  'keys-and-busy': {
    threads: [{run: by(A, twice)}, {run: inTurn(by(B, once), by(A, once))}, {run: by(B, once)}],
    maxKeys: 4,
    keys: [A, B],
    blocks: 1,
  },

  // Locks by key, with so few that a key may find none
  'two-keys-in-one-entry': {
    threads: [{run: by(A, twice)}, {run: by(B, twice)}],
    maxKeys: 1,
    keys: [A, B],
    preemptions: 3,
  },
  'keys-change-places': {
    threads: [
      {run: inTurn(by(A, once), by(B, once), by(A, once))},
      {run: inTurn(by(A, once), by(B, once))},
    ],
    maxKeys: 1,
    keys: [A, B],
    preemptions: 2,
  },
  'key-waits-and-loses-its-entry': {
    threads: [
      {run: by(A, twice)},
      {run: by(A, onceAsync)},
      {run: inTurn(by(B, once), by(B, once))},
    ],
    maxKeys: 1,
    keys: [A, B],
  },
  'key-waits-beside-a-long-holder': {
    threads: [{run: by(A, holdsLong)}, {run: inTurn(by(B, once), waitsForTurn, by(B, once))}],
    maxKeys: 1,
    keys: [A, B],
    preemptions: 2,
  },
  'key-blocks-beside-a-long-holder': {
    threads: [{run: by(A, holdsLong)}, {run: inTurn(by(B, once), waitsForTurn, by(B, blocksOnce))}],
    maxKeys: 1,
    keys: [A, B],
    preemptions: 2,
  },
  'keys-at-once-in-one-entry': {
    threads: [
      {run: atOnce(by(A, twice), by(B, twice))},
      {run: atOnce(by(B, twice), by(A, onceAsync))},
      {run: by(A, twice)},
    ],
    maxKeys: 1,
    keys: [A, B],
  },
  'keys-in-two-entries': {
    threads: [
      {run: inTurn(by(A, once), by(B, once), by(C, once))},
      {run: inTurn(by(B, once), by(C, onceAsync), by(A, once))},
      {run: inTurn(by(C, once), by(A, once), by(B, onceAsync))},
    ],
    maxKeys: 2,
    keys: [A, B, C],
  },
  'keys-at-once-in-two-entries': {
    threads: [
      {run: atOnce(by(A, twice), by(B, twice))},
      {run: atOnce(by(A, twoCallers), by(C, twice))},
      {run: atOnce(by(B, threeLong), by(C, twice))},
    ],
    maxKeys: 2,
    keys: [A, B, C],
  },
  'full-memory': {
    threads: [{run: by(A, holdsLong)}, {run: by(B, triesAgain)}],
    maxKeys: 1,
    keys: [A, B],
    preemptions: 2,
  },
  'keys-give-up': {
    threads: [
      {run: by(A, twice)},
      {run: by(A, withdrawsAndComesBack), timeout: TIMEOUT},
      {run: by(B, oneGivesUp), timeout: TIMEOUT},
    ],
    maxKeys: 1,
    keys: [A, B],
  },
  'keys-abort': {
    threads: [
      {run: by(A, threeLong)},
      {run: by(A, abortsAndComesBack)},
      {run: atOnce(by(B, oneAborts), by(A, onceAsync))},
    ],
    maxKeys: 2,
    keys: [A, B],
  },
  'keys-blocking-in-two-entries': {
    threads: [
      {run: blocksBesideAnotherKey},
      {run: inTurn(by(C, blocksTwice), by(A, blocksOnce))},
      {run: atOnce(by(C, once), by(B, blocksBesideOthers))},
    ],
    maxKeys: 2,
    keys: [A, B, C],
  },
  'keys-collected-in-one-entry': {
    threads: [
      {run: inTurn(by(A, comesAndGoes), by(B, comesAndGoes))},
      {run: by(A, comesAndGoes)},
      {run: by(B, twice)},
    ],
    maxKeys: 1,
    keys: [A, B],
    slots: 6,
  },
  'dead-while-it-changes-a-place': {
    threads: [
      {run: inTurn(by(A, once), by(B, once)), isMortal: true},
      {run: inTurn(by(A, once), by(B, once))},
    ],
    maxKeys: 1,
    keys: [A, B],
    deaths: 1,
    preemptions: 1,
  },
  'dead-in-two-entries': {
    threads: [
      {run: inTurn(by(A, onceAsync), by(B, once), by(C, once)), isMortal: true},
      {run: inTurn(by(B, once), by(C, onceAsync), by(A, once)), isMortal: true},
      {run: inTurn(by(C, once), by(A, once), by(B, onceAsync))},
    ],
    maxKeys: 2,
    keys: [A, B, C],
    deaths: 2,
  },
  'dead-with-all-entries': {
    threads: [
      {run: atOnce(by(A, onceAsync), by(B, onceAsync)), isMortal: true},
      {run: by(C, triesAgain)},
      {run: by(A, triesAgain)},
    ],
    maxKeys: 2,
    keys: [A, B, C],
    deaths: 1,
  },
  'dead-and-give-up-in-one-entry': {
    threads: [
      {run: by(A, twice), isMortal: true},
      {run: by(A, withdrawsAndComesBack), timeout: TIMEOUT, isMortal: true},
      {run: by(B, oneGivesUp), timeout: TIMEOUT},
      {run: by(A, twoCallers)},
    ],
    maxKeys: 1,
    keys: [A, B],
    deaths: 2,
  },
  'keys-busy-in-one-entry': {
    threads: [{run: by(A, twice)}, {run: by(B, twice), isMortal: true}, {run: by(A, onceAsync)}],
    maxKeys: 1,
    keys: [A, B],
    blocks: 1,
    deaths: 1,
  },
};
