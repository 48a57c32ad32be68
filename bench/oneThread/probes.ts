/** What a lock promises beside being fast, found out by trying. */
import {AsyncLocalStorage} from 'node:async_hooks';
import {setTimeout as sleep} from 'node:timers/promises';
import type {Peer} from './peers.js';

/** Whether each of four callers, all but one of whom wait, runs in its own async context. */
export async function keepsContext(peer: Peer): Promise<boolean> {
  const run = peer.withLock();
  const storage = new AsyncLocalStorage<number>();
  const kept: boolean[] = [];
  const caller = (id: number) =>
    storage.run(id, () =>
      run(async () => {
        await sleep(1);
        kept.push(storage.getStore() === id);
      }),
    );
  await Promise.all([1, 2, 3, 4].map(caller));
  return kept.length === 4 && kept.every(Boolean);
}

/**
 * Whether a lock still lets in one caller at a time, and the next one at all, after waiters have
 * timed out.
 */
export async function excludesAfterTimeout(peer: Peer): Promise<boolean> {
  const run = peer.withLock(30);
  let inside = 0;
  let overlaps = 0;
  let last = 0;
  const hold = (milliseconds: number, id: number) => async () => {
    if (++inside > 1) overlaps++;
    await sleep(milliseconds);
    inside--;
    last = id;
  };
  // Those who give up are of no interest, but somebody has to handle their errors.
  const call = async (milliseconds: number, id: number) => {
    await Promise.allSettled([run(hold(milliseconds, id))]);
  };
  const calls = [call(200, 0)];
  for (let id = 1; id <= 10; id++) {
    calls.push(call(5, id));
    await sleep(10);
  }
  await Promise.all(calls);
  await run(hold(1, 11));
  return overlaps === 0 && last === 11;
}
