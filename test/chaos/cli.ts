/**
 * `npm run test:chaos -- [--seconds 60] [--seed N] [--lock ours|keys|plain|web] [--fault NAME]`
 * `  [--runtime PATH] [--workers node|web]`
 *
 * Compiles the sources and this directory, and starts the run. With `--fault`, one of those in
 * faults.ts is planted into the compiled lock: the run must fail. `--runtime` is the path of another
 * Node.js, of Bun or of Deno; the latter two have Web `Worker`s, too.
 */
import {spawnSync} from 'node:child_process';
import {parseArgs} from 'node:util';
import {choiceOption, numberOption} from '../support/options.js';
import {runtimeArguments} from '../support/runtimes.js';
import {compileRun} from './compile.js';
import {faults} from './faults.js';
import {LOCKS} from './locks.js';
import type {RunOptions} from './run.js';
import {WORKER_KINDS} from './threads.js';

const {values: given} = parseArgs({
  options: {
    seconds: {type: 'string', default: '60'},
    seed: {type: 'string', default: String(Date.now() % 1_000_000)},
    lock: {type: 'string', default: 'ours'},
    runtime: {type: 'string', default: process.execPath},
    workers: {type: 'string', default: 'node'},
    fault: {type: 'string'},
  },
});
const options: RunOptions = {
  lock: choiceOption('lock', given.lock, LOCKS),
  seconds: numberOption('seconds', given.seconds),
  seed: numberOption('seed', given.seed),
  workers: choiceOption('workers', given.workers, WORKER_KINDS),
};
const edits =
  given.fault === undefined ? [] : faults[choiceOption('fault', given.fault, Object.keys(faults))];
const {program, remove} = compileRun({edits: edits ?? []});
const args = [...runtimeArguments(given.runtime), program, JSON.stringify(options)];
const run = spawnSync(given.runtime, args, {stdio: 'inherit'});
remove();
if (run.error !== undefined) console.log(`Cannot run ${given.runtime}: ${run.error.message}`);
if (run.signal !== null) console.log(`The process crashed: ${run.signal}.`);
process.exitCode = run.status ?? 1;
