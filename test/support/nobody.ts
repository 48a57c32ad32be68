import type {Cells, Slot} from '../../src/shared/memory/layout.js';
import {attach} from '../../src/shared/memory/slots.js';

/** Gives a thread that does not exist a slot: it never polls, and is never found dead. */
export function attachNobody(cells: Cells, threadId: number): Slot {
  const attachment = attach(cells, threadId, 0, () => undefined);
  if (attachment === undefined) throw new Error('No slot is free.');
  return attachment.slot;
}
