// What a user gets: the packed tarball, installed in an empty project outside the repository.
import {execFile} from 'node:child_process';
import {cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import test from 'ava';
import {build} from 'esbuild';
import ts from 'typescript';
import {browserTests} from './runtimes/browsers.js';
import {Server} from './postgres/support/server.js';
import {runtimeTests} from './runtimes/runtimes.js';
import {TEXTS, WAYS, examplesOf, readText, translated} from './support/examples.js';
import {someAtATime} from './support/limit.js';

interface Entry {
  readonly specifier: string;
  /** The compiled file below `dist/esm` and `dist/commonjs`, without its extension. */
  readonly file: string;
  readonly exports: readonly string[];
  /** In test/package: exports an async function that is called with the entry's exports. */
  readonly program: string;
  /** In test/package: TypeScript that uses the entry's types. */
  readonly consumers: readonly string[];
  /** Everything but its own files that it may import. */
  readonly imports: readonly string[];
}

const ENTRIES: readonly Entry[] = [
  {
    specifier: '@databases/lock',
    file: 'index',
    exports: [
      'LockError',
      'LockTimeoutError',
      'createLock',
      'createLocksByKey',
      'getLock',
      'getLocksByKey',
    ],
    program: 'program.cjs',
    consumers: ['consumer.ts', 'basicLockConsumer.ts'],
    imports: [],
  },
  {
    specifier: '@databases/lock/shared',
    file: 'shared/index',
    exports: ['LockError', 'LockTimeoutError', 'createLock', 'createLocksByKey'],
    program: 'sharedProgram.cjs',
    consumers: ['sharedConsumer.ts'],
    imports: [],
  },
  {
    specifier: '@databases/lock/postgres',
    file: 'postgres/index',
    exports: ['LockError', 'LockTimeoutError', 'createPostgresLocks', 'fromPostgresJs'],
    program: 'postgresProgram.cjs',
    consumers: ['postgresConsumer.ts'],
    imports: ['node:crypto', 'node:timers'],
  },
  {
    specifier: '@databases/lock/debug',
    file: 'debug/index',
    exports: ['locksSnapshot', 'watchLocks'],
    program: 'debugProgram.cjs',
    consumers: ['debugConsumer.ts'],
    imports: [
      'node:async_hooks',
      'node:console',
      'node:diagnostics_channel',
      'node:os',
      'node:process',
      'node:util',
    ],
  },
];

/** The examples of the documentation of 2.1.0, word for word, in test/package/documented. */
const DOCUMENTED = ['createLock', 'createLocksByKey'];

const TARBALL_FILES = [
  /^(README\.md|LICENSE|CHANGELOG\.md|package\.json)$/,
  /^dist\/(esm|commonjs)\/(package\.json|.+\.js|.+\.d\.ts)$/,
  // The README links to these.
  /^docs\/[\w-]+\.(md|svg)$/,
  /^examples\/(\w+\/)?\w+\.ts$/,
];

interface Compiler {
  readonly name: string;
  readonly package: 'typescript' | 'typescript-4.1';
  readonly options: Readonly<Record<string, unknown>>;
  /** What the language itself declares, in the newest version that the compiler knows. */
  readonly language: string;
  readonly extensions: readonly string[];
}

const CURRENT = {
  package: 'typescript',
  options: {target: 'es2022', exactOptionalPropertyTypes: true},
  language: 'es2022',
} as const;

const COMPILERS: readonly Compiler[] = [
  {
    ...CURRENT,
    name: 'module nodenext',
    options: {...CURRENT.options, module: 'nodenext', moduleResolution: 'nodenext'},
    // An ES module and a CommonJS one: each reads other declarations.
    extensions: ['.mts', '.cts'],
  },
  {
    ...CURRENT,
    name: 'module commonjs with node10 resolution',
    options: {...CURRENT.options, module: 'commonjs', moduleResolution: 'node10'},
    extensions: ['.ts'],
  },
  {
    ...CURRENT,
    name: 'module esnext with bundler resolution',
    options: {...CURRENT.options, module: 'esnext', moduleResolution: 'bundler'},
    extensions: ['.ts'],
  },
];

/** The oldest that the declarations of 2.1.0 compiled with. It does not know `using`. */
const OLDEST_COMPILER: Compiler = {
  name: 'TypeScript 4.1',
  package: 'typescript-4.1',
  options: {target: 'es2020', module: 'commonjs', moduleResolution: 'node'},
  language: 'es2020',
  extensions: ['.ts'],
};

const repository = fileURLToPath(new URL('..', import.meta.url));
const fixtures = path.join(repository, 'test/package');

const EXAMPLES = TEXTS.flatMap((text) => examplesOf(text));

const CIRCLE = 'circle.mjs';
const circle = EXAMPLES.find(({file}) => file === CIRCLE)?.code ?? '';

let temporary: string;
let project: string;
let installed: string;
/** Below the project, beside what the texts say to install for their examples. */
let examples: string;
/** There a package of the same name is installed that locks nothing. */
let withoutLock: string;
/** For the examples on PostgreSQL; why there is none, where it cannot be started. */
let server: Server | string;

test.before('pack and install', async (t) => {
  t.timeout(120_000);
  temporary = await mkdtemp(path.join(tmpdir(), 'lock-package-'));
  project = path.join(temporary, 'project');
  installed = path.join(project, 'node_modules/@databases/lock');

  // The build rewrites package.json and dist, so it runs in a copy: other tests may be reading
  // them.
  const copy = path.join(temporary, 'copy');
  const generated = ['node_modules', '.git', '.tshy', '.tshy-build', '.tsimp', 'dist'];
  await cp(repository, copy, {
    recursive: true,
    filter: (source) => !generated.includes(path.relative(repository, source)),
  });
  await symlink(path.join(repository, 'node_modules'), path.join(copy, 'node_modules'));
  await run(copy, 'npm', ['pack', '--pack-destination', temporary]);

  const tarballs = (await readdir(temporary)).filter((name) => name.endsWith('.tgz'));
  await cp(fixtures, project, {recursive: true});
  await writeFile(path.join(project, 'package.json'), '{"private": true}');
  await run(project, 'npm', ['install', '--offline', ...tarballs.map((name) => `../${name}`)]);

  server = await Server.start(18);
  if (typeof server !== 'string') process.env['DATABASE_URL'] = server.url;

  examples = path.join(project, 'examples');
  withoutLock = path.join(temporary, 'withoutLock');
  for (const directory of [examples, withoutLock]) {
    const dependencies = path.join(directory, 'node_modules');
    await mkdir(path.join(dependencies, '@types'), {recursive: true});
    for (const name of ['piscina', 'pg', '@types/pg']) {
      await symlink(path.join(repository, 'node_modules', name), path.join(dependencies, name));
    }
  }
  const noLock = path.join(withoutLock, 'node_modules/@databases/lock');
  await mkdir(noLock, {recursive: true});
  await cp(path.join(fixtures, 'noLock.cjs'), path.join(noLock, 'noLock.cjs'));
  await writeFile(
    path.join(noLock, 'package.json'),
    JSON.stringify({exports: {'.': './noLock.cjs', './shared': './noLock.cjs'}}),
  );
});

test.after.always('clean up', async () => {
  if (typeof server !== 'string') await server.end();
  await rm(temporary, {recursive: true, force: true});
});

for (const {specifier, file, exports, program, imports} of ENTRIES) {
  test(`${specifier} gives the same names by import and by require, and works by both`, async (t) => {
    t.deepEqual(
      await runScript(`
        import * as entry from '${specifier}';
        import program from './${program}';
        await program(entry);
        console.log(JSON.stringify(Object.keys(entry).sort()));
      `),
      exports,
    );
    t.deepEqual(
      await runScript(`
        const entry = require('${specifier}');
        require('./${program}')(entry).then(() =>
          console.log(JSON.stringify(Object.keys(entry).sort())),
        );
      `),
      exports,
    );
  });

  test(`an import of ${specifier} that nothing uses leaves nothing in a bundle`, async (t) => {
    const bundle = (contents: string) =>
      build({
        stdin: {contents, resolveDir: project},
        bundle: true,
        platform: 'node',
        format: 'esm',
        write: false,
      }).then(({outputFiles: [file]}) => file?.text);
    const name = exports.at(-1);
    t.is(await bundle(`import {${name}} from '${specifier}';`), '');
    t.not(await bundle(`export {${name}} from '${specifier}';`), '');
  });

  test(`${specifier} imports nothing but ${[...imports, 'files of its own'].join(', ')}`, async (t) => {
    for (const build of ['dist/esm', 'dist/commonjs']) {
      const found = await outsideImports(path.join(installed, build, `${file}.js`));
      t.deepEqual([...found].sort(), [...imports].sort(), build);
    }
  });
}

for (const compiler of [...COMPILERS, OLDEST_COMPILER]) {
  test(`the types of all entries compile without any but the language's own, with ${compiler.name}`, async (t) => {
    const consumers = ENTRIES.flatMap((entry) => entry.consumers);
    await t.notThrowsAsync(compile(compiler, consumers));
  });

  const examples = DOCUMENTED.map((name) => `documented/${name}.ts`);
  if (compiler === OLDEST_COMPILER) {
    test(`the documented TypeScript examples compile as they stand, with ${compiler.name}`, async (t) => {
      // They use setTimeout, which the DOM's types declare, too.
      await t.notThrowsAsync(compile(compiler, examples, ['dom']));
    });
  } else {
    test(`the documented TypeScript examples compile as they stand, and guards can be declared by using, with ${compiler.name}`, async (t) => {
      const lib = ['esnext.disposable', 'dom'];
      await t.notThrowsAsync(compile(compiler, [...examples, 'usingConsumer.ts'], lib));
    });
  }
}

for (const example of EXAMPLES) {
  const {text, prints, printsWithout} = example;
  for (const way of WAYS) {
    test(`${example.file} of ${text} prints what it says, by ${way}`, async (t) => {
      if (example.code.includes('DATABASE_URL') && typeof server === 'string') {
        t.log('NOT TESTED: PostgreSQL cannot be started here.', server);
        t.pass();
        return;
      }
      const {file, code} = translated(example, way);
      const directory = await writeProgram(examples, file, code);
      const printed = (await runProgram(directory, file)).split('\n');
      t.deepEqual(
        printed.filter((line) => prints.includes(line)),
        prints,
      );
    });

    if (printsWithout === undefined) continue;
    test(`${example.file} of ${text} prints ${printsWithout} without the lock, by ${way}`, async (t) => {
      const {file, code} = translated(example, way);
      // Longer than it takes until all threads have started.
      const slower = code.replace('setTimeout(resolve, 1)', 'setTimeout(resolve, 10)');
      const directory = await writeProgram(withoutLock, file, slower);
      const printed = (await runProgram(directory, file)).trim();
      const [, limit] = /^less than (\d+)$/.exec(printsWithout) ?? [];
      if (limit === undefined) t.is(`\`${printed}\``, printsWithout);
      else t.true(Number(printed) < Number(limit), printed);
    });
  }
}

test('the examples pass the strict checks of TypeScript, and use each of their variables', async (t) => {
  const directory = path.join(examples, 'types');
  const files = EXAMPLES.map(({text, file}) => `${path.basename(text, '.md')}/${file}`);
  for (const [index, {code}] of EXAMPLES.entries()) {
    const file = path.join(directory, files[index] ?? '');
    await mkdir(path.dirname(file), {recursive: true});
    await writeFile(file, code, {flag: 'wx'});
  }
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2022', 'esnext.disposable'],
    module: 'nodenext',
    types: ['node'],
    typeRoots: [path.join(repository, 'node_modules/@types')],
    strict: true,
    noUnusedLocals: true,
    allowJs: true,
    checkJs: true,
    // JavaScript does not tell the types of parameters.
    noImplicitAny: false,
    skipLibCheck: true,
    noEmit: true,
  };
  await writeFile(path.join(directory, 'tsconfig.json'), JSON.stringify({compilerOptions, files}));
  await t.notThrowsAsync(runCompiler('typescript', directory));
});

