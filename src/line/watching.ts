/** Where `@databases/lock/debug` hooks in. Nothing happens here while nobody watches. */
import type {Line} from './protocol.js';
import type {Waiter, WaiterEntrance} from './waiter.js';

/** What a watcher knows of one acquisition. */
export interface WatchedAcquisition {
  /** It lasts until somebody releases it, and not as long as a function of `withLock`. */
  lasts(): void;
  /** It is about to be over. */
  released(): void;
  /**
   * The function of this package that awaits what the holder's function has returned. Each watched
   * acquisition has one of its own: where it is found in an async stack, the holder waits.
   */
  frame: ((...args: never[]) => unknown) | undefined;
}

/** The way into the line of one lock. */
export interface WatchedEntrance extends WaiterEntrance {
  readonly settings: {readonly name: string | undefined};
  readonly line: Line;
}

/** What it throws is ignored, and changes nothing. */
export interface Watcher {
  /** A caller has the lock, after a wait if it has a `waiter`. `group` is of a call for several. */
  acquired(
    entrance: WatchedEntrance,
    waiter: Waiter | undefined,
    group: object | undefined,
  ): WatchedAcquisition;
  /** A caller waits. @returns what to give it instead of `outcome`, which it settles as */
  waits(waiter: Waiter, outcome: Promise<unknown>): Promise<unknown>;
  /** The wait of a caller is about to be ended. */
  givesUp(waiter: Waiter): void;
  /** A caller did not want to wait. */
  turnedAway(entrance: WaiterEntrance): void;
  /** A call for several locks begins, which gets in their lines as `group`. */
  gathers(group: object): WatchedAcquisition;
  /** A call for several locks, which waited as a whole by `waiter`, has all of them. */
  gathered(waiter: Waiter): void;
  /** A caller has the lock from a thread that ended. */
  abandoned(entrance: WaiterEntrance, threadId: number): void;
}

interface Watching {
  watcher: Watcher | undefined;
}

/** To be changed whenever the interfaces above are. */
const NAME = Symbol.for('@databases/lock: watching 1');

const place = globalThis as {[NAME]?: Watching | undefined};
const existing = place[NAME];

/**
 * One for all copies of this package in a realm, because any of them may be asked to watch. (Where
 * the global object is frozen, each has its own.)
 */
export const watching: Watching = existing ?? {watcher: undefined};
if (!existing) Reflect.set(place, NAME, watching);

// What a watcher throws changes nothing.

/** @returns what to give the caller of `waiter` instead of `outcome` */
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

/** An acquisition that has just begun has no function after which it ends. */
export function watchLasting(watched: WatchedAcquisition): void {
  try {
    watched.lasts();
  } catch {
    // As above.
  }
}
