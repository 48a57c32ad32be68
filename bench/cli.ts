/**
 * `npm run bench -- [--only one-thread|threads|keys|blocking|growth] [--quick] [--json FILE] [--node PATH]`
 *
 * Builds the package and measures what was built, beside its peers, with the Node.js at PATH: see
 * suite.ts.
 */
import {parseArgs} from 'node:util';
import {PARTS} from './support/report.js';
import {runSuite} from './support/runSuite.js';

const {values} = parseArgs({
  options: {
    only: {type: 'string'},
    quick: {type: 'boolean'},
    json: {type: 'string'},
    node: {type: 'string'},
  },
});
const only = PARTS.find((part) => part === values.only);
if (values.only !== only) {
  throw new Error(`Expected --only to be one of ${PARTS.join(', ')}, but got ${values.only}.`);
}
process.exitCode = runSuite({...values, only});
