import type {ExecutionContext} from 'ava';
import {watchLocks, type LockReport, type WatchLocksOptions} from '../../src/debug/index.js';

/** Watches during a test. @returns the reports, a list that grows */
export function reportsOf(t: ExecutionContext, options: WatchLocksOptions = {}): LockReport[] {
  const reports: LockReport[] = [];
  const stop = watchLocks({
    heldMilliseconds: Infinity,
    waitingMilliseconds: Infinity,
    onReport: (report) => reports.push(report),
    ...options,
  });
  t.teardown(stop);
  return reports;
}

/** The watcher has looked several times at all who wait. */
export const looksPass = () => new Promise((resolve) => setTimeout(resolve, 50));

/** A text as its reader sees it, with `…` for what is different each time. */
export const withoutTimes = (text: string): string =>
  text.replace(/[\d,]+ ms/g, '… ms').replace(/\d\d:\d\d:\d\d\.\d{3}/g, '…');
