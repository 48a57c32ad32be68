/** The hooks of `@databases/lock/debug`. They do nothing while nobody watches. */
import type {Line} from './protocol.js';
import type {Waiter, WaiterEntrance} from './waiter.js';

/** What a watcher knows about one acquisition. */
export interface WatchedAcquisition {
  /**
   * Says that it lasts until somebody releases it, and not just as long as a function of
   * `withLock`.
   */
  lasts(): void;
  /** Says that it is about to end. */
  released(): void;
  /**
   * The function of this package that awaits the promise of the holder's function. Each watched
   * acquisition has its own. If it is found in an async stack, the holder waits for whatever that
   * stack belongs to.
   */
  frame: ((...args: never[]) => unknown) | undefined;
}

/** The way into the line of one lock. */
export interface WatchedEntrance extends WaiterEntrance {
  readonly settings: {readonly name: string | undefined};
  readonly line: Line;
}

/** Is told what happens to locks. What it throws is ignored, and changes nothing. */
export interface Watcher {
  /**
   * A caller has got the lock, after a wait if there is a `waiter`. `group` is the call, if it is
   * for several locks.
   */
  acquired(
    entrance: WatchedEntrance,
    waiter: Waiter | undefined,
    group: object | undefined,
  ): WatchedAcquisition;
  /**
   * A caller begins to wait. @returns a promise to give the caller instead of `outcome`, which
   * settles in the same way
   */
  waits(waiter: Waiter, outcome: Promise<unknown>): Promise<unknown>;
  /** A timeout or a signal is about to end a caller's wait. */
  givesUp(waiter: Waiter): void;
  /** A caller did not get the lock in time, and never stood in line. */
  turnedAway(entrance: WaiterEntrance): void;
  /** A call for several locks begins. It joins their lines as `group`. */
  gathers(group: object): WatchedAcquisition;
  /** A call for several locks has got all of them. `waiter` stood for the call as a whole. */
  gathered(waiter: Waiter): void;
  /** A caller has inherited the lock from a thread that ended. */
  abandoned(entrance: WaiterEntrance, threadId: number): void;
}

interface Watching {
  watcher: Watcher | undefined;
}

/** Change this number whenever the interfaces above change. */
const NAME = Symbol.for('@databases/lock: watching 1');

const place = globalThis as {[NAME]?: Watching | undefined};
const existing = place[NAME];

/**
 * One object for all copies of this package in a realm, because any of them may be asked to watch.
 * (If the global object is frozen, each copy has its own.)
 */
export const watching: Watching = existing ?? {watcher: undefined};
if (!existing) Reflect.set(place, NAME, watching);

// What a watcher throws changes nothing.

/** @returns the promise to give to the caller of `waiter` instead of `outcome` */
export function watchWait(waiter: Waiter, outcome: Promise<unknown>): Promise<unknown> {
  try {
    return watching.watcher?.waits(waiter, outcome) ?? outcome;
  } catch {
    return outcome;
  }
}

export function watchEndOfWait(waiter: Waiter): void {
  try {
    watching.watcher?.givesUp(waiter);
  } catch {
    // As above.
  }
}

export function watchGroup(group: object): WatchedAcquisition | undefined {
  try {
    return watching.watcher?.gathers(group);
  } catch {
    return undefined;
  }
}

export function watchGathered(waiter: Waiter): void {
  try {
    watching.watcher?.gathered(waiter);
  } catch {
    // As above.
  }
}

export function watchTurnedAway(entrance: WaiterEntrance): void {
  try {
    watching.watcher?.turnedAway(entrance);
  } catch {
    // As above.
  }
}

export function watchAbandoned(entrance: WaiterEntrance, threadId: number): void {
  try {
    watching.watcher?.abandoned(entrance, threadId);
  } catch {
    // As above.
  }
}

/** The acquisition, which has just begun, does not end with a function. */
export function watchLasting(watched: WatchedAcquisition): void {
  try {
    watched.lasts();
  } catch {
    // As above.
  }
}
