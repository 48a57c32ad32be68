// `worker.ts [FILE [URL [killed]]]`: a process that makes transfers, under a lock if it has a database.
import {existsSync} from 'node:fs';
import pg from 'pg';
import {createPostgresLocks} from '@databases/lock/postgres';
import {copyOf, transfer, transfers, undoTransfer} from '../transfers.js';

const [file, url, end] = process.argv.slice(2);

if (file !== undefined && url === undefined) {
  await transfers(file);
} else if (file !== undefined) {
  const locks = createPostgresLocks({
    connect: () => new pg.Client(url),
    namespace: 'examples',
    timeoutMilliseconds: 30_000,
    onLost: ({key, error}) => console.error(`The lock of ${key} is lost`, error),
  });
  // Nobody tells whoever gets the lock of a process that died. So each looks at what it finds.
  const prepare = (): void => {
    if (!existsSync(copyOf(file))) return;
    undoTransfer(file);
    console.log('Found a transfer that was left half made, and undid it');
  };
  if (end === 'killed') {
    // Some time after the others have begun.
    for (let n = 0; n < 20; n++) {
      await locks.withLock(file, () => {
        prepare();
        return transfer(file, 'account 1', 'account 2', 1_00);
      });
    }
    await locks.withLock(file, () => {
      prepare();
      return transfer(file, 'account 1', 'account 2', 500_00, () => {
        process.kill(process.pid, 'SIGKILL');
      });
    });
  }
  await transfers(file, {
    withLock: (fn, ...args) =>
      locks.withLock(file, () => {
        prepare();
        return fn(...args);
      }),
  });
}
