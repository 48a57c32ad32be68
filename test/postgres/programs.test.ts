// Processes of their own: how they end, and what surrounds the locks in them.
import {createRequire} from 'node:module';
import {fileURLToPath} from 'node:url';
import test from 'ava';
import {compiledFile, compiledUrl} from '../support/compiled.js';
import {runFile} from '../support/program.js';
import type * as postgresEntry from '../../src/postgres/index.js';
import {startServers} from './support/servers.js';

const [server] = await startServers(test, [18]);
const programFile = (name: string) =>
  fileURLToPath(new URL(`programs/${name}.js`, import.meta.url));
type Entry = typeof postgresEntry;

const entry = compiledUrl('src/postgres/index');

if (server !== undefined) {
  for (const [what, output] of [
    ['releases and does nothing more', 'inside\ndone\n'],
    ['has waited, and does nothing more', 'inside\ndone\n'],
    ['gives up, and does nothing more', 'ERR_LOCK_UNAVAILABLE\ndone\n'],
    ['waits, and does nothing else', 'done\ninside\n'],
    ['has no setImmediate, as in jsdom', 'inside\ndone\n'],
  ] as const) {
    test(`a process that ${what} ends by itself`, async (t) => {
      const ended = await runFile(programFile('locks'), {args: [entry, server.url, what]});
      t.deepEqual(ended, {stdout: output, stderr: '', exit: '0'});
    });
  }

  // It ends the sessions of all others.
  test.serial(
    'a process that loses its connection again and again is told, and goes on',
    async (t) => {
      const what = 'loses its connection again and again';
      const ended = await runFile(programFile('locks'), {args: [entry, server.url, what]});
      t.deepEqual(ended, {stdout: 'inside\nlost\ninside\ndone\n', stderr: '', exit: '0'});
    },
  );

  for (const thing of [
    'the methods of maps',
    'methods of texts',
    'methods of arrays',
    'timers and clocks',
    'BigInt and AbortController',
    'Promise.resolve and race',
  ]) {
    test(`one caller at a time where ${thing} are replaced`, async (t) => {
      const ended = await runFile(programFile('replaced'), {args: [entry, server.url, thing]});
      const stdout = 'most inside: 1, in order: true\n';
      t.deepEqual(ended, {stdout, stderr: '', exit: '0'});
    });
  }

  test('the ES module and the CommonJS copy exclude each other', async (t) => {
    const copies = [
      (await import(entry)) as Entry,
      createRequire(import.meta.url)(compiledFile('src/postgres/index', 'commonjs')) as Entry,
    ];
    t.not(copies[0]?.createPostgresLocks, copies[1]?.createPostgresLocks);
    const all = copies.map(({createPostgresLocks}) =>
      createPostgresLocks({connect: () => server.client(), namespace: 'copies'}),
    );
    let inside = 0;
    const enter = async () => {
      t.is(++inside, 1);
      await new Promise((resolve) => setTimeout(resolve, 1));
      inside--;
    };
    await Promise.all(
      Array.from({length: 30}, () => all.map((locks) => locks.withLock('key', enter))).flat(),
    );
    await Promise.all(all.map((locks) => locks.close()));
  });
}
