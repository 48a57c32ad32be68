/**
 * Finds out whether the thread that has a slot still exists. Time never answers that: a thread may
 * be busy for any length of time.
 */
import {deref} from './intrinsics.js';
import {outside, then} from '../intrinsics.js';
import {SLOTS, TOKENS, type Cells, type Slot} from './memory/layout.js';
import type {Attachment} from './memory/slots.js';
import {isInUse, isInUseBy, readThread, threadIdIn, type SlotThread} from './memory/threads.js';
import {claimProbe} from './memory/times.js';
import {
  FRESH,
  ORDINARY_TOKENS,
  TOKEN_CELLS,
  armFirst,
  armMissing,
  spendToken,
  type TokenCell,
} from './memory/tokens.js';
import {sharedNow, startTimer} from './runtime/clocks.js';
import {runtime} from './runtime/current.js';

/** The main thread, which ends with the process. */
export const MAIN_THREAD = 0;

/**
 * The runtime may not know a thread yet that has just started. So it is asked twice, with this much
 * time between its first answer and the second question.
 */
const SECOND_QUESTION_MILLISECONDS = 60;

/**
 * Keeps the tokens of this thread's slot armed: it arms them again whenever they were spent.
 *
 * The wait behind a token lives as long as the thread. It does not prevent this object from being
 * collected.
 */
export class Tokens {
  readonly #cells: Cells;
  readonly #slot: Slot;
  readonly #threadId: number;
  /** The cells that this thread has armed. */
  readonly #armed: TokenCell[];
  /** The level to which the ordinary tokens are armed. */
  #level = FRESH;
  readonly #self = new WeakRef(this);

  constructor(cells: Cells, {slot, threadId, field, spent}: Attachment) {
    this.#cells = cells;
    this.#slot = slot;
    this.#threadId = threadId;
    this.#armed = [field];
    this.#watch(field, spent);
    this.#armAgain();
  }

  /** Arms all tokens when the thread first uses a lock. */
  armFirstTime(): void {
    if (this.#level !== ORDINARY_TOKENS) this.armAll();
  }

  /**
   * For a thread that uses a lock: arms all tokens, including those that were spent. (A thread that
   * has only made a lock has few tokens, because each takes some microseconds to arm.)
   */
  armAll(): void {
    this.#level = ORDINARY_TOKENS;
    outside(() => this.#armAgain());
  }

  #armAgain(): void {
    for (const field of TOKEN_CELLS) {
      if (this.#armed.includes(field)) continue;
      const spent = armFirst(this.#cells, this.#slot, field, this.#threadId);
      if (spent === undefined) continue;
      this.#armed[this.#armed.length] = field;
      this.#watch(field, spent);
    }
    for (const field of this.#armed) this.#arm(field);
  }

  #arm(field: TokenCell): void {
    const level = field === TOKENS ? this.#level : 1;
    const waits = armMissing(this.#cells, this.#slot, field, this.#threadId, level);
    for (let n = 0; n < waits.length; n++) this.#watch(field, waits[n] as Promise<unknown>);
  }

  #watch(field: TokenCell, spent: Promise<unknown>): void {
    const self = this.#self;
    void then(spent, () => {
      const tokens = deref(self);
      if (tokens !== undefined) tokens.#arm(field);
    });
  }
}

/**
 * Probes whether a thread has ended. The answer is also `false` if that cannot be found out.
 *
 * Only a token proves that. The runtime knows every thread, but it answers only while the main
 * thread is not blocked. So its answer only tells whether it is worth spending a token that is not
 * due yet, or even the last one.
 *
 * @param ownThreadId the number of this thread in the memory
 * @param isUnchanged returns `false` if something has shown since the call that the thread lives
 */
export async function hasEnded(
  cells: Cells,
  thread: SlotThread,
  ownThreadId: number,
  isUnchanged: () => boolean,
): Promise<boolean> {
  if (thread.hasDied) return true;
  if (thread.threadId === MAIN_THREAD || thread.threadId === ownThreadId) return false;

  const isAlive = spendToken(cells, thread.slot, ownThreadId, sharedNow());
  if (isAlive !== undefined) return !isAlive;

  if ((await runtime.probeThread(thread.threadId)) !== 'not found') return false;
  await new Promise<void>((resolve) => startTimer(SECOND_QUESTION_MILLISECONDS, false, resolve));
  if (!isUnchanged()) return false;
  if ((await runtime.probeThread(thread.threadId)) !== 'not found') return false;
  return spendToken(cells, thread.slot, ownThreadId, sharedNow(), true) === false;
}

/** How often all threads are probed, at most, while there is no room. */
const PROBE_ALL_MILLISECONDS = 200;

/** Finds out which threads have ended, so that others can use what they had. */
export function probeAll(cells: Cells, ownThreadId: number): void {
  for (let slot = 0 as Slot; slot < SLOTS; slot++) {
    if (!isInUse(cells, slot)) continue;
    if (!claimProbe(cells, slot, sharedNow(), PROBE_ALL_MILLISECONDS)) continue;
    const thread = {slot, threadId: threadIdIn(readThread(cells, slot)), hasDied: false};
    void outside(() => hasEnded(cells, thread, ownThreadId, () => isInUseBy(cells, thread)));
  }
}
