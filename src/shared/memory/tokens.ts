/**
 * Liveness tokens: by which other threads tell a thread that has ended from one that is busy.
 *
 * A token is a wait that its thread left on the token's cell. Only a notification ends that wait,
 * or the end of the thread, and a busy thread's wait is found, too. So a thread whose token was
 * armed, and behind which there is no wait, has ended. States of the cell:
 *
 * - SPENT: there may be a wait or not. Says nothing about the thread.
 * - ARMED, a positive number of the thread's own: there is a wait, if the thread still exists.
 *   Whoever exchanges it for their own SPENDING may notify.
 * - SPENDING, a negative number of a thread's own: that thread probes, or frees the slot, and is
 *   about to notify. If the slot changes hands meanwhile, its next thread does not use the token.
 *   Otherwise that notification could end a wait of the wrong thread, which would then look dead.
 */
import {Atomics} from '../intrinsics.js';
import {FIRST_TOKEN, SPENT_AT, TOKENS, slotCell, type Cells, type Slot} from './layout.js';
import {markDied} from './threads.js';
import {claimTime} from './times.js';

const SPENT = 0;
const armedBy = (threadId: number) => 1 + threadId;
const spendingBy = (threadId: number) => -1 - threadId;

/** The token that is kept for when there is good reason to think that the thread has ended. */
const LAST_TOKEN = TOKENS - 1;

/**
 * The first token is due at any time, each other this long after the one before, and the last only
 * if the runtime says that the thread has ended. So a thread that cannot arm them again, because it
 * computes or stands still, can be asked twice without a word of the runtime.
 */
const SECOND_TOKEN_MILLISECONDS = 300;

/**
 * Arms a token of the thread's own slot for the first time.
 *
 * @returns what resolves when the token was spent; `undefined` if a prober may still be about to
 *   notify it because of the slot's last thread
 */
export function armToken(
  cells: Cells,
  slot: Slot,
  token: number,
  threadId: number,
): Promise<unknown> | undefined {
  const cell = slotCell(slot, FIRST_TOKEN + token);
  if (Atomics.load(cells, cell) !== SPENT) return undefined;
  const wait = Atomics.waitAsync(cells, cell, SPENT);
  if (!wait.async) return undefined;
  // Only now that the wait is there.
  const isArmed = Atomics.compareExchange(cells, cell, SPENT, armedBy(threadId)) === SPENT;
  return isArmed ? wait.value : undefined;
}

/** Arms a token again that was spent. @returns what resolves when it was spent once more */
export function rearmToken(
  cells: Cells,
  slot: Slot,
  token: number,
  threadId: number,
): Promise<unknown> {
  const cell = slotCell(slot, FIRST_TOKEN + token);
  for (;;) {
    let seen = Atomics.load(cells, cell);
    const wait = Atomics.waitAsync(cells, cell, seen);
    if (!wait.async) continue;
    // Only now that the wait is there. The prober that ended the last one may still be exchanging
    // SPENDING for SPENT.
    while (Atomics.compareExchange(cells, cell, seen, armedBy(threadId)) !== seen) {
      seen = Atomics.load(cells, cell);
    }
    return wait.value;
  }
}

/**
 * Probes whether the thread of `slot` lives, if a token is due. A thread that lives arms the token
 * again, once it is not too busy for that.
 *
 * @param isThoughtDead whether there is good reason to think that the thread has ended: then every
 *   token is due
 * @returns `undefined` if no token is armed and due, which says nothing
 */
export function spendToken(
  cells: Cells,
  slot: Slot,
  proberId: number,
  now: number,
  isThoughtDead = false,
): boolean | undefined {
  const token = firstArmed(cells, slot);
  if (token === undefined) return undefined;
  if (!isThoughtDead) {
    if (token === LAST_TOKEN) return undefined;
    const wait = token === 0 ? 0 : SECOND_TOKEN_MILLISECONDS;
    if (!claimTime(cells, slotCell(slot, SPENT_AT), now, wait)) return undefined;
  }
  const cell = slotCell(slot, FIRST_TOKEN + token);
  const armed = Atomics.load(cells, cell);
  if (armed <= SPENT) return undefined;
  const spending = spendingBy(proberId);
  if (Atomics.compareExchange(cells, cell, armed, spending) !== armed) return undefined;
  const isAlive = Atomics.notify(cells, cell, 1) > 0;
  // At once: there are only so many tokens, and this prober may end, too.
  if (!isAlive) markDied(cells, slot, armed - armedBy(0));
  Atomics.compareExchange(cells, cell, spending, SPENT);
  return isAlive;
}

function firstArmed(cells: Cells, slot: Slot): number | undefined {
  for (let token = 0; token < TOKENS; token++) {
    if (Atomics.load(cells, slotCell(slot, FIRST_TOKEN + token)) > SPENT) return token;
  }
  return undefined;
}

/** Whether only the token is left that nobody may spend without the word of the runtime. */
export function isLastTokenLeft(cells: Cells, slot: Slot): boolean {
  return firstArmed(cells, slot) === LAST_TOKEN;
}

/** Ends the waits behind the tokens of a slot that changes hands, on behalf of this thread. */
export function disarmTokens(cells: Cells, slot: Slot, threadId: number): void {
  for (let token = 0; token < TOKENS; token++) {
    const cell = slotCell(slot, FIRST_TOKEN + token);
    const armed = Atomics.load(cells, cell);
    if (armed <= SPENT) continue;
    const spending = spendingBy(threadId);
    if (Atomics.compareExchange(cells, cell, armed, spending) !== armed) continue;
    Atomics.notify(cells, cell);
    Atomics.compareExchange(cells, cell, spending, SPENT);
  }
}
