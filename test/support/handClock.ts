/**
 * A clock, timers and random numbers that a test moves by hand. The shared lock keeps what there is
 * when it is loaded: import this before any file of `src`.
 */
import timers from 'node:timers';

interface HandTimer {
  readonly dueAt: number;
  readonly keepsAlive: boolean;
}

interface Entry {
  readonly dueAt: number;
  readonly action: () => void;
  keepsAlive: boolean;
}

/** From 0 to 1. */
export const chance = {next: 0};

const pending = new Set<Entry>();
let time = 1_000;

const {now} = performance;
const {setTimeout, clearTimeout} = timers;
const {random} = Math;

performance.now = () => time;
timers.setTimeout = ((action: () => void, milliseconds: number) => {
  const entry: Entry = {action, dueAt: time + milliseconds, keepsAlive: true};
  pending.add(entry);
  return Object.assign(entry, {unref: () => (entry.keepsAlive = false)});
}) as unknown as typeof setTimeout;
timers.clearTimeout = ((entry: Entry) => pending.delete(entry)) as unknown as typeof clearTimeout;
Math.random = () => chance.next;

/** Gives back to everybody else what is theirs. To be called once `src` is loaded. */
export function keepToLoaded(): void {
  performance.now = now;
  Object.assign(timers, {setTimeout, clearTimeout});
  Math.random = random;
}

/** The timers that are to fire, each by how long that is from now. */
export function dueIn(): number[] {
  return timersLeft().map(({dueAt}) => dueAt - time);
}

export const timersLeft = (): HandTimer[] => [...pending].sort((a, b) => a.dueAt - b.dueAt);

/** Lets time pass, and timers fire when they are due. */
export function advance(milliseconds: number): void {
  const end = time + milliseconds;
  for (;;) {
    const next = [...pending].sort((a, b) => a.dueAt - b.dueAt)[0];
    if (next === undefined || next.dueAt > end) break;
    pending.delete(next);
    time = next.dueAt;
    next.action();
  }
  time = end;
}
