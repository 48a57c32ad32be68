/** For Bun and Deno: a worker takes more memory than it may. Prints what main sees of it. */
import process from 'node:process';
import {Worker, isMainThread, parentPort} from 'node:worker_threads';

const LIMIT_MB = 24;
const WANTED_MB = 400;

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), {
    resourceLimits: {maxOldGenerationSizeMb: LIMIT_MB},
  });
  const say = (what: string) => {
    console.log(what);
    process.exit();
  };
  worker.on('error', () => undefined);
  worker.on('exit', () => say('The worker ended.'));
  worker.on('message', () => say('The worker has more memory than it may.'));
} else {
  const hoard: number[][] = [];
  while (hoard.length < WANTED_MB) hoard.push(new Array<number>(2 ** 17).fill(hoard.length + 0.5));
  parentPort?.postMessage(hoard.length);
}
