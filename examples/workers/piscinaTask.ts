import type {MessagePort} from 'node:worker_threads';
import {createLock} from '@databases/lock/shared';
import {transfer, transfers, undoTransfer} from '../transfers.js';

export interface Task {
  file: string;
  /** Of the lock, unless the task goes without. */
  buffer?: SharedArrayBuffer;
  /** Where to say that the transfer is half made. */
  stuckHalfway?: MessagePort;
}

export default async function ({file, buffer}: Task): Promise<void> {
  await (buffer === undefined ? transfers(file) : transfers(file, lockOf(buffer, file)));
}

/** A transfer that never gets further than halfway. */
export async function stuckTransfer({file, buffer, stuckHalfway}: Required<Task>): Promise<void> {
  await lockOf(buffer, file).withLock(transfer, file, 'account 1', 'account 2', 500_00, () => {
    stuckHalfway.postMessage('halfway');
    for (;;);
  });
}

/** Each task makes a lock object from the buffer; it needs no cleaning up. */
function lockOf(buffer: SharedArrayBuffer, file: string) {
  return createLock(30_000, {
    buffer,
    onAbandoned: ({threadId}) => {
      undoTransfer(file);
      console.log(`Thread ${threadId} ended while it held the lock: its transfer is undone`);
    },
  });
}
