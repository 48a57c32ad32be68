/**
 * `npm run bench:check -- [FILE]`
 *
 * Compares the figures of a run, or of one made now, with the goals. It fails, and names the rows,
 * when a goal is missed.
 */
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {goals, type Goal} from './goals.js';
import {describeRun, readReport, type Report} from './support/report.js';
import {runSuite} from './support/runSuite.js';
import {formatTable, number} from './support/table.js';

function verdict({figure, atLeast = -Infinity, atMost = Infinity}: Goal) {
  if (figure === undefined) return 'not measured';
  return figure >= atLeast && figure <= atMost ? 'met' : 'missed';
}

function runNow(): Report {
  const directory = mkdtempSync(path.join(tmpdir(), 'lock-bench-'));
  const json = path.join(directory, 'report.json');
  try {
    if (runSuite({json}) !== 0) throw new Error('The benchmarks failed.');
    return readReport(json);
  } finally {
    rmSync(directory, {recursive: true, force: true});
  }
}

const [, , file] = process.argv;
const report = file === undefined ? runNow() : readReport(file);
const checked = goals(report).map((goal) => ({goal, verdict: verdict(goal)}));

const limit = ({atLeast, atMost}: Goal) =>
  atLeast === undefined ? `at most ${number(atMost)}` : `at least ${number(atLeast)}`;
const rows = checked.map(({goal, verdict}) => [
  goal.row,
  number(goal.figure),
  goal.of,
  limit(goal),
  verdict,
]);
console.log(`${describeRun(report)}\n`);
console.log(formatTable(['row', 'figure', '', 'goal', ''], rows));

const missed = checked.filter(({verdict}) => verdict === 'missed');
if (missed.length > 0) {
  console.error(`\n${missed.length} of ${checked.length} goals missed:`);
  for (const {goal} of missed) console.error(`- ${goal.row}: ${number(goal.figure)} ${goal.of}`);
  process.exitCode = 1;
}
