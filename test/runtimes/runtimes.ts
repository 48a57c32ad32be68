/**
 * The packed package on other runtimes: the contract of every lock on each, and the two harness runs
 * that kill threads. Where a platform has no such runtime, the test says so.
 */
import {execFile} from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import {promisify} from 'node:util';
import type {ExecutionContext, TestFn} from 'ava';
import {build, type Plugin} from 'esbuild';
import {findNode} from '../support/nodes.js';
import {someAtATime} from '../support/limit.js';
import {findBinary, here} from './binaries.js';
import type {Results} from './suite.js';

interface Runtime {
  readonly name: string;
  readonly find: () => string | undefined;
  /** What its command takes before a program. */
  readonly run: readonly string[];
  readonly hasShared: boolean;
}

const RUNTIMES: readonly Runtime[] = [
  {name: 'Node.js 18', find: () => findNode(18), run: [], hasShared: false},
  {name: 'Bun', find: () => findBinary('bun'), run: [], hasShared: true},
  {name: 'Deno', find: () => findBinary('deno'), run: ['run', '--allow-all'], hasShared: true},
];

/** Leads from the sources to what is installed. */
export const toPackage = (entries: {readonly main: string; readonly shared: string}): Plugin => ({
  name: 'to-package',
  setup(bundler) {
    bundler.onResolve({filter: /\/src\/(shared\/)?index\.js$/}, ({path: file}) => ({
      path: file.endsWith('shared/index.js') ? entries.shared : entries.main,
      external: true,
    }));
  },
});

/** @param project has the package installed */
export function runtimeTests(test: TestFn, project: () => string): void {
  let compiled: Promise<string> | undefined;

  for (const {name, find, run, hasShared} of RUNTIMES) {
    for (const entry of ['main', ...(hasShared ? ['shared'] : [])]) {
      test(`${name}: the contract holds for the ${entry} entry`, async (t) => {
        t.timeout(120_000);
        const binary = find();
        if (binary === undefined) return noticeMissing(t, name);
        const program = await (compiled ??= compile(project()));
        const {stdout} = await someAtATime(() =>
          execute(binary, [...run, program, entry], {cwd: project()}),
        );
        t.deepEqual(failuresIn(t, `${name}, ${entry} entry`, JSON.parse(stdout) as Results), []);
      });
    }
  }

  test('Node.js 18: a lock across threads says which version it needs', async (t) => {
    const binary = findNode(18);
    if (binary === undefined) return noticeMissing(t, 'Node.js 18');
    const script = `
      import {createLock} from '@databases/lock/shared';
      try { createLock() } catch ({code, message}) { console.log(code, message) }
    `;
    const {stdout} = await execute(binary, ['--input-type=module', '-e', script], {cwd: project()});
    t.regex(stdout, /^ERR_LOCK_UNSUPPORTED .* Node\.js has from 20\.19 and 22\.5 on\. .* 18\./);
  });
}

const execute = promisify(execFile);

/** @returns the program that prints the results of the contract */
async function compile(directory: string): Promise<string> {
  const outfile = path.join(directory, 'contract.mjs');
  const createRequire = "import {createRequire} from 'node:module';";
  await build({
    entryPoints: [path.join(here, 'program.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'es2022',
    plugins: [toPackage({main: '@databases/lock', shared: '@databases/lock/shared'})],
    banner: {js: `${createRequire} const require = createRequire(import.meta.url);`},
  });
  return outfile;
}

export function noticeMissing(t: ExecutionContext, name: string): void {
  t.log(`NOTICE: ${name} is not there (${process.platform}, ${process.arch}): not tested.`);
  t.pass();
}

/** The least number of tests that the contract has. */
const FEWEST_TESTS = 90;

/** Logs how many tests passed; @returns those that failed. */
export function failuresIn(t: ExecutionContext, what: string, results: Results): string[] {
  const {version, passed, failed} = results;
  t.log(`${what}, ${version}: ${passed.length} passed, ${failed.length} failed`);
  t.true(passed.length + failed.length >= FEWEST_TESTS);
  return failed;
}
