/** What the machine runs: threads with an event loop each, and all that waits in it. */
import type {SimulatedPromise, MicrotaskQueue} from './promise.js';
import type {Job, Suspendable} from './suspendable.js';

export interface Timer {
  readonly due: number;
  readonly action: Job;
  /**
   * - deadline: of a caller. Time is not the machine's matter here: it may be up at any moment.
   * - wait: something is slow or dead otherwise, so that it fires only where that is so.
   * - retry: of a line that found no room for its key, and is called by nobody.
   * - sleep: of the scenario.
   */
  readonly kind: 'deadline' | 'wait' | 'retry' | 'sleep';
}

export class LogicalThread implements MicrotaskQueue {
  readonly index: number;
  /** What `threadId` is in it. */
  readonly id: number;
  state: 'alive' | 'blocked' | 'dead' = 'alive';
  /** It is blocked in `Atomics.wait`, until this says that it may go on. */
  parked: Parked | undefined;
  /** The code that it is in the middle of. */
  stack: Suspendable<void> | undefined;
  readonly tasks: Job[] = [];
  /** How many turns its event loop has begun. */
  turns = 0;
  readonly timers: Timer[] = [];
  readonly microtasks: Job[] = [];
  unhandled = new Set<SimulatedPromise>();
  globals: Record<PropertyKey, unknown> = {};
  /** The order in which its tasks came. */
  queue = 0;
  /** The scenario has dropped all that `references` refer to. */
  hasDropped = false;
  references: Reference[] = [];
  registered: Job[] = [];
  readonly finalizers: Job[] = [];
  /** A hash of what it has seen and done so far. Its own state is a function of that. */
  history = 0;

  constructor(index: number, id: number) {
    this.index = index;
    this.id = id;
  }

  enqueueMicrotask(job: Job): void {
    this.microtasks.push(job);
  }

  /** Adds to its history what it has seen or done. @returns the value */
  saw(value: number): number {
    this.history = mix(this.history, value);
    return value;
  }
}

export interface Parked {
  isOver: boolean;
  readonly timer: Timer;
}

/** A `WeakRef` of the simulation. */
export interface Reference {
  target: object | undefined;
}

export const mix = (hash: number, value: number): number => {
  let mixed = Math.imul(hash ^ value, 0x9e3779b1);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x85ebca6b);
  return (mixed ^ (mixed >>> 13)) | 0;
};
