import {READY, outside, then} from '../intrinsics.js';
import {deref, max} from './intrinsics.js';
import {
  CALL_BITS,
  blockUntilCalled,
  callBit,
  isCalled,
  takeCalls,
  waitForCall,
} from './memory/calls.js';
import type {Cells, Entry, Slot} from './memory/layout.js';
import {PollTimer} from './pollTimer.js';

/** Something that contends for one lock of the memory. */
export interface Parked {
  readonly entry: Entry;
  /** Its index among those that contend; `undefined` while it does not. Only `Parking` sets it. */
  parkedAt: number | undefined;
  /** Called when another thread has called it. It has to look at the word. */
  answer(): void;
  /** Called when nobody has called it for some time. */
  poll(): void;
  /** After how many milliseconds it must poll, if that is soon. */
  readonly pollDelay: number | undefined;
  /** How long ago a thread last probed the owner of its lock. */
  millisecondsSinceProbe(): number;
}

/**
 * How a thread waits for all locks of one memory at once. While any of its contenders contends,
 * there is one wait, on one cell of its slot, and one timer.
 *
 * The wait cannot be cancelled, so it is reused. When it ends, each contender that was called
 * answers. (If one no longer contends, it has already passed on what it was called for.)
 */
export class Parking {
  readonly #cells: Cells;
  readonly #slot: Slot;
  /** The contenders, by the bit of their calls. */
  readonly #contending: Parked[][] = [];
  #size = 0;
  readonly #pollTimer: PollTimer;
  #isWaiting = false;
  /** Calls that arrived while the thread was blocked. */
  #unanswered = 0;

  /** A wait on the memory may outlive this object, and must not prevent it from being collected. */
  readonly #self = new WeakRef(this);

  constructor(cells: Cells, slot: Slot) {
    this.#cells = cells;
    this.#slot = slot;
    for (let bit = 0; bit < CALL_BITS; bit++) this.#contending[bit] = [];
    this.#pollTimer = new PollTimer(cells, () => this.#poll());
  }

  /** Parks the thread for `contender`, which has announced that it waits. */
  join(contender: Parked): void {
    if (contender.parkedAt === undefined) {
      const contending = this.#alike(contender);
      contender.parkedAt = contending.length;
      contending[contending.length] = contender;
      this.#size++;
    }
    this.#park();
    this.#pollTimer.start(contender.pollDelay);
  }

  /** Says that `contender` does not wait any more, if it ever did. */
  leave(contender: Parked): void {
    const index = contender.parkedAt;
    if (index === undefined) return;
    const contending = this.#alike(contender);
    const last = contending[contending.length - 1] as Parked;
    contending[index] = last;
    last.parkedAt = index;
    contending.length--;
    contender.parkedAt = undefined;
    if (--this.#size === 0) this.#pollTimer.stop();
  }

  /** Whether another line of the thread contends at the same entry, and so shares a bit with it. */
  hasAnother(contender: Parked): boolean {
    const {number} = contender.entry;
    return this.#alike(contender).some(
      (other) => other !== contender && other.entry.number === number,
    );
  }

  #alike({entry}: Parked): Parked[] {
    return this.#contending[callBit(entry)] as Parked[];
  }

  #park(): void {
    if (this.#isWaiting) return;
    outside(() => {
      const self = this.#self;
      const isCalledBefore = this.#unanswered !== 0;
      const called = isCalledBefore ? READY : (waitForCall(this.#cells, this.#slot) ?? READY);
      void then(called, () => {
        const parking = deref(self);
        if (parking !== undefined) parking.#answer();
      });
    });
    this.#isWaiting = true;
  }

  /**
   * Blocks the thread until the contender of `entry` is called, or until the time is over.
   * Contenders of other entries that are called in the meantime answer later.
   *
   * @returns whether it was called
   */
  block(entry: Entry, milliseconds: number): boolean {
    blockUntilCalled(this.#cells, this.#slot, milliseconds);
    const calls = takeCalls(this.#cells, this.#slot);
    this.#unanswered |= calls;
    if (this.#unanswered !== 0 && this.#size > 0) this.#park();
    return isCalled(calls, entry);
  }

  #answer(): void {
    this.#isWaiting = false;
    const calls = takeCalls(this.#cells, this.#slot) | this.#unanswered;
    this.#unanswered = 0;
    this.#each((contender) => contender.answer(), calls);
    if (this.#size > 0) this.#park();
  }

  #poll(): void {
    let delay: number | undefined;
    let sinceProbe = 0;
    this.#each((contender) => contender.poll());
    this.#each((contender) => {
      delay ??= contender.pollDelay;
      sinceProbe = max(sinceProbe, contender.millisecondsSinceProbe());
    });
    if (this.#size > 0) this.#pollTimer.next(delay, sinceProbe);
  }

  /**
   * Calls `action` for each contender, or only for those that `calls` are for. They may leave
   * meanwhile.
   */
  #each(action: (contender: Parked) => void, calls = -1): void {
    for (let bit = 0; bit < CALL_BITS; bit++) {
      if ((calls & (1 << bit)) === 0) continue;
      const contending = this.#contending[bit] as Parked[];
      // Starts with the last: a contender that leaves is replaced by one that has already had its
      // turn.
      for (let n = contending.length - 1; n >= 0; n--) {
        const contender = contending[n];
        if (contender !== undefined) action(contender);
      }
    }
  }
}
