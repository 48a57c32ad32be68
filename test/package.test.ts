// What a user gets: the packed tarball, installed in an empty project outside the repository.
import {execFile} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import test from 'ava';
import ts from 'typescript';

interface Entry {
  readonly specifier: string;
  /** The compiled file below `dist/esm` and `dist/commonjs`, without its extension. */
  readonly file: string;
  readonly exports: readonly string[];
  /** In test/package: exports an async function that is called with the entry's exports. */
  readonly program: string;
  /** In test/package: TypeScript that uses the entry's types. */
  readonly consumer: string;
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
    consumer: 'consumer.ts',
    imports: [],
  },
  {
    specifier: '@databases/lock/shared',
    file: 'shared/index',
    exports: ['LockError', 'LockTimeoutError', 'createLock'],
    program: 'sharedProgram.cjs',
    consumer: 'sharedConsumer.ts',
    imports: ['node:worker_threads'],
  },
];

/** The examples of the documentation of 2.1.0, word for word, in test/package/documented. */
const DOCUMENTED = ['createLock', 'createLocksByKey'];

const TARBALL_FILES = [
  /^(README\.md|LICENSE|CHANGELOG\.md|package\.json)$/,
  /^dist\/(esm|commonjs)\/(package\.json|.+\.js|.+\.d\.ts)$/,
];

const COMPILERS = [
  {
    name: 'module nodenext',
    options: {module: 'nodenext', moduleResolution: 'nodenext'},
    // An ES module and a CommonJS one: each reads other declarations.
    extensions: ['.mts', '.cts'],
  },
  {
    name: 'module commonjs with node10 resolution',
    options: {module: 'commonjs', moduleResolution: 'node10'},
    extensions: ['.ts'],
  },
  {
    name: 'module esnext with bundler resolution',
    options: {module: 'esnext', moduleResolution: 'bundler'},
    extensions: ['.ts'],
  },
];

const repository = fileURLToPath(new URL('..', import.meta.url));
const fixtures = path.join(repository, 'test/package');

/** The examples of the README, each with the heading that it stands below, and with what it says that it prints. */
const README_EXAMPLES = readFileSync(path.join(repository, 'README.md'), 'utf8')
  .split(/^#+ /m)
  .flatMap((section) => {
    const [heading = ''] = section.split('\n', 1);
    return [...section.matchAll(/^```js\n(.*?)^```/gms)].map(([, code = '']) => ({
      heading,
      code,
      prints: [...code.matchAll(/console\.log.*; \/\/ (.*)$/gm)].map(([, line]) => line),
    }));
  });
const tsc = fileURLToPath(import.meta.resolve('typescript/bin/tsc'));

let temporary: string;
let project: string;
let installed: string;
/** Below the project, beside what the README says to install for its examples. */
let readme: string;

test.before('pack and install', async (t) => {
  t.timeout(120_000);
  temporary = await mkdtemp(path.join(tmpdir(), 'lock-package-'));
  project = path.join(temporary, 'project');
  installed = path.join(project, 'node_modules/@databases/lock');

  // The build rewrites package.json and dist, so it runs in a copy: other tests may be reading them.
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

  readme = path.join(project, 'readme');
  await mkdir(path.join(readme, 'node_modules'), {recursive: true});
  await symlink(
    path.join(repository, 'node_modules/piscina'),
    path.join(readme, 'node_modules/piscina'),
  );
});

test.after.always('clean up', () => rm(temporary, {recursive: true, force: true}));

for (const {specifier, file, exports, program, consumer, imports} of ENTRIES) {
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

  for (const compiler of COMPILERS) {
    test(`the types of ${specifier} compile without any but the language's own, with ${compiler.name}`, async (t) => {
      await t.notThrowsAsync(compile(compiler, [consumer], ['es2022']));
    });
  }

  test(`${specifier} imports nothing but ${[...imports, 'files of its own'].join(', ')}`, async (t) => {
    for (const build of ['dist/esm', 'dist/commonjs']) {
      const found = await outsideImports(path.join(installed, build, `${file}.js`));
      t.deepEqual([...found].sort(), [...imports].sort(), build);
    }
  });
}

for (const compiler of COMPILERS) {
  test(`guards can be declared by using, with ${compiler.name}`, async (t) => {
    const lib = ['es2022', 'esnext.disposable', 'dom'];
    await t.notThrowsAsync(compile(compiler, ['usingConsumer.ts'], lib));
  });

  test(`the documented TypeScript examples compile as they stand, with ${compiler.name}`, async (t) => {
    const examples = DOCUMENTED.map((name) => `documented/${name}.ts`);
    // They use setTimeout, which the DOM's types declare, too.
    await t.notThrowsAsync(compile(compiler, examples, ['es2022', 'dom']));
  });
}

for (const [index, {heading, code, prints}] of README_EXAMPLES.entries()) {
  const isModule = code.startsWith('import ');
  const kind = isModule ? 'by import' : 'by require';
  test(`the README's example ${index + 1}, ${heading}, prints what it says, ${kind}`, async (t) => {
    const file = `example-${index + 1}.${isModule ? 'mjs' : 'cjs'}`;
    await writeFile(path.join(readme, file), code);
    const printed = (await run(readme, process.execPath, [file])).split('\n');
    t.deepEqual(
      printed.filter((line) => prints.includes(line)),
      prints,
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

test('the tarball holds what users need and nothing else', async (t) => {
  const files = await filesBelow(installed);
  t.deepEqual(
    files.filter((file) => !TARBALL_FILES.some((pattern) => pattern.test(file))),
    [],
  );
  for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md', 'package.json']) {
    t.true(files.includes(file), file);
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

/** Resolves to what the command printed; rejects, with all its output, when it fails. */
function run(cwd: string, command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, {cwd, timeout: 110_000}, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${error.message}\n${stdout}${stderr}`, {cause: error}));
    });
  });
}

/** Runs a script in the project, an ES module if it imports; resolves to the JSON that it prints. */
async function runScript(script: string): Promise<unknown> {
  const type = /^\s*import /.test(script) ? 'module' : 'commonjs';
  return JSON.parse(await run(project, process.execPath, [`--input-type=${type}`, '-e', script]));
}

/** Compiles files of test/package in the project, each as every kind of module the compiler has. */
async function compile(
  compiler: (typeof COMPILERS)[number],
  sources: readonly string[],
  lib: readonly string[],
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
    target: 'es2022',
    lib,
    types: [],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
  };
  await writeFile(path.join(directory, 'tsconfig.json'), JSON.stringify({compilerOptions, files}));
  await run(directory, process.execPath, [tsc, '-p', '.']);
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
