import {once} from 'node:events';
import {parentPort} from 'node:worker_threads';
import {createLock} from '@databases/lock/shared';
import {transfer, transfers, undoTransfer} from '../transfers.js';

export interface Message {
  file: string;
  /** The buffer of the lock. Without it, the worker uses no lock. */
  buffer?: SharedArrayBuffer;
  /** Whether to make a single transfer that never gets further than halfway. */
  stuck?: boolean;
}

const port = parentPort;
if (port === null) throw new Error('Start this as a worker.');

const [{file, buffer, stuck}] = (await once(port, 'message')) as [Message];

if (buffer === undefined) {
  await transfers(file);
} else {
  const lock = createLock(30_000, {
    buffer,
    onAbandoned: ({threadId}) => {
      undoTransfer(file);
      console.log(`Thread ${threadId} ended while it held the lock: its transfer is undone`);
    },
  });
  if (stuck) await lock.withLock(transfer, file, 'account 1', 'account 2', 500_00, stayHalfway);
  else await transfers(file, lock);
}

function stayHalfway(): void {
  port?.postMessage('halfway');
  for (;;);
}
