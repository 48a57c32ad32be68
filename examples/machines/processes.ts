// Processes make transfers in one file: first without a lock, and then with one on PostgreSQL. They
// might as well run on many machines. With the lock, one of them is killed in the middle of a transfer.
//
// The database is that of the environment variable DATABASE_URL, or one that is started for this.
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {fileURLToPath} from 'node:url';
import {Server} from '../../test/postgres/support/server.js';
import {audit} from '../transfers.js';

const {DATABASE_URL} = process.env;
const server = DATABASE_URL === undefined ? await Server.start(18) : undefined;

// Compiles the program of the processes, once for all of them.
await run();

await audit('Three processes without the lock', async (file) => {
  await Promise.all([run(file), run(file), run(file)]);
});

if (typeof server === 'string') {
  console.log(`There is no PostgreSQL, so nothing is shown of its locks:\n${server}`);
} else {
  const url = DATABASE_URL ?? (server as Server).url;
  const balanced = await audit(
    'Three processes with the lock, and one that is killed',
    async (file) => {
      await Promise.all([run(file, url), run(file, url), run(file, url), run(file, url, 'killed')]);
    },
  );
  if (!balanced) {
    console.error('Money was lost or made although every transfer held the lock.');
    process.exitCode = 1;
  }
  await server?.end();
}

/** Rejects if the process failed. */
async function run(...args: string[]): Promise<void> {
  const worker = fileURLToPath(new URL('./worker.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import=tsimp/import', worker, ...args], {
    stdio: 'inherit',
  });
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  if (signal === 'SIGKILL') console.log('A process was killed in the middle of a transfer');
  else if (code !== 0) throw new Error(`A process ended with ${code ?? signal}.`);
}
