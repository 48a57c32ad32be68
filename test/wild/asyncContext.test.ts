// The kind: what a lock starts for its own purposes, a timer or a wait, keeps or shows the
// AsyncLocalStorage store of whoever happened to call. It keeps nobody's; and what a user gave runs
// in the context that its user expects.
import {fileURLToPath} from 'node:url';
import test from 'ava';
import {compiledUrl} from '../support/compiled.js';
import {runFile} from '../support/program.js';

const program = fileURLToPath(new URL('programs/contexts.js', import.meta.url));
const entries = [compiledUrl('src/index'), compiledUrl('src/shared/index')];

async function run(scenario: string): Promise<string[]> {
  const args = [...entries, scenario];
  const {stdout, exit, stderr} = await runFile(program, {flags: ['--expose-gc'], args});
  return [...stdout.trimEnd().split('\n'), ...(exit === '0' ? [] : [`exit ${exit}`, stderr])];
}

const KINDS = ['createLock', 'createLocksByKey', 'shared createLock'];

test('a lock made inside a store that refers to it is collected with the store', async (t) => {
  t.deepEqual(await run('collected'), [
    ...KINDS.flatMap((kind) =>
      ['not used', 'used once', 'contended'].map((use) => `${kind}, ${use}: 0 of 200 left`),
    ),
    'shared createLock, contended by a thread: 0 of 20 left',
  ]);
});

test('a caller that waits no more leaves its store behind nowhere', async (t) => {
  const ends = [
    'served, others wait',
    'served, nobody waits',
    'alone in line',
    'timed out, others wait',
    'aborted, others wait',
  ];
  t.deepEqual(
    await run('timers'),
    KINDS.flatMap((kind) => ends.map((end) => `${kind}, ${end}: 0 left`)),
  );
});

test("onAbandoned runs in the context of the heir's call", async (t) => {
  const ends = ['by a signal', 'by its timeout', 'not at all'];
  t.deepEqual(
    await run('abandoned'),
    ['withLock', 'acquireLock', 'acquire'].flatMap((way) =>
      ends.map((end) => `${way}, the first gives up ${end}: told the heir`),
    ),
  );
});

test('fn, and the code behind withLock, run in the context of their own call', async (t) => {
  t.deepEqual(
    await run('functions'),
    KINDS.map((kind) => `${kind}: 000111222333`),
  );
});
