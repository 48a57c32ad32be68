import type {LockMemory} from '../../src/shared/lockMemory.js';

/** Gives a thread that does not exist a slot: it never looks, and is never found dead. */
export function attachNobody(memory: LockMemory, threadId: number): number {
  const attachment = memory.attach(threadId, 0, () => undefined);
  if (attachment === undefined) throw new Error('No slot is free.');
  return attachment.slot;
}
