// Whole programs, and what their users read.
import {cpSync, readFileSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';
import test from 'ava';
import {build, type BuildOptions} from 'esbuild';
import {compiledFile, compiledUrl} from '../support/compiled.js';
import {runFile, type Ended} from '../support/program.js';
import {makeProject} from '../support/project.js';
import {withoutTimes} from '../support/reports.js';

const programs = fileURLToPath(new URL('programs', import.meta.url));
const entry = compiledUrl('src/index');
const sharedEntry = compiledUrl('src/shared/index');

interface Options {
  /** The copy of the package that watches. */
  readonly format?: 'esm' | 'commonjs';
  readonly args?: readonly string[];
  /** The value of DATABASES_LOCK_WATCH. */
  readonly watch?: string;
}

/** Runs one of the programs from the beginning under watch. */
function watched(program: string, options: Options = {}): Promise<Ended> {
  const {format = 'esm', args = [entry], watch = ''} = options;
  const flags =
    format === 'esm'
      ? ['--import', compiledUrl('src/debug/register')]
      : ['--require', compiledFile('src/debug/register', 'commonjs')];
  const env = {DATABASES_LOCK_WATCH: watch};
  return runFile(path.join(programs, program), {flags, args, env});
}

/** What newer versions of Node.js say by themselves of a module that does not get to its end. */
const UNSETTLED = /^Warning: Detected unsettled top-level await at .*\n.*\n\s*\^\s*\n/gm;

/** What a user reads, without what is different each time and on each machine. */
const read = (text: string, directory = programs) =>
  withoutTimes(text)
    .replaceAll(UNSETTLED, '')
    .replaceAll(pathToFileURL(directory).href + '/', '')
    .replaceAll(directory + path.sep, '')
    .split('\n')
    .filter(Boolean);

const AT_THE_END =
  'The process ends while calls wait for locks, because nothing else is left to do:';

// Stuck for good

test('three that wait in a circle are told with the lines of their code', async (t) => {
  const {stderr, exit} = await watched('threeLocks.js');
  const lines = read(stderr);
  const end = lines.indexOf(AT_THE_END);
  const [summary, ...parties] = lines.slice(0, end);
  t.is(summary, 'Deadlock: 3 holders wait for each other in a circle.');
  // The circle may be told from any of its steps on.
  t.deepEqual(parties.map((line) => line.replace(/^ {2}[ABC], /, '')).sort(), [
    "at threeLocks.js:13:17, holds 'orders', acquired at placeOrder (threeLocks.js:11:16), and waits for 'stock'.",
    "at threeLocks.js:20:18, holds 'stock', acquired at countStock (threeLocks.js:18:15), and waits for 'ledger'.",
    "at threeLocks.js:27:18, holds 'ledger', acquired at closeBooks (threeLocks.js:25:16), and waits for 'orders'.",
  ]);
  t.deepEqual(lines.slice(end), [
    AT_THE_END,
    "  waiting for the lock 'stock' for … ms, since …, at threeLocks.js:13:17",
    '    held for … ms, since …, at countStock (threeLocks.js:18:15)',
    "  waiting for the lock 'ledger' for … ms, since …, at threeLocks.js:20:18",
    '    held for … ms, since …, at closeBooks (threeLocks.js:25:16)',
    "  waiting for the lock 'orders' for … ms, since …, at threeLocks.js:27:18",
    '    held for … ms, since …, at placeOrder (threeLocks.js:11:16)',
  ]);
  t.is(exit, '13');
});

test('a module that ends because only locks are awaited says which', async (t) => {
  const {stdout, stderr, exit} = await watched('waitsForGood.js');
  t.deepEqual(read(stderr), [
    AT_THE_END,
    "  waiting for the lock 'accounts' for … ms, since …, at pay (waitsForGood.js:14:14)",
    '    held for … ms, since …, at forget (waitsForGood.js:9:14)',
    "  waiting for the lock 'users' (key 'ada') for … ms, since …, at rename (waitsForGood.js:18:15)",
    '    held for … ms, since …, at forget (waitsForGood.js:10:15)',
  ]);
  t.is(stdout, '');
  t.is(exit, '13');
});

test('a CommonJS program that ends because only a lock is awaited says which, and succeeds', async (t) => {
  const args = [compiledFile('src/index', 'commonjs')];
  const {stderr, exit} = await watched('waitsForGood.cjs', {format: 'commonjs', args});
  t.deepEqual(read(stderr), [
    AT_THE_END,
    "  waiting for the lock 'accounts' for … ms, since …, at pay (waitsForGood.cjs:8:14)",
    '    held for … ms, since …, at Object.<anonymous> (waitsForGood.cjs:11:6)',
  ]);
  t.is(exit, '0');
});

for (const [when, title] of [
  ['soon', 'a process that exits by itself while a caller waits says nothing'],
  [
    'later',
    'a process that had nothing to do for a moment, and then exits by itself, says nothing',
  ],
] as const) {
  test(title, async (t) => {
    const {stderr, exit} = await watched('exits.js', {args: [entry, when]});
    t.is(stderr, '');
    t.is(exit, '3');
  });
}

// The environment variable

/** What is said of `holds.js`. */
const HELD_BY_PAY = [
  "The lock 'accounts' has been held for … ms; 1 call waits behind it.",
  '  held for … ms, since …, at pay (holds.js:12:14)',
  '    at holds.js:19:20',
  '  waiting for … ms, since …, at refund (holds.js:16:14)',
];

test('DATABASES_LOCK_WATCH sets the limits', async (t) => {
  const {stdout, stderr} = await watched('holds.js', {watch: 'heldMilliseconds=50'});
  t.deepEqual(read(stderr), HELD_BY_PAY);
  t.is(stdout, 'done\n');
});

test('DATABASES_LOCK_WATCH takes several options, apart by spaces or commas', async (t) => {
  const {stderr} = await watched('holds.js', {
    watch: ' waitingMilliseconds=50,stacks=false  heldMilliseconds=60000 ',
  });
  t.deepEqual(read(stderr), [
    "A call has been waiting for the lock 'accounts' for … ms; nobody waits behind it.",
    '  waiting for … ms, since ….',
    '  held for … ms, since ….',
  ]);
});

for (const [watch, message] of [
  [
    'heldMilliseconds=soon',
    'RangeError: Expected heldMilliseconds to be more than 0, but got NaN.',
  ],
  ['stacks=maybe', 'TypeError: Expected stacks to be a boolean, but got string.'],
  ['stacks', 'TypeError: Expected DATABASES_LOCK_WATCH to be name=value pairs, but got "stacks".'],
  ['held=5', 'Unknown option "held".'],
] as const) {
  test(`a program does not begin with DATABASES_LOCK_WATCH="${watch}"`, async (t) => {
    const {stdout, stderr, exit} = await watched('holds.js', {watch});
    t.true(stderr.includes(message), stderr);
    t.is(stdout, '');
    t.is(exit, '1');
  });
}

test('without limits given nothing is said of a fifth of a second', async (t) => {
  t.deepEqual(await watched('holds.js'), {stdout: 'done\n', stderr: '', exit: '0'});
});

// Copies of the package

for (const [format, used] of [
  ['esm', 'commonjs'],
  ['commonjs', 'esm'],
] as const) {
  test(`the locks of the ${used} copy are watched by the ${format} one`, async (t) => {
    const args = [used === 'esm' ? entry : compiledFile('src/index', 'commonjs')];
    const {stdout, stderr} = await watched('holds.js', {
      format,
      args,
      watch: 'heldMilliseconds=50',
    });
    t.deepEqual(read(stderr), HELD_BY_PAY);
    t.is(stdout, 'done\n');
  });
}

test('an installed package is watched by its name', async (t) => {
  const project = makeProject({}, []);
  cpSync(path.join(programs, 'threeLocks.js'), path.join(project, 'threeLocks.mjs'));
  const {stderr} = await runFile(path.join(project, 'threeLocks.mjs'), {
    flags: ['--import', '@databases/lock/debug/register'],
    args: ['@databases/lock'],
    cwd: project,
  });
  t.regex(stderr, /^Deadlock: 3 holders wait/);
  t.regex(stderr, /, holds 'orders', acquired at placeOrder \(file:\S*threeLocks\.mjs:11:16\),/);
});

/** Bundles a program with this package. @returns its file */
async function bundle(program: string, options: BuildOptions = {}): Promise<string> {
  const project = makeProject({}, []);
  cpSync(path.join(programs, program), path.join(project, program));
  const outfile = path.join(project, 'bundle.mjs');
  await build({
    absWorkingDir: project,
    entryPoints: [program],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    ...options,
  });
  return outfile;
}

/** Each line `holds … at …` of the text of its place. */
const placesIn = (stderr: string) =>
  [...stderr.matchAll(/^ {2}(held|waiting) for .*?, at (.*)$/gm)].map(
    ([, state, at]) => `${state} ${at}`,
  );

test('in a bundle of everything the places are those of its own code', async (t) => {
  const file = await bundle('bundled.js');
  const {stderr} = await runFile(file);
  const lines = readFileSync(file, 'utf8').split('\n');
  const source = (place: string) => {
    const [, state = '', name = '', line = ''] =
      /^(\w+) (\w+) \(.*bundle\.mjs:(\d+):\d+\)$/.exec(place) ?? [];
    return `${state} in ${name}: ${lines[Number(line) - 1]?.trim() ?? place}`;
  };
  t.deepEqual(
    placesIn(stderr.split(AT_THE_END)[0] ?? '')
      .map(source)
      .sort(),
    [
      'held in mergeUsers: await users.withLocks(["ada", "bob"], renameUser);',
      'held in placeOrder: await orders.withLock(payOrder);',
      'waiting in payOrder: await orders.withLock(() => void 0);',
      'waiting in renameUser: await users.acquireLock("bob");',
    ],
  );
});

test('with source maps the places in a bundle are those in its sources', async (t) => {
  const file = await bundle('bundled.js', {sourcemap: true, minify: true});
  const {stderr} = await runFile(file, {flags: ['--enable-source-maps']});
  // Node.js does not know the names of the functions.
  const places = placesIn(stderr.split(AT_THE_END)[0] ?? '')
    .join('\n')
    .replace(/ \w+ \((.*)\)$/gm, ' $1');
  t.deepEqual(read(places, path.dirname(file)).sort(), [
    'held bundled.js:10:16',
    'held bundled.js:18:15',
    'waiting bundled.js:14:16',
    'waiting bundled.js:22:15',
  ]);
});

// Threads

test('the main thread names the thread that holds, which tells more by itself', async (t) => {
  const {stdout, stderr, exit} = await watched('threads.js', {
    args: [sharedEntry],
    watch: 'heldMilliseconds=50 waitingMilliseconds=50',
  });
  const lines = read(stderr);
  const waits = lines.findIndex((line) => line.startsWith('A call has been waiting'));
  t.deepEqual(lines.splice(waits, 4), [
    "A call has been waiting for the lock 'accounts' for … ms; nobody waits behind it.",
    '  waiting for … ms, since …, at audit (threads.js:24:16)',
    '    at threads.js:26:16',
    '  held by thread 1, whose own watcher can tell more.',
  ]);
  t.deepEqual(lines, [
    "The lock 'accounts' has been held for … ms; nobody waits behind it.",
    '  held for … ms, since …, at pay (threads.js:36:16)',
    '    at threads.js:43:9',
  ]);
  t.is(stdout, 'done\n');
  t.is(exit, '0');
});

// Nothing is wrong

test('of two hundred callers that are sound nothing is told, and all are served', async (t) => {
  const {stdout, stderr, exit} = await watched('load.js', {
    watch: 'heldMilliseconds=60000 waitingMilliseconds=60000',
  });
  t.is(stderr, '');
  t.is(stdout, 'all settled\n0 times two at once\n');
  t.is(exit, '0');
});
