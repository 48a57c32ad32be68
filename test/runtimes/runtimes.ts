/**
 * The packed package on other runtimes: the contract of every lock on each, and the two harness runs
 * that kill threads. Where a platform has no such runtime, the test says so.
 */
import {execFile} from 'node:child_process';
import {copyFile, readFile} from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import {promisify} from 'node:util';
import type {ExecutionContext, TestFn} from 'ava';
import {build, type Plugin} from 'esbuild';
import {compileRun} from '../chaos/compile.js';
import type {RunOptions} from '../chaos/run.js';
import type {Server} from '../postgres/support/server.js';
import {findNode} from '../support/nodes.js';
import {runtimeArguments} from '../support/runtimes.js';
import {someAtATime} from '../support/limit.js';
import {findBinary, here} from './binaries.js';
import type {Results} from './suite.js';

interface Runtime {
  readonly name: string;
  readonly find: () => string | undefined;
  readonly hasShared: boolean;
}

const RUNTIMES: readonly Runtime[] = [
  {name: 'Node.js 18', find: () => findNode(18), hasShared: false},
  {name: 'Node.js 26', find: () => findNode(26), hasShared: true},
  {name: 'Bun', find: () => findBinary('bun'), hasShared: true},
  {name: 'Deno', find: () => findBinary('deno'), hasShared: true},
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

/**
 * @param project has the package installed
 * @param examples where `pg` is installed, too
 * @param server whose URL is in DATABASE_URL, or why there is none
 */
export function runtimeTests(
  test: TestFn,
  project: () => string,
  examples: () => string,
  server: () => Server | string,
): void {
  let compiled: Promise<string> | undefined;
  const compileOnce = () => (compiled ??= compile(project()));

  for (const {name, find, hasShared} of RUNTIMES) {
    for (const entry of ['main', ...(hasShared ? ['shared'] : [])]) {
      test(`${name}: the contract holds for the ${entry} entry`, async (t) => {
        t.timeout(PATIENCE_MILLISECONDS);
        const binary = find();
        if (binary === undefined) return noticeMissing(t, name);
        const program = path.join(await compileOnce(), 'contract.mjs');
        const {stdout} = await runProgram(binary, [program, entry], project());
        t.deepEqual(failuresIn(t, `${name}, ${entry} entry`, JSON.parse(stdout) as Results), []);
      });
    }
  }

  for (const {name, find, hasShared} of RUNTIMES) {
    // On Node.js, the harness runs for longer than npm test may.
    if (!hasShared || name.startsWith('Node.js')) continue;
    for (const workers of ['node', 'web'] as const) {
      test(`${name}: threads that are killed at random leave no lock behind, in ${workers} workers`, async (t) => {
        t.timeout(PATIENCE_MILLISECONDS);
        const binary = find();
        if (binary === undefined) return noticeMissing(t, name);
        const dist = path.join(project(), 'node_modules/@databases/lock/dist/esm');
        const {program, remove} = compileRun({dist});
        t.teardown(remove);
        const options: RunOptions = {lock: 'ours', seconds: CHAOS_SECONDS, seed: 19, workers};
        const args = [program, JSON.stringify(options)];
        const {stdout} = await runProgram(binary, args, project());
        t.log(stdout);
        t.regex(stdout, /^kills +[1-9]/m);
        t.regex(stdout, /^overlaps +0\nstranded +0\nstuck +0$/m);
      });
    }
  }

  for (const [name, what, hasComputed] of [
    ['Bun', 'stops', false],
    ['Deno', 'computes to the end, and keeps its lock for so long', true],
  ] as const) {
    test(`${name}: a thread that is terminated while it computes ${what}`, async (t) => {
      t.timeout(PATIENCE_MILLISECONDS);
      const binary = RUNTIMES.find((runtime) => runtime.name === name)?.find();
      if (binary === undefined) return noticeMissing(t, name);
      const program = path.join(await compileOnce(), 'ended.mjs');
      const {stdout} = await runProgram(binary, [program], project());
      const expected = {isTold: true, hasComputed};
      t.deepEqual(JSON.parse(stdout), {node: expected, web: expected});
    });
  }

  test('Bun: the limits of memory of a worker have no effect', async (t) => {
    const bun = findBinary('bun');
    if (bun === undefined) return noticeMissing(t, 'Bun');
    const program = path.join(await compileOnce(), 'memory.mjs');
    const {stdout} = await runProgram(bun, [program], project());
    t.is(stdout, 'The worker has more memory than it may.\n');
  });

  test('Deno: a worker that runs out of memory ends, and sometimes the process with it', async (t) => {
    const deno = findBinary('deno');
    if (deno === undefined) return noticeMissing(t, 'Deno');
    const program = path.join(await compileOnce(), 'memory.mjs');
    const said = await runProgram(deno, [program], project()).then(
      ({stdout}) => stdout,
      (error: unknown) => (error as {stderr: string}).stderr,
    );
    t.regex(said, /^The worker ended\.$|out of memory/m);
  });

  test('Bun: "not found" is said of a thread that Bun knew before, and of no other', async (t) => {
    t.timeout(PATIENCE_MILLISECONDS);
    const bun = findBinary('bun');
    if (bun === undefined) return noticeMissing(t, 'Bun');
    const module = path.join(
      project(),
      'node_modules/@databases/lock/dist/esm/shared/runtime/current.js',
    );
    const program = path.join(await compileOnce(), 'probes.mjs');
    const {stdout} = await runProgram(bun, [program, module], project());
    t.deepEqual(JSON.parse(stdout), {
      'a Web Worker, the main thread blocked': 'no answer',
      'a Web Worker': 'no answer',
      'a worker that computes': 'no answer',
      'a Web Worker that computes': 'no answer',
      'a worker that has ended': 'not found',
      'a Web Worker that has ended': 'no answer',
    });
  });

  for (const {name, find} of RUNTIMES) {
    test(`${name}: locks on PostgreSQL exclude, time out, tell of a loss, and let the process end`, async (t) => {
      t.timeout(PATIENCE_MILLISECONDS);
      const binary = find();
      if (binary === undefined) return noticeMissing(t, name);
      if (typeof server() === 'string') return noticeMissing(t, 'PostgreSQL');
      const program = path.join(examples(), `postgres on ${name}.mjs`);
      await copyFile(path.join(here, 'postgres.mjs'), program);
      const {stdout} = await runProgram(binary, [program], examples());
      t.is(stdout, await readFile(path.join(here, 'postgres.txt'), 'utf8'));
    });
  }

  test('Node.js 18: a lock across threads says which version it needs', async (t) => {
    const binary = findNode(18);
    if (binary === undefined) return noticeMissing(t, 'Node.js 18');
    const script = `
      import {createLock} from '@databases/lock/shared';
      try { createLock() } catch ({code, message}) { console.log(code, message) }
    `;
    const {stdout} = await execute(binary, ['--input-type=module', '-e', script], {cwd: project()});
    t.regex(stdout, /^ERR_LOCK_UNSUPPORTED .* Node\.js has since 20\.19 and 22\.5\. .* 18\./);
  });
}

const execute = promisify(execFile);

/** A program and its arguments, on a runtime. */
const runProgram = (runtime: string, args: readonly string[], cwd: string) =>
  someAtATime(() => execute(runtime, [...runtimeArguments(runtime), ...args], {cwd}));

/** @returns the directory of the programs that the runtimes run */
async function compile(project: string): Promise<string> {
  const outdir = path.join(project, 'programs');
  const createRequire = "import {createRequire} from 'node:module';";
  await build({
    entryPoints: ['contract', 'probes', 'ended', 'memory'].map((name) =>
      path.join(here, `${name}.ts`),
    ),
    outdir,
    outExtension: {'.js': '.mjs'},
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'es2022',
    plugins: [toPackage({main: '@databases/lock', shared: '@databases/lock/shared'})],
    banner: {js: `${createRequire} const require = createRequire(import.meta.url);`},
  });
  return outdir;
}

export function noticeMissing(t: ExecutionContext, name: string): void {
  t.log(`NOTICE: ${name} is not there (${process.platform}, ${process.arch}): not tested.`);
  t.pass();
}

const CHAOS_SECONDS = 5;

/** All of these take turns, and a test's time begins before its turn. */
export const PATIENCE_MILLISECONDS = 600_000;

/** The least number of tests that the contract has. */
const FEWEST_TESTS = 90;

/** Logs how many tests passed; @returns those that failed. */
export function failuresIn(t: ExecutionContext, what: string, results: Results): string[] {
  const {version, passed, failed} = results;
  t.log(`${what}, ${version}: ${passed.length} passed, ${failed.length} failed`);
  t.true(passed.length + failed.length >= FEWEST_TESTS);
  return failed;
}
