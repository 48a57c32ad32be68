/**
 * Liveness tokens: by which other threads tell a thread that has ended from one that is busy.
 *
 * A token is a wait that its thread left on a cell of its slot. Only a notification ends that wait,
 * or the end of the thread, and a busy thread's wait is found, too. So a thread that left a token,
 * and behind whose cell there is no wait, has ended. A slot has a cell with several ordinary tokens,
 * one with a spare one, in case a prober ends while it is SPENDING, and one with a token that is
 * kept for when there is good reason to think that the thread has ended. States of a cell:
 *
 * - SPENT: there may be waits or not. Says nothing about the thread.
 * - ARMED, a positive number of a thread's own and a level, a number of waits: they are there, if
 *   the thread still exists. Whoever exchanges it for their own SPENDING may end one of them.
 * - SPENDING, a negative number of a thread's own and a level: that thread probes, or frees the
 *   slot, and is about to end one wait more than that. If the slot changes hands meanwhile, its
 *   next thread does not use the cell before that is over. Otherwise that notification could end a
 *   wait of the wrong thread, which would then look dead.
 *
 * What must hold: behind a cell that a thread has armed there are at least as many waits of it as
 * the cell says. It adds waits before it says so. A prober says that there is one less before it ends
 * a wait, and gives back no more than is left.
 */
import {Atomics} from '../intrinsics.js';
import {
  LAST_TOKEN,
  SPARE_TOKEN,
  SPENT_AT,
  TOKENS,
  slotCell,
  type Cells,
  type Slot,
} from './layout.js';
import {isInUseBy, markDied} from './threads.js';
import {claimTime} from './times.js';

/** The cells of a slot that have tokens. */
export const TOKEN_CELLS = [TOKENS, SPARE_TOKEN, LAST_TOKEN] as const;
export type TokenCell = (typeof TOKEN_CELLS)[number];

/**
 * How many ordinary tokens a thread has that uses a lock. The first is due at any time, the second
 * `SECOND_TOKEN_MILLISECONDS` later, each other after four times as long as the one before. So a
 * thread that cannot arm them again, because it computes or is blocked, has some left when it ends:
 * the ninth is due after 109 minutes of silence.
 */
export const ORDINARY_TOKENS = 9;
const SECOND_TOKEN_MILLISECONDS = 300;

const LEVEL_BITS = 4;
const LEVEL_MASK = (1 << LEVEL_BITS) - 1;

/**
 * A level is how many tokens are left, of as many as a thread has that uses a lock. This one is of a
 * thread that does not yet: it has one, which is due at any time. (Each takes some microseconds to
 * arm.)
 */
export const FRESH = LEVEL_MASK;

const countOf = (level: number) => (level === FRESH ? 1 : level);
const spentOf = (level: number) => (level === FRESH ? 0 : ORDINARY_TOKENS - level);
const nextLevel = (level: number) => (level === FRESH ? 0 : level - 1);

const SPENT = 0;
export const armedBy = (threadId: number, level: number) => ((1 + threadId) << LEVEL_BITS) | level;
const armerOf = (armed: number) => (armed >> LEVEL_BITS) - 1;
const spendingBy = (threadId: number, left: number) => -(((1 + threadId) << LEVEL_BITS) | left);

/** The level to which that thread has armed a cell: so many waits are there, if it still exists. */
function levelFor(threadId: number, seen: number): number {
  if (seen > SPENT && armerOf(seen) !== threadId) return 0;
  return (seen < SPENT ? -seen : seen) & LEVEL_MASK;
}

/**
 * Arms the first token of a cell of the calling thread's own slot.
 *
 * @returns what resolves when the token was spent; `undefined` if a prober may still be about to
 *   end a wait there because of the slot's last thread
 */
export function armFirst(
  cells: Cells,
  slot: Slot,
  field: TokenCell,
  threadId: number,
): Promise<unknown> | undefined {
  const cell = slotCell(slot, field);
  if (Atomics.load(cells, cell) !== SPENT) return undefined;
  const wait = Atomics.waitAsync(cells, cell, SPENT);
  if (!wait.async) return undefined;
  // Only now that the wait is there.
  const armed = armedBy(threadId, 1);
  return Atomics.compareExchange(cells, cell, SPENT, armed) === SPENT ? wait.value : undefined;
}

