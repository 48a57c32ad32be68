/**
 * Compiles the benchmarks into a directory of their own, beside a copy of the package as it was
 * built: workers start fast, any Node.js can run it, and a build in the checkout meanwhile disturbs
 * nothing.
 */
import {cpSync, mkdtempSync, symlinkSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {transpileFolder} from '../../test/support/transpile.js';

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** @returns the directory, for the caller to remove */
export function compile(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'lock-bench-'));
  // With the package's own package.json, '@databases/lock' means the copy of dist.
  cpSync(path.join(repository, 'package.json'), path.join(directory, 'package.json'));
  cpSync(path.join(repository, 'dist'), path.join(directory, 'dist'), {recursive: true});
  symlinkSync(path.join(repository, 'node_modules'), path.join(directory, 'node_modules'));
  transpileFolder('bench', directory);
  // The servers of the part across processes.
  transpileFolder('test/postgres/support', directory);
  return directory;
}
