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

/** Contends for one lock of the memory. */
export interface Parked {
  readonly entry: Entry;
  /** Its index among those who contend; `undefined` while it does not. `Parking` alone sets it. */
  parkedAt: number | undefined;
  /** It was called: it is to look at the word. */
  answer(): void;
  /** Nobody has called it for some time. */
  poll(): void;
  /** After how many milliseconds it has to poll, if that is soon. */
  readonly pollDelay: number | undefined;
  /** How long ago a thread last probed the owner of its lock. */
  millisecondsSinceProbe(): number;
}

/**
 * How a thread waits for all locks of one memory at once: there is one wait, on one cell of its
 * slot, and one timer, while any of its contenders contends.
 *
 * The wait cannot be taken back, so it is used again. When it ends, each contender that was called
 * answers. (One that contends no more has passed on what it was called for.)
 */
export class Parking {
  readonly #cells: Cells;
  readonly #slot: Slot;
  /** Those who contend, by the bit of their calls. */
  readonly #contending: Parked[][] = [];
  #size = 0;
  readonly #pollTimer: PollTimer;
  #isWaiting = false;
  /** Calls that were taken while the thread was blocked. */
  #unanswered = 0;

  /** A wait on the memory may outlive this, and must not keep it from being collected. */
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

  /** `contender` does not wait, or no longer. */
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

  /** Whether another line of the thread contends at the same entry, and is shown by the same bit. */
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
   * Blocks the thread until the contender of `entry` is called, for so long at most. Others that are
   * called meanwhile answer later.
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

  /** Calls `action` for each that contends, or for those that `calls` are for. They may leave. */
  #each(action: (contender: Parked) => void, calls = -1): void {
    for (let bit = 0; bit < CALL_BITS; bit++) {
      if ((calls & (1 << bit)) === 0) continue;
      const contending = this.#contending[bit] as Parked[];
      // From the last: who leaves is replaced by one that has had its turn.
      for (let n = contending.length - 1; n >= 0; n--) {
        const contender = contending[n];
        if (contender !== undefined) action(contender);
      }
    }
  }
}
