// A little of `npm run test:chaos`.
import test from 'ava';
import {runFile} from '../support/program.js';
import {compileRun} from './compile.js';
import type {RunOptions} from './run.js';

const SECONDS = 4;

const {program, remove} = compileRun();
test.after.always(remove);

for (const lock of ['ours', 'keys'] as const) {
  test.serial(`threads that are killed all the time do not break the lock: ${lock}`, async (t) => {
    const options: RunOptions = {lock, seconds: SECONDS, seed: 1};
    const {stdout, exit} = await runFile(program, {args: [JSON.stringify(options)]});
    t.is(exit, '0', stdout);
    t.regex(stdout, /^overlaps +0$/m);
  });
}
