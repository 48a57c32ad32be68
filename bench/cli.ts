/**
 * `npm run bench -- [--only one-thread|threads|keys|blocking|growth|machines] [--quick] [--json FILE] [--node PATH]...`
 *
 * Builds the package and measures what was built, beside its peers: on this Node.js and on the
 * newest 24 and 26 that npm has, or on each one at a PATH. Prints all figures of each, and in the
 * end the goals, with what each Node.js reached.
 */
import {parseArgs} from 'node:util';
import {PARTS} from './support/report.js';
import {runSuite} from './support/runSuite.js';

const {values} = parseArgs({
  options: {
    only: {type: 'string'},
    quick: {type: 'boolean'},
    json: {type: 'string'},
    node: {type: 'string', multiple: true},
  },
});
const only = PARTS.find((part) => part === values.only);
if (values.only !== only) {
  throw new Error(`Expected --only to be one of ${PARTS.join(', ')}, but got ${values.only}.`);
}
const reports = await runSuite({...values, only, nodes: values.node});
// Only now: it imports the package, which has been built by now.
const {check, goalsTable, tables} = await import('./tables.js');
for (const report of reports) console.log(`\n${tables(report)}`);
console.log(`\n${goalsTable(check(reports))}`);
