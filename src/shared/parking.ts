import {READY, outside, then} from '../intrinsics.js';
import {deref} from './intrinsics.js';
import {blockUntilCalled, isCalled, takeCalls, waitForCall} from './memory/calls.js';
import type {Cells, Entry, Slot} from './memory/layout.js';

/** Contends for one lock of the memory. */
export interface Parked {
  readonly entry: Entry;
  readonly isContending: boolean;
  /** It was called: it is to look at the word. Also where it has not contended any more. */
  answer(): void;
}

/**
 * How a thread waits for all locks of one memory at once: there is one wait, on one cell of its
 * slot, while any of its contenders contends.
 *
 * The wait cannot be taken back, so it is used again. When it ends, each contender that was called
 * answers. One that has given up since then passes on what it was called for.
 */
export class Parking {
  readonly #cells: Cells;
  readonly #slot: Slot;
  readonly #contenders: Parked[] = [];
  #isWaiting = false;
  /** Calls that were taken while the thread was blocked. */
  #unanswered = 0;

  /** A wait on the memory may outlive this, and must not keep it from being collected. */
  readonly #self = new WeakRef(this);

  constructor(cells: Cells, slot: Slot) {
    this.#cells = cells;
    this.#slot = slot;
  }

  /** `contender` answers its calls from now on, for as long as this exists. */
  add(contender: Parked): void {
    this.#contenders[this.#contenders.length] = contender;
  }

  /** Parks the thread, which has announced that it waits. */
  park(): void {
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
    if (this.#unanswered !== 0 && !this.#isWaiting) this.park();
    return isCalled(calls, entry);
  }

  #answer(): void {
    this.#isWaiting = false;
    const calls = takeCalls(this.#cells, this.#slot) | this.#unanswered;
    this.#unanswered = 0;
    for (let n = 0; n < this.#contenders.length; n++) {
      const contender = this.#contenders[n] as Parked;
      if (isCalled(calls, contender.entry)) contender.answer();
      if (contender.isContending) this.park();
    }
  }
}
