/**
 * `npm run bench:check -- [FILE]`
 *
 * Compares the figures of a run, or of one made now, with the goals. It fails, and names the rows,
 * when a goal is missed.
 */
import {readReports} from './support/report.js';
import {runSuite} from './support/runSuite.js';

const [, , file] = process.argv;
const reports = file === undefined ? await runSuite({}) : readReports(file);
// Only now: it imports the package, which has been built by now.
const {check, goalsTable} = await import('./tables.js');
const checked = check(reports);
console.log(goalsTable(checked));

const missed = checked.filter(({verdict}) => verdict === 'missed');
if (missed.length > 0) {
  console.error(`\n${missed.length} of ${checked.length} goals missed:`);
  for (const {node, row, figure, of} of missed) {
    console.error(`- ${node}, ${row}: ${String(figure)} ${of}`);
  }
  process.exitCode = 1;
}
