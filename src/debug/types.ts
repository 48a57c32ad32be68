/** What users pass to the watcher and get from it. */

/** Options of {@link watchLocks}. */
export interface WatchLocksOptions {
  /**
   * After how many milliseconds a lock that is still held is reported. `Infinity` means never.
   *
   * @defaultValue `5_000`
   */
  heldMilliseconds?: number | undefined;

  /**
   * After how many milliseconds a call that still waits is reported. `Infinity` means never.
   *
   * @defaultValue `5_000`
   */
  waitingMilliseconds?: number | undefined;

  /**
   * Called with each report.
   *
   * @defaultValue prints the report's text by `console.warn`
   */
  onReport?: ((report: LockReport) => void) | undefined;

  /**
   * Whether to capture where each lock is acquired and awaited. With `false`, watching costs less.
   * Reports then do not tell where a lock was acquired, times count from when the watcher first saw
   * a call, and guards are in no circle.
   *
   * @defaultValue `true`
   */
  stacks?: boolean | undefined;

  /**
   * When the process gets this signal, such as `'SIGUSR2'`, everything that is held and awaited is
   * printed as a table.
   */
  snapshotSignal?: string | undefined;

  /**
   * When something is published on the `node:diagnostics_channel` of this name, everything that is
   * held and awaited is printed as a table.
   */
  snapshotChannel?: string | undefined;

  /**
   * Called with everything that is held and awaited, instead of printing it.
   *
   * @defaultValue prints a table to the standard error output
   */
  onSnapshot?: ((states: LockState[]) => void) | undefined;
}

/**
 * A call that holds a lock or waits for it. It can be cloned, sent to another thread, or shown as a
 * table.
 */
export interface LockState {
  /**
   * The lock's name. A lock without a name is called `unnamed lock 1`, `unnamed lock 2` and so on.
   */
  readonly lock: string;
  /** The key of a lock by key, as `util.inspect` shows it. */
  readonly key: string | undefined;
  /** Whether the call holds the lock or waits for it. */
  readonly state: 'held' | 'waiting';
  /**
   * For how long the call has held the lock or waited for it. Without `stacks`, for how long the
   * watcher has seen it do so.
   */
  readonly milliseconds: number;
  /** Since when. */
  readonly since: Date;
  /** Where the call was made, as `function (file:line:column)`. */
  readonly at: string | undefined;
  /** The thread that holds the lock, for a lock across threads. */
  readonly threadId: number | undefined;
  /** The stack of the call, one frame a line. */
  readonly stack: string | undefined;
}

/** What the watcher reports. */
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
   * How sure a report of a circle is:
   *
   * - `proved`: each call in the circle is awaited, directly or through other functions, by the
   *   function of a holder. That function cannot end before the call has settled. The call may
   *   still settle without the lock, by its timeout or its signal, and so may a `Promise.race` or a
   *   `new Promise` between the two.
   * - `likely`: the same, but a holder got its lock by `acquire`, `acquireLock` or `tryAcquire`, so
   *   anybody may release it.
   *
   * Every other report is `proved`.
   */
  readonly certainty: 'proved' | 'likely';
  /** The whole report as text. */
  readonly text: string;
  /**
   * The calls that the report is about: the holder and the calls that wait, or the calls in the
   * circle.
   */
  readonly calls: readonly LockState[];
}

/** A message on one of the channels of {@link watchLocks}. */
export interface LockMessage {
  /** The lock's name, if it has one. */
  readonly lock: string | undefined;
  /** The key of a lock by key. */
  readonly key: unknown;
  /** How long the caller waited. On the channels `:acquire`, `:timeout` and `:abort`. */
  readonly waitedMilliseconds?: number;
  /** How long the lock was held. On the channel `:release`. */
  readonly heldMilliseconds?: number | undefined;
  /** The thread that ended while it held the lock. On the channel `:abandon`. */
  readonly threadId?: number;
}
