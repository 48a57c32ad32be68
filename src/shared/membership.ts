import type {BlockingLine} from '../line/protocol.js';
import {Tokens} from './liveness.js';
import type {Cells, Slot} from './memory/layout.js';
import type {Attachment} from './memory/slots.js';
import {Parking} from './parking.js';

/**
 * What a thread has of one memory, for all of its locks: a slot with tokens that are kept armed, and
 * the wait by which it is woken. Its lines hang below it.
 */
export class Membership {
  readonly slot: Slot;
  readonly parking: Parking;
  readonly tokens: Tokens;
  /** The line for the one lock of the memory. */
  readonly line: BlockingLine;

  /** Called outside of any caller's async context, which the waits behind the tokens would keep. */
  constructor(
    cells: Cells,
    attachment: Attachment,
    createLine: (membership: Membership) => BlockingLine,
  ) {
    this.slot = attachment.slot;
    this.parking = new Parking(cells, attachment.slot);
    this.tokens = new Tokens(cells, attachment);
    this.line = createLine(this);
  }
}
