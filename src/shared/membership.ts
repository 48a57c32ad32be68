import type {Line} from '../line/protocol.js';
import {keepTokensArmed} from './liveness.js';
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
  /** The line for the one lock of the memory. */
  readonly line: Line;

  /** Called outside of any caller's async context, which the waits behind the tokens would keep. */
  constructor(cells: Cells, attachment: Attachment, createLine: (membership: Membership) => Line) {
    this.slot = attachment.slot;
    this.parking = new Parking(cells, attachment.slot);
    keepTokensArmed(cells, attachment, new WeakRef(this));
    this.line = createLine(this);
  }
}
