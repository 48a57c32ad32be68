/** Tells why a program is stuck: who holds which lock, who waits for it, and who in a circle. */
import {subscribe, unsubscribe} from 'node:diagnostics_channel';
import process from 'node:process';
import {watching} from '../line/watching.js';
import {checkWatchOptions} from './options.js';
import {printSnapshot} from './snapshot.js';
import {captureSites} from './stacks.js';
import type {LockState, WatchLocksOptions} from './types.js';
import {LockWatch, type Reporter} from './watch.js';

export type {LockMessage, LockReport, LockState, WatchLocksOptions} from './types.js';

/** Another copy of this file may watch already. */
const currentWatch = () => watching.watcher as LockWatch | undefined;

/**
 * Watches all locks of this thread, whichever copy of the package made them, and reports
 *
 * - a lock that is held for longer than `heldMilliseconds`,
 * - a call that waits for longer than `waitingMilliseconds`,
 * - a call that waits for itself, and calls that wait for each other in a circle, as soon as that is
 *   so,
 * - what still waited when the process ended because nothing else was left to do.
 *
 * While it watches, it also publishes on the channels `@databases/lock:acquire`, `:release`,
 * `:wait`, `:timeout`, `:abort` and `:abandon` of `node:diagnostics_channel`.
 *
 * What was held before is not known. Several may watch at a time.
 *
 * @returns what ends it
 * @throws `TypeError` or `RangeError` when an option is not valid
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

  // A process that somebody ends may well have callers in line.
  const onExit = () => {
    if (!isEndedByCall()) watch.reportExit();
  };
  const takeSnapshot = () => {
    onSnapshot(watch.snapshot());
  };
  // First, because Node.js refuses some signals.
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
 * Everything that is held and awaited in this thread now.
 *
 * @throws `Error` when nobody watches: then nothing is known
 *
 * @example
 * console.table(locksSnapshot(), ['lock', 'key', 'state', 'milliseconds', 'at']);
 */
export function locksSnapshot(): LockState[] {
  const watch = currentWatch();
  if (!watch) {
    throw new Error(
      'Expected somebody to watch the locks. Call watchLocks() when the program begins.',
    );
  }
  return watch.snapshot();
}

/**
 * Of a listener of `exit`: whether `process.exit` or an uncaught error ends the process. The runtime
 * calls listeners by itself when nothing is left to do, without any of its own functions below.
 */
const isEndedByCall = (): boolean =>
  captureSites().some(({file}) => /^node:internal\/(process|main)\//.test(file));
