import type {MessagePort} from 'node:worker_threads';
import {createLock} from '@databases/lock/shared';
import {transfer, transfers, undoTransfer} from '../transfers.js';

export interface Task {
  file: string;
  /** The buffer of the lock. Without it, the task uses no lock. */
  buffer?: SharedArrayBuffer;
  /** The port on which the task says that its transfer is half made. */
  stuckHalfway?: MessagePort;
}

export default async function ({file, buffer}: Task): Promise<void> {
  await (buffer === undefined ? transfers(file) : transfers(file, lockOf(buffer, file)));
}

/** Makes a transfer that never gets further than halfway. */
export async function stuckTransfer({file, buffer, stuckHalfway}: Required<Task>): Promise<void> {
  await lockOf(buffer, file).withLock(transfer, file, 'account 1', 'account 2', 500_00, () => {
    stuckHalfway.postMessage('halfway');
    for (;;);
  });
}

/** Each task makes a lock object from the buffer. Nobody has to clean it up. */
function lockOf(buffer: SharedArrayBuffer, file: string) {
  return createLock(30_000, {
    buffer,
    onAbandoned: ({threadId}) => {
      undoTransfer(file);
      console.log(`Thread ${threadId} ended while it held the lock: its transfer is undone`);
    },
  });
}
