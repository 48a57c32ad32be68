/**
 * `npm run test:chaos -- [--seconds 60] [--seed N] [--lock ours|keys|plain|web] [--node PATH] [--fault NAME]`
 *
 * Compiles the sources and this directory, so that workers start fast and any Node.js can run them,
 * and starts the run. With `--fault`, one of those in faults.ts is planted into the compiled lock:
 * the run must fail.
 */
import {spawnSync} from 'node:child_process';
import {mkdtempSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {applyEdits} from '../support/edits.js';
import {choiceOption, numberOption} from '../support/options.js';
import {transpileFolder} from '../support/transpile.js';
import {faults} from './faults.js';
import {LOCKS} from './locks.js';
import type {RunOptions} from './run.js';

const {values: given} = parseArgs({
  options: {
    seconds: {type: 'string', default: '60'},
    seed: {type: 'string', default: String(Date.now() % 1_000_000)},
    lock: {type: 'string', default: 'ours'},
    node: {type: 'string', default: process.execPath},
    fault: {type: 'string'},
  },
});
const options: RunOptions = {
  lock: choiceOption('lock', given.lock, LOCKS),
  seconds: numberOption('seconds', given.seconds),
  seed: numberOption('seed', given.seed),
};
const edits =
  given.fault === undefined ? [] : faults[choiceOption('fault', given.fault, Object.keys(faults))];
const edited = applyEdits(edits ?? []);

const directory = mkdtempSync(path.join(tmpdir(), 'lock-chaos-'));
for (const folder of ['src', 'test/support', 'test/chaos']) {
  transpileFolder(folder, directory, {change: (file, source) => edited.get(file) ?? source});
}
writeFileSync(path.join(directory, 'package.json'), JSON.stringify({type: 'module'}));
const nodeModules = fileURLToPath(new URL('../../node_modules', import.meta.url));
symlinkSync(nodeModules, path.join(directory, 'node_modules'));

const program = path.join(directory, 'test/chaos/run.js');
const run = spawnSync(given.node, [program, JSON.stringify(options)], {stdio: 'inherit'});
rmSync(directory, {recursive: true, force: true});
if (run.error !== undefined) console.log(`Cannot run ${given.node}: ${run.error.message}`);
if (run.signal !== null) console.log(`The process crashed: ${run.signal}.`);
process.exitCode = run.status ?? 1;
