/**
 * The sources, compiled for the threads and programs of one test file. A worker that has to load
 * tsimp would take ten times as long to start.
 */
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {pathToFileURL} from 'node:url';
import ts from 'typescript';
import {transpileFolder} from './transpile.js';

const directory = mkdtempSync(path.join(tmpdir(), 'lock-compiled-'));
process.once('exit', () => rmSync(directory, {recursive: true, force: true}));

for (const [format, type, module] of [
  ['esm', 'module', ts.ModuleKind.ES2022],
  ['commonjs', 'commonjs', ts.ModuleKind.CommonJS],
] as const) {
  transpileFolder('src', path.join(directory, format), {module});
  writeFileSync(path.join(directory, format, 'package.json'), JSON.stringify({type}));
}
transpileFolder('test/fixtures', path.join(directory, 'esm'));

/** The compiled file, `src/shared/index` or `test/fixtures/actor` for example. */
export const compiledFile = (name: string, format: 'esm' | 'commonjs' = 'esm') =>
  path.join(directory, format, `${name}.js`);

export const compiledUrl = (name: string) => pathToFileURL(compiledFile(name)).href;
