/** All benchmarks on one Node.js: measures part by part, and writes the figures. */
import {writeFileSync} from 'node:fs';
import {cpus} from 'node:os';
import {measureBlocking} from './blocking/part.js';
import {measureGrowth} from './growth/part.js';
import {measureKeys} from './keys/part.js';
import {measureMachines} from './machines/part.js';
import {measureOneThread} from './oneThread/part.js';
import {PARTS, type Cell, type Report} from './support/report.js';
import type {SuiteOptions} from './support/runSuite.js';
import {measureThreads} from './threads/part.js';

const parts = {
  'one-thread': measureOneThread,
  threads: measureThreads,
  keys: measureKeys,
  blocking: measureBlocking,
  growth: measureGrowth,
  machines: measureMachines,
};

const {only, quick = false, json} = JSON.parse(process.argv[2] as string) as SuiteOptions;

const cells: Cell[] = [];
const processors = cpus();
const report: Report = {
  node: process.version,
  processor: `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown processor'}`,
  date: new Date().toISOString(),
  quick,
  cells,
};
for (const part of PARTS) {
  if (only === undefined || only === part) cells.push(...(await parts[part](quick)));
}
writeFileSync(json, JSON.stringify(report));
// It would wait for its next turn.
process.disconnect();
