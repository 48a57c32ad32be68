/**
 * Tells why a program is stuck: who holds which lock, who waits for it, and which calls wait for
 * each other in a circle.
 */
import {subscribe, unsubscribe} from 'node:diagnostics_channel';
import process from 'node:process';
import {watching} from '../line/watching.js';
import {checkWatchOptions} from './options.js';
import {printSnapshot} from './snapshot.js';
import {captureSites} from './stacks.js';
import type {LockState, WatchLocksOptions} from './types.js';
import {LockWatch, type Reporter} from './watch.js';

export type {LockMessage, LockReport, LockState, WatchLocksOptions} from './types.js';

/** The current watch, which another copy of this file may have begun. */
const currentWatch = () => watching.watcher as LockWatch | undefined;

/**
 * Watches all locks of this thread, whichever copy of the package made them. It reports:
 *
 * - a lock that is held for longer than `heldMilliseconds`;
 * - a call that waits for longer than `waitingMilliseconds`;
 * - a call that waits for itself, and calls that wait for each other in a circle, as soon as they
 *   do;
 * - the calls that still wait when the process ends because nothing else is left to do.
 *
 * Meanwhile it also publishes on channels of `node:diagnostics_channel`: `@databases/lock:acquire`,
 * `:release`, `:wait`, `:timeout`, `:abort` and `:abandon`. Each message is a {@link LockMessage}.
 *
 * It knows nothing of locks that were acquired before it began. There may be several watches at a
 * time.
 *
 * To watch a program from its start without changing it, run it with `node --import
 * @databases/lock/debug/register`. The environment variable `DATABASES_LOCK_WATCH` sets the options,
 * for example `heldMilliseconds=1000 stacks=false snapshotSignal=SIGUSR2`.
 *
 * @returns a function that ends the watch.
 * @throws `TypeError` or `RangeError` if an option is not valid.
 *
 * @example
 * const stop = watchLocks({heldMilliseconds: 5_000, waitingMilliseconds: 5_000});
 */
export function watchLocks(options: WatchLocksOptions = {}): () => void {
  checkWatchOptions(options);
  const {heldMilliseconds = 5000, waitingMilliseconds = 5000, stacks = true} = options;
  const {snapshotSignal, snapshotChannel, onSnapshot = printSnapshot} = options;
  const {onReport = ({text}) => console.warn(text)} = options;
  const reporter: Reporter = {
    heldMilliseconds,
    waitingMilliseconds,
    stacks,
    onReport,
    told: new WeakSet(),
  };
  const watch = currentWatch() ?? new LockWatch();

  // If somebody ends the process, callers in line are nothing unusual.
  const onExit = () => {
    if (!isEndedByCall()) watch.reportExit();
  };
  const takeSnapshot = () => {
    onSnapshot(watch.snapshot());
  };
  // First, because Node.js throws for some signals.
  if (snapshotSignal !== undefined) process.on(snapshotSignal, takeSnapshot);
  watch.add(reporter);
  process.on('exit', onExit);
  if (snapshotChannel !== undefined) subscribe(snapshotChannel, takeSnapshot);

  return function stop() {
    watch.remove(reporter);
    process.off('exit', onExit);
    if (snapshotSignal !== undefined) process.off(snapshotSignal, takeSnapshot);
    if (snapshotChannel !== undefined) unsubscribe(snapshotChannel, takeSnapshot);
  };
}

/**
 * Returns everything that is held and awaited in this thread now.
 *
 * @throws `Error` if nobody watches the locks.
 *
 * @example
 * console.table(locksSnapshot(), ['lock', 'key', 'state', 'milliseconds', 'at']);
 */
export function locksSnapshot(): LockState[] {
  const watch = currentWatch();
  if (!watch) {
    throw new Error('Nobody is watching the locks. Call watchLocks() when the program starts.');
  }
  return watch.snapshot();
}

/**
 * For a listener of `exit`: whether `process.exit` or an uncaught error ends the process. When
 * nothing is left to do, the runtime calls the listeners directly, and no function of its own is on
 * the stack below them.
 */
const isEndedByCall = (): boolean =>
  captureSites().some(({file}) => /^node:internal\/(process|main)\//.test(file));
