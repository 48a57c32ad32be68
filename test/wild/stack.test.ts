// The kind: a step is interrupted by an error in the middle of it, such as the end of the stack in
// a deep recursion. Whatever throws, the step is not taken, and can be repeated, or it is complete:
// no lock is stranded, and no caller forgotten.
import {fileURLToPath} from 'node:url';
import test from 'ava';
import {compiledFile} from '../support/compiled.js';
import {runFile} from '../support/program.js';

const program = fileURLToPath(new URL('programs/stack.js', import.meta.url));
const entries = ['src/index', 'src/shared/index'].map((name) => compiledFile(name, 'commonjs'));

/** Those of a program have eleven scenarios each, and the shared lock two more. */
const PROGRAMS = [
  {kinds: ['createLock', 'createLocksByKey', 'shared createLock'], scenarios: 3 * 11 + 2},
  {kinds: ['calls with options'], scenarios: 11},
  {kinds: ['several keys'], scenarios: 11},
];

for (const [temperature, title] of [
  ['warm', 'warm code'],
  ['cold', 'code compiled only then'],
] as const) {
  for (const flags of [[], ['--no-opt']]) {
    const mode = flags.join() || 'as usual';
    test(`a call at the end of the stack is complete or can be repeated: ${title}, ${mode}`, async (t) => {
      for (const {kinds, scenarios} of PROGRAMS) {
        const args = [...entries, temperature, ...kinds];
        const {stdout, exit} = await runFile(program, {flags, args});
        const lines = stdout.trimEnd().split('\n');
        t.deepEqual(
          lines.filter((line) => !line.endsWith(': ok')),
          [],
        );
        t.is(lines.length, scenarios);
        t.is(exit, '0');
      }
    });
  }
}