test('the register entry of the package watches a program, by --import and by --require', async (t) => {
  const code = circle.replace(/^(import .*debug.*|watchLocks.*)$/gm, '');
  const directory = await writeProgram(examples, CIRCLE, code);
  for (const flag of ['--import', '--require']) {
    const printed = await runForErrors(directory, [flag, '@databases/lock/debug/register', CIRCLE]);
    t.regex(printed, /^Deadlock: 2 holders/m, flag);
    t.regex(printed, /^The process ends while calls wait/m, flag);
  }
});

test('a bundle keeps the register entry, although nothing of it is used', async (t) => {
  const {outputFiles} = await build({
    stdin: {contents: "import '@databases/lock/debug/register';", resolveDir: project},
    bundle: true,
    platform: 'node',
    format: 'esm',
    write: false,
  });
  t.regex(outputFiles[0]?.text ?? '', /DATABASES_LOCK_WATCH/);
});

for (const text of ['README.md', 'docs/debugging.md']) {
  test(`${CIRCLE} prints the report that ${text} shows`, async (t) => {
    const directory = await writeProgram(examples, CIRCLE, circle);
    const [, report] = /^```\n(Deadlock: .*?)^```/ms.exec(readText(text)) ?? [];
    const printed = await runForErrors(directory, [CIRCLE]);
    t.true(
      printed.replace(/file:\/\/\S*circle\.mjs/g, 'file:///app/circle.mjs').includes(report ?? '-'),
      printed,
    );
  });
}

