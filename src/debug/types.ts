/** What users of the watcher give it and get from it. */

export interface WatchLocksOptions {
  /** A lock that is held for longer is reported; 5,000 unless given, `Infinity` for never. */
  heldMilliseconds?: number | undefined;

  /** A call that waits for longer is reported; 5,000 unless given, `Infinity` for never. */
  waitingMilliseconds?: number | undefined;

  /** Gets each report. Without it the report's text is printed by `console.warn`. */
  onReport?: ((report: LockReport) => void) | undefined;

  /**
   * Whether to capture where each lock is acquired and awaited. Without that a call costs little,
   * and reports tell no places but those that are found out while a call waits. `true` unless
   * given.
   */
  stacks?: boolean | undefined;

  /** At this signal, `'SIGUSR2'` for example, what is held and awaited is printed as a table. */
  snapshotSignal?: string | undefined;

  /** The same, when something is published on the `node:diagnostics_channel` of this name. */
  snapshotChannel?: string | undefined;

  /** Gets what is held and awaited, instead of having it printed. */
  onSnapshot?: ((states: LockState[]) => void) | undefined;
}

/** A call that holds a lock, or waits for it. All of it can be cloned, and be shown as a table. */
export interface LockState {
  /** The lock's name, or a number that tells it from the others without one. */
  readonly lock: string;
  /** The key, of a lock by key, as `util.inspect` shows it. */
  readonly key: string | undefined;
  readonly state: 'held' | 'waiting';
  /** For how long; without `stacks`, since the watcher first saw it. */
  readonly milliseconds: number;
  readonly since: Date;
  /** Where the call was made, as `function (file:line:column)`. */
  readonly at: string | undefined;
  /** The thread that holds the lock, of a lock across threads. */
  readonly threadId: number | undefined;
  /** The frames of the call. */
  readonly stack: string | undefined;
}

export interface LockReport {
  /**
   * - `held`: a lock is held for longer than `heldMilliseconds`.
   * - `waiting`: a call waits for longer than `waitingMilliseconds`.
   * - `waits-for-itself`: a call waits for a lock whose holder waits for that call.
   * - `deadlock`: calls that hold locks wait for each other in a circle.
   * - `exit`: the process ends, and a call still waits.
   */
  readonly kind: 'held' | 'waiting' | 'waits-for-itself' | 'deadlock' | 'exit';
  /**
   * Of a circle:
   *
   * - `proved`: promises lead from each call that waits to the function of a holder, which does not
   *   end before they settle. They may settle without the lock: by a timeout or a signal of the
   *   call, or by what else a `Promise.race` or a `new Promise` among them waits for.
   * - `likely`: a holder got its lock by `acquire`, `acquireLock` or `tryAcquire`, and so anybody may
   *   release it.
   *
   * Other reports are `proved`.
   */
  readonly certainty: 'proved' | 'likely';
  /** All of it, for a person. */
  readonly text: string;
  /** The calls it is about: the holder and those who wait, or those in the circle. */
  readonly calls: readonly LockState[];
}

/** What is published while somebody watches and subscribes. */
export interface LockMessage {
  /** The lock's name, if it has one. */
  readonly lock: string | undefined;
  /** The key, of a lock by key. */
  readonly key: unknown;
  /** Of `acquire`, `timeout` and `abort`: how long the caller waited. */
  readonly waitedMilliseconds?: number;
  /** Of `release`: how long the lock was held. */
  readonly heldMilliseconds?: number | undefined;
  /** Of `abandon`: the thread that ended while it held the lock. */
  readonly threadId?: number;
}
