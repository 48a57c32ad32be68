/** Builds the package and runs the benchmarks, on each Node.js that is asked for. */
import {fork, spawnSync} from 'node:child_process';
import {rmSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {findNode} from '../../test/support/nodes.js';
import {compile} from './compile.js';
import {readReport, type Part, type Report} from './report.js';
import {giveTurns} from './turns.js';

export interface SuiteOptions {
  readonly only?: Part | undefined;
  readonly quick?: boolean | undefined;
  /** The file for the report. */
  readonly json: string;
}

interface RunOptions extends Omit<SuiteOptions, 'json'> {
  /** The file for all reports. */
  readonly json?: string | undefined;
  readonly nodes?: readonly string[] | undefined;
}

/** What users run: this Node.js, and two that npm has. */
const defaultNodes = () => [
  process.execPath,
  ...[24, 26].flatMap((major) => findNode(major) ?? []),
];

/** @returns a report for each Node.js */
export async function runSuite({
  nodes = defaultNodes(),
  json,
  ...options
}: RunOptions): Promise<Report[]> {
  const build = spawnSync('npm', ['run', 'build', '--silent'], {stdio: 'inherit'});
  if (build.status !== 0) throw new Error('The build failed.');
  const directory = compile();
  try {
    const files = nodes.map((_, n) => path.join(directory, `report-${n}.json`));
    const suites = nodes.map((node, n) =>
      fork(path.join(directory, 'bench/suite.js'), [JSON.stringify({...options, json: files[n]})], {
        execPath: node,
        execArgv: [],
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      }),
    );
    const codes = await giveTurns(suites);
    if (codes.some((code) => code !== 0)) throw new Error('The benchmarks failed.');
    const reports = files.map(readReport);
    if (json !== undefined) writeFileSync(json, JSON.stringify(reports, undefined, 1));
    return reports;
  } finally {
    rmSync(directory, {recursive: true, force: true});
  }
}
