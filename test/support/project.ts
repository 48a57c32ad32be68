/**
 * An empty project with this package installed, for tools that are to find it as a user's would.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {compiledFile} from './compiled.js';

const repository = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Makes a project of `files`, by their paths. It may import `packages` beside this one.
 *
 * @returns its directory
 */
export function makeProject(files: Record<string, string>, packages: readonly string[]): string {
  const project = mkdtempSync(path.join(tmpdir(), 'lock-project-'));
  process.once('exit', () => rmSync(project, {recursive: true, force: true}));
  const installed = path.join(project, 'node_modules/@databases/lock');
  for (const [format, type] of [
    ['esm', 'module'],
    ['commonjs', 'commonjs'],
  ] as const) {
    const target = path.join(installed, 'dist', format);
    cpSync(path.dirname(compiledFile('src/index', format)), target, {recursive: true});
    writeFileSync(path.join(target, 'package.json'), JSON.stringify({type}));
  }
  cpSync(path.join(repository, 'package.json'), path.join(installed, 'package.json'));
  for (const name of packages) {
    const link = path.join(project, 'node_modules', name);
    mkdirSync(path.dirname(link), {recursive: true});
    symlinkSync(path.join(repository, 'node_modules', name), link);
  }
  for (const [name, content] of Object.entries({'package.json': '{"private": true}', ...files})) {
    writeFileSync(path.join(project, name), content);
  }
  return project;
}

/** The file that a package's command runs. */
export function commandFile(name: string): string {
  const directory = path.join(repository, 'node_modules', name);
  const {bin} = JSON.parse(readFileSync(path.join(directory, 'package.json'), 'utf8')) as {
    bin: string | Record<string, string>;
  };
  const file = typeof bin === 'string' ? bin : bin[name];
  if (file === undefined) throw new Error(`${name} has no command of its name.`);
  return path.join(directory, file);
}