test('the documented require example of createLock counts two calls made at once', async (t) => {
  const results = await runScript(`
    const {atomicSlowAdd} = require('./documented/createLock.cjs');
    Promise.all([atomicSlowAdd(), atomicSlowAdd()]).then((r) => console.log(JSON.stringify(r)));
  `);
  t.deepEqual(results, [1, 2]);
});

test('the documented require example of createLocksByKey counts two calls made at once', async (t) => {
  const result = await runScript(`
    const {atomicSlowAdd} = require('./documented/createLocksByKey.cjs');
    const obj = {value: 0};
    Promise.all([atomicSlowAdd(obj), atomicSlowAdd(obj)]).then(() => console.log(obj.value));
  `);
  t.is(result, 2);
});

runtimeTests(
  test,
  () => project,
  () => examples,
  () => server,
);
browserTests(test, () => project);

test('the tarball holds what users need and nothing else', async (t) => {
  const files = await filesBelow(installed);
  t.deepEqual(
    files.filter((file) => !TARBALL_FILES.some((pattern) => pattern.test(file))),
    [],
  );
  for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md', 'package.json']) {
    t.true(files.includes(file), file);
  }
  for (const folder of ['docs', 'examples']) {
    for (const file of await filesBelow(path.join(repository, folder))) {
      t.true(files.includes(`${folder}/${file}`), `${folder}/${file}`);
    }
  }
  for (const build of ['dist/esm', 'dist/commonjs']) {
    for (const {file} of ENTRIES) {
      t.true(files.includes(`${build}/${file}.js`), `${build}/${file}.js`);
      t.true(files.includes(`${build}/${file}.d.ts`), `${build}/${file}.d.ts`);
    }
  }
});

