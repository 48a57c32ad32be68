// TypeScript that uses the types of `@databases/lock/debug`.
import {locksSnapshot, watchLocks} from '@databases/lock/debug';
import type {LockMessage, LockReport, LockState, WatchLocksOptions} from '@databases/lock/debug';

const options: WatchLocksOptions = {
  heldMilliseconds: 1_000,
  waitingMilliseconds: Infinity,
  stacks: false,
  snapshotSignal: 'SIGUSR2',
  onReport: (report: LockReport) => {
    const kind: 'held' | 'waiting' | 'waits-for-itself' | 'deadlock' | 'exit' = report.kind;
    const [call]: readonly LockState[] = report.calls;
    return [kind, call, report.text.length];
  },
};
const stop: () => void = watchLocks(options);
const names: string[] = locksSnapshot().map(({lock}) => lock);
export const waited = (message: LockMessage): number => message.waitedMilliseconds ?? 0;
export {names, stop};
