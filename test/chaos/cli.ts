/**
 * `npm run test:chaos -- [--seconds 60] [--seed N] [--lock ours|plain|web] [--node PATH] [--fault NAME]`
 *
 * Compiles the sources and this directory, so that workers start fast and any Node.js can run them, and starts the run.
 * With `--fault`, one of those in faults.ts is planted into the compiled lock: the run must fail.
 */
import {spawnSync} from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import ts from 'typescript';
import {plant} from './faults.js';

const {values: options} = parseArgs({
  options: {
    seconds: {type: 'string', default: '60'},
    seed: {type: 'string', default: String(Date.now() % 1_000_000)},
    lock: {type: 'string', default: 'ours'},
    node: {type: 'string', default: process.execPath},
    fault: {type: 'string'},
  },
});

const repository = fileURLToPath(new URL('../..', import.meta.url));

const sources = new Map<string, string>();
for (const from of ['src', 'test/chaos']) {
  for (const file of readdirSync(path.join(repository, from), {
    recursive: true,
    encoding: 'utf8',
  })) {
    if (!file.endsWith('.ts')) continue;
    const name = path.posix.join(from, file.replaceAll(path.sep, '/'));
    sources.set(name, readFileSync(path.join(repository, name), 'utf8'));
  }
}
if (options.fault !== undefined) plant(options.fault, sources);

const directory = mkdtempSync(path.join(tmpdir(), 'lock-chaos-'));

for (const [name, source] of sources) {
  const target = path.join(directory, name.replace(/\.ts$/, '.js'));
  const {outputText} = ts.transpileModule(source, {
    compilerOptions: {module: ts.ModuleKind.ES2022, target: ts.ScriptTarget.ES2022},
    fileName: name,
  });
  mkdirSync(path.dirname(target), {recursive: true});
  writeFileSync(target, outputText);
}
writeFileSync(path.join(directory, 'package.json'), JSON.stringify({type: 'module'}));
symlinkSync(path.join(repository, 'node_modules'), path.join(directory, 'node_modules'));

const program = path.join(directory, 'test/chaos/run.js');
const run = spawnSync(options.node, [program, options.lock, options.seconds, options.seed], {
  stdio: 'inherit',
});
rmSync(directory, {recursive: true, force: true});
if (run.signal !== null) console.log(`The process crashed: ${run.signal}.`);
process.exitCode = run.status ?? 1;
