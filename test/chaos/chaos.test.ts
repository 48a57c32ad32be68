// A little of `npm run test:chaos`.
import test from 'ava';
import {runFile} from '../support/program.js';
import {compileRun} from './compile.js';
import type {RunOptions} from './run.js';

const SECONDS = 4;

const {program, remove} = compileRun();
test.after.always(remove);

// Those of keys, which are used in all the ways of the others.
test('threads that are killed all the time do not break the locks', async (t) => {
  const options: RunOptions = {lock: 'keys', seconds: SECONDS, seed: 1};
  const {stdout, exit} = await runFile(program, {args: [JSON.stringify(options)]});
  t.is(exit, '0', stdout);
  t.regex(stdout, /^overlaps +0$/m);
});
