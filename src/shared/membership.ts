import {Tokens} from './liveness.js';
import type {Cells, Slot} from './memory/layout.js';
import type {Attachment} from './memory/slots.js';
import {Parking} from './parking.js';

/**
 * What a thread has in one memory, for all locks there: a slot, tokens that are kept armed, and the
 * wait that wakes the thread. Its lines hang below the membership.
 */
export class Membership<Lines = unknown> {
  readonly cells: Cells;
  readonly slot: Slot;
  /** The number by which the memory knows this thread. */
  readonly threadId: number;
  readonly parking: Parking;
  readonly tokens: Tokens;
  /** The line for the one lock, or the lines for the locks by key. */
  readonly lines: Lines;

  /**
   * Call it outside of any caller's async context: the waits behind the tokens would keep that
   * context in memory.
   */
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
