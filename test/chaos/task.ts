/** A task of the run's Piscina pool. Each attaches to the lock anew, and some are aborted. */
import {threadId} from 'node:worker_threads';
import {randomNumbers} from '../support/random.js';
import {Callers, turn} from './callers.js';
import type {LockSource} from './locks.js';
import {Marks} from './marks.js';

export interface Task {
  readonly memory: SharedArrayBuffer;
  readonly source: LockSource;
  readonly seed: number;
  /** Where the task shows which thread runs it. */
  readonly place: number;
  readonly work: 'short' | 'compute' | 'compute long' | 'wait' | 'leave a caller behind';
}

/** Longer than it takes to be aborted, mostly. */
const COMPUTE_MILLISECONDS = 60;
/** So long that whoever asks after this thread runs out of things to ask. */
const COMPUTE_LONG_MILLISECONDS = 700;
const TURNS = 300;

let marks: Marks | undefined;

export default async function run({memory, source, seed, place, work}: Task): Promise<void> {
  marks ??= new Marks(threadId, memory);
  const here = marks;
  const callers = new Callers(here, source, randomNumbers(seed ^ threadId));
  const lock = callers.attach(callers.anyTimeout());
  if (work === 'leave a caller behind') {
    // After the task the thread stands still, with a caller in line or even with the lock, until
    // its next task begins. The last tasks of a run have no next one, so they do not do this.
    here.runsTask(place);
    void lock
      .withLock(() => {
        callers.noteNumber();
        here.enter(lock);
        here.leave();
        return undefined;
      })
      .catch(() => undefined);
    return;
  }
  const call = callers.ask(0, lock, () => {
    if (work === 'compute') here.compute(COMPUTE_MILLISECONDS);
    if (work === 'compute long') here.compute(COMPUTE_LONG_MILLISECONDS);
    return work === 'wait' ? turns() : undefined;
  });
  here.runsTask(place);
  await Promise.all([call, callers.ask(1, callers.attach(callers.anyTimeout()), turn)]);
}

async function turns(): Promise<void> {
  for (let n = 0; n < TURNS; n++) await turn();
}
