/** Ends the process if its main thread, which watches everything else, stands still. */
import {writeSync} from 'node:fs';
import {workerData} from 'node:worker_threads';
import type {LockSource} from './locks.js';
import {Marks} from './marks.js';
import {describe} from './memory.js';

/** Far longer than main is blocked on purpose. */
const PATIENCE_MILLISECONDS = 20_000;

const {memory, source} = workerData as {memory: SharedArrayBuffer; source: LockSource};
// It only reads there.
const marks = new Marks(0, memory);
let beats = 0;
let changedAt = marks.now();

setInterval(() => {
  const seen = marks.beats(0);
  if (seen !== beats) {
    beats = seen;
    changedAt = marks.now();
  } else if (marks.now() - changedAt > PATIENCE_MILLISECONDS) {
    const memoryUse = `${Math.round(process.memoryUsage.rss() / 1e6)} MB of memory`;
    const figures = JSON.stringify(marks.figures());
    writeSync(
      1,
      `STUCK: the main thread has stood still for ${PATIENCE_MILLISECONDS} ms of ${marks.now()}, with ${memoryUse}.\n` +
        `${figures}\n${describe(source)}\n`,
    );
    process.kill(process.pid, 'SIGKILL');
  }
}, 500);