test('the package brings no other package along', async (t) => {
  const packages = (await readdir(path.join(project, 'node_modules'))).filter((n) => n[0] !== '.');
  t.deepEqual(packages, ['@databases']);
});

/**
 * Writes a program into a folder of its own, because tests run side by side, and resolves to that
 * folder.
 */
async function writeProgram(parent: string, file: string, code: string): Promise<string> {
  const directory = await mkdtemp(path.join(parent, 'program-'));
  await writeFile(path.join(directory, file), code);
  return directory;
}

const runProgram = (directory: string, file: string) =>
  someAtATime(() => run(directory, process.execPath, [file]));

/** Resolves to what the command printed; rejects, with all its output, when it fails. */
function run(cwd: string, command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, {cwd, timeout: 110_000}, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${error.message}\n${stdout}${stderr}`, {cause: error}));
    });
  });
}

/** Resolves to what a program printed as errors and warnings. */
function runForErrors(cwd: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, {cwd, timeout: 110_000}, (_error, _stdout, stderr) => {
      resolve(stderr);
    });
  });
}

/**
 * Runs a script in the project, an ES module if it imports; resolves to the JSON that it prints.
 */
async function runScript(script: string): Promise<unknown> {
  const type = /^\s*import /.test(script) ? 'module' : 'commonjs';
  return JSON.parse(await run(project, process.execPath, [`--input-type=${type}`, '-e', script]));
}

/**
 * Compiles files of test/package in the project, each as every kind of module the compiler has.
 *
 * @param lib what they use beside the language's own
 */
async function compile(
  compiler: Compiler,
  sources: readonly string[],
  lib: readonly string[] = [],
): Promise<void> {
  const directory = await mkdtemp(path.join(project, 'compile-'));
  const files: string[] = [];
  for (const source of sources) {
    for (const extension of compiler.extensions) {
      const file = `${path.basename(source, '.ts')}${extension}`;
      await cp(path.join(fixtures, source), path.join(directory, file));
      files.push(file);
    }
  }
  const compilerOptions = {
    ...compiler.options,
    lib: [compiler.language, ...lib],
    types: [],
    strict: true,
    skipLibCheck: false,
    noEmit: true,
  };
  await writeFile(path.join(directory, 'tsconfig.json'), JSON.stringify({compilerOptions, files}));
  await runCompiler(compiler.package, directory);
}

function runCompiler(name: Compiler['package'], directory: string): Promise<string> {
  const tsc = fileURLToPath(import.meta.resolve(`${name}/bin/tsc`));
  return someAtATime(() => run(directory, process.execPath, [tsc, '-p', '.']));
}

/** What a compiled file and all files of its own that it loads import from elsewhere. */
async function outsideImports(file: string, seen = new Set<string>()): Promise<Set<string>> {
  const found = new Set<string>();
  seen.add(file);
  const {importedFiles} = ts.preProcessFile(await readFile(file, 'utf8'), true, true);
  for (const {fileName} of importedFiles) {
    const next = path.resolve(path.dirname(file), fileName);
    if (!fileName.startsWith('.')) found.add(fileName);
    else if (!seen.has(next)) (await outsideImports(next, seen)).forEach((name) => found.add(name));
  }
  return found;
}

async function filesBelow(directory: string): Promise<string[]> {
  const items = await readdir(directory, {recursive: true, withFileTypes: true});
  return items
    .filter((item) => item.isFile())
    .map((item) => path.relative(directory, path.join(item.parentPath, item.name)))
    .map((file) => file.split(path.sep).join('/'));
}
