// The sources, compiled for the threads and programs of one test file: a worker that has to load tsimp takes ten times as long.
import {mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';
import ts from 'typescript';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const directory = mkdtempSync(path.join(tmpdir(), 'lock-compiled-'));
process.once('exit', () => rmSync(directory, {recursive: true, force: true}));

function compile(from: string, to: string, module: ts.ModuleKind): void {
  const source = path.join(repository, from);
  for (const file of readdirSync(source, {recursive: true, encoding: 'utf8'})) {
    if (!file.endsWith('.ts')) continue;
    const target = path.join(directory, to, from, file.replace(/\.ts$/, '.js'));
    const {outputText} = ts.transpileModule(readFileSync(path.join(source, file), 'utf8'), {
      compilerOptions: {module, target: ts.ScriptTarget.ES2022},
      fileName: file,
    });
    mkdirSync(path.dirname(target), {recursive: true});
    writeFileSync(target, outputText);
  }
}

for (const [to, type, module] of [
  ['esm', 'module', ts.ModuleKind.ES2022],
  ['commonjs', 'commonjs', ts.ModuleKind.CommonJS],
] as const) {
  compile('src', to, module);
  writeFileSync(path.join(directory, to, 'package.json'), JSON.stringify({type}));
}
compile('test/fixtures', 'esm', ts.ModuleKind.ES2022);

/** The compiled file, `src/shared/index` or `test/fixtures/actor` for example. */
export const compiledFile = (name: string, format: 'esm' | 'commonjs' = 'esm') =>
  path.join(directory, format, `${name}.js`);

export const compiledUrl = (name: string) => pathToFileURL(compiledFile(name)).href;
