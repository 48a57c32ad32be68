import {Tokens} from './liveness.js';
import type {Cells, Slot} from './memory/layout.js';
import type {Attachment} from './memory/slots.js';
import {Parking} from './parking.js';

/**
 * What a thread has of one memory, for all of its locks: a slot with tokens that are kept armed, and
 * the wait by which it is woken. Its lines hang below it.
 */
export class Membership<Lines = unknown> {
  readonly cells: Cells;
  readonly slot: Slot;
  /** The number by which the memory knows this thread. */
  readonly threadId: number;
  readonly parking: Parking;
  readonly tokens: Tokens;
  /** The line for the one lock, or those for the locks by key. */
  readonly lines: Lines;

  /** Called outside of any caller's async context, which the waits behind the tokens would keep. */
  constructor(
    cells: Cells,
    attachment: Attachment,
    createLines: (membership: Membership) => Lines,
  ) {
    this.cells = cells;
    this.slot = attachment.slot;
    this.threadId = attachment.threadId;
    this.parking = new Parking(cells, attachment.slot);
    this.tokens = new Tokens(cells, attachment);
    this.lines = createLines(this);
  }
}
