/**
 * `npm run bench -- [--only one-thread|threads|growth] [--quick] [--json FILE] [--node PATH]`
 *
 * Builds the package and measures what was built, beside its peers, with the Node.js at PATH: see suite.ts.
 */
import {parseArgs} from 'node:util';
import {runSuite} from './support/runSuite.js';

const {values} = parseArgs({
  options: {
    only: {type: 'string'},
    quick: {type: 'boolean'},
    json: {type: 'string'},
    node: {type: 'string'},
  },
});
process.exitCode = runSuite(values);
