/** All benchmarks in one run: measures part by part, prints the tables, and writes the figures. */
import {writeFileSync} from 'node:fs';
import {cpus} from 'node:os';
import {measureBlocking} from './blocking/part.js';
import {blockingTables} from './blocking/tables.js';
import {measureGrowth} from './growth/part.js';
import {growthTables} from './growth/tables.js';
import {measureKeys} from './keys/part.js';
import {keysTables} from './keys/tables.js';
import {measureOneThread} from './oneThread/part.js';
import {oneThreadTables} from './oneThread/tables.js';
import {describeRun, PARTS, type Cell, type Report} from './support/report.js';
import type {SuiteOptions} from './support/runSuite.js';
import {measureThreads} from './threads/part.js';
import {threadsTables} from './threads/tables.js';

const parts = {
  'one-thread': {measure: measureOneThread, tables: oneThreadTables},
  threads: {measure: measureThreads, tables: threadsTables},
  keys: {measure: measureKeys, tables: keysTables},
  blocking: {measure: measureBlocking, tables: blockingTables},
  growth: {measure: measureGrowth, tables: growthTables},
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

console.log(describeRun(report));
for (const part of PARTS) {
  if (only !== undefined && only !== part) continue;
  cells.push(...(await parts[part].measure(quick)));
  for (const table of parts[part].tables(report)) console.log(`\n${table}`);
}
if (json !== undefined) writeFileSync(json, JSON.stringify(report, undefined, 1));
