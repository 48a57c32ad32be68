import type perfHooks from 'node:perf_hooks';
import type timers from 'node:timers';
import {assertRoom, outside} from '../../intrinsics.js';
import {floor} from '../intrinsics.js';
import {builtin} from './host.js';

// Node.js 18 gives no module by its name, and these are its own.
const hostPerformance = globalThis.performance;
const hostTimers = globalThis as unknown as Pick<typeof timers, 'setTimeout' | 'clearTimeout'>;
const {performance = hostPerformance} = builtin<typeof perfHooks>('node:perf_hooks');
const {setTimeout = hostTimers.setTimeout, clearTimeout = hostTimers.clearTimeout} =
  builtin<typeof timers>('node:timers');
const {timeOrigin} = performance;

/** Milliseconds on this thread's own clock. */
export const now: () => number = performance.now.bind(performance);

/** Milliseconds on a clock that is about the same in all threads. */
export const sharedNow = (): number => floor(timeOrigin + now());

/** Calls `action` once, later. With `keepsAlive`, the thread stays alive until then. */
export function startTimer(milliseconds: number, keepsAlive: boolean, action: () => void) {
  assertRoom();
  const timer = outside(() => setTimeout(action, milliseconds));
  if (!keepsAlive) timer.unref();
  return timer;
}

export type Timer = ReturnType<typeof startTimer>;

export function stopTimer(timer: Timer | undefined): void {
  if (timer === undefined) return;
  assertRoom();
  clearTimeout(timer);
}
