/** Builds the package and runs the benchmarks, in the Node.js that is asked for. */
import {spawnSync} from 'node:child_process';
import {rmSync} from 'node:fs';
import path from 'node:path';
import {compile} from './compile.js';
import type {Part} from './report.js';

export interface SuiteOptions {
  readonly only?: Part | undefined;
  readonly quick?: boolean | undefined;
  readonly json?: string | undefined;
  readonly node?: string | undefined;
}

/** @returns the exit code */
export function runSuite({node = process.execPath, ...options}: SuiteOptions): number {
  const build = spawnSync('npm', ['run', 'build', '--silent'], {stdio: 'inherit'});
  if (build.status !== 0) return 1;
  const directory = compile();
  const program = path.join(directory, 'bench/suite.js');
  const {status} = spawnSync(node, [program, JSON.stringify(options)], {stdio: 'inherit'});
  rmSync(directory, {recursive: true, force: true});
  return status ?? 1;
}