/**
 * Arms as many tokens as are missing in a cell that the calling thread has armed before.
 *
 * @param level to which they are to be armed
 * @returns what resolves when they are spent, one for each
 */
export function armMissing(
  cells: Cells,
  slot: Slot,
  field: TokenCell,
  threadId: number,
  level: number,
): Promise<unknown>[] {
  const cell = slotCell(slot, field);
  const waits: Promise<unknown>[] = [];
  for (;;) {
    const seen = Atomics.load(cells, cell);
    const armedTo = levelFor(threadId, seen);
    if (armedTo === level) return waits;
    if (countOf(level) - countOf(armedTo) > waits.length) {
      const wait = Atomics.waitAsync(cells, cell, seen);
      if (wait.async) waits[waits.length] = wait.value;
    } else {
      // Also where a prober is still SPENDING: it leaves as many waits as it says.
      const armed = armedBy(threadId, level);
      if (Atomics.compareExchange(cells, cell, seen, armed) === seen) return waits;
    }
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
  const ordinary = Atomics.load(cells, slotCell(slot, TOKENS));
  const field =
    ordinary > SPENT
      ? TOKENS
      : Atomics.load(cells, slotCell(slot, SPARE_TOKEN)) > SPENT
        ? SPARE_TOKEN
        : LAST_TOKEN;
  if (!isThoughtDead) {
    if (field === LAST_TOKEN) return undefined;
    const spent = field === TOKENS ? spentOf(ordinary & LEVEL_MASK) : 1;
    const patience = spent === 0 ? 0 : SECOND_TOKEN_MILLISECONDS * 4 ** (spent - 1);
    if (!claimTime(cells, slotCell(slot, SPENT_AT), now, patience)) return undefined;
  }
  return spend(cells, slot, field, proberId);
}

function spend(cells: Cells, slot: Slot, field: TokenCell, proberId: number): boolean | undefined {
  const cell = slotCell(slot, field);
  const armed = Atomics.load(cells, cell);
  if (armed <= SPENT) return undefined;
  const threadId = armerOf(armed);
  const left = nextLevel(armed & LEVEL_MASK);
  const spending = spendingBy(proberId, left);
  if (Atomics.compareExchange(cells, cell, armed, spending) !== armed) return undefined;
  const isAlive = Atomics.notify(cells, cell, 1) > 0;
  // At once: there are only so many tokens, and this prober may end, too.
  if (!isAlive) markDied(cells, slot, threadId);
  // (Should the slot change hands just now, what is given back here counts as none of the next's.)
  const isLeft = isAlive && left > 0 && isInUseBy(cells, {slot, threadId});
  Atomics.compareExchange(cells, cell, spending, isLeft ? armedBy(threadId, left) : SPENT);
  return isAlive;
}

/** Whether only the token is left that nobody may spend without the word of the runtime. */
export function isLastTokenLeft(cells: Cells, slot: Slot): boolean {
  return (
    Atomics.load(cells, slotCell(slot, TOKENS)) <= SPENT &&
    Atomics.load(cells, slotCell(slot, SPARE_TOKEN)) <= SPENT &&
    Atomics.load(cells, slotCell(slot, LAST_TOKEN)) > SPENT
  );
}

/** Ends the waits behind the tokens of a slot that changes hands, on behalf of this thread. */
export function disarmTokens(cells: Cells, slot: Slot, threadId: number): void {
  for (const field of TOKEN_CELLS) {
    const cell = slotCell(slot, field);
    const armed = Atomics.load(cells, cell);
    if (armed <= SPENT) continue;
    const spending = spendingBy(threadId, 0);
    if (Atomics.compareExchange(cells, cell, armed, spending) !== armed) continue;
    Atomics.notify(cells, cell);
    Atomics.compareExchange(cells, cell, spending, SPENT);
  }
}
