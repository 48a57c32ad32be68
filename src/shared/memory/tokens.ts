/**
 * Liveness tokens, by which other threads can tell a thread that has ended from one that is busy.
 *
 * A token is a wait that a thread has left on a cell of its slot. Only two things end that wait: a
 * notification, and the end of the thread. A notification finds the wait of a busy thread, too. So
 * if a thread has left a token and there is no wait behind the cell, the thread has ended. A slot
 * has three cells with tokens: one with several ordinary tokens; one with a spare token, in case a
 * prober ends while the first cell is SPENDING; and one with a last token, which is kept until
 * there is good reason to think that the thread has ended. The states of a cell are:
 *
 * - SPENT: there may be waits or not, so the cell says nothing about the thread.
 * - ARMED: a positive number, made of the thread's number and a level, which is a number of waits.
 *   If the thread still exists, these waits are there. Whoever exchanges this for their own
 *   SPENDING may end one of them.
 * - SPENDING: a negative number, made of the number of the prober, or of the thread that frees the
 *   slot, and a level. That thread is about to end one wait, and as many as the level says are
 *   left. If the slot changes hands meanwhile, its next thread does not use the cell until that is
 *   over. Otherwise the notification could end a wait of the wrong thread, which would then look
 *   dead.
 *
 * What must hold: behind a cell that a living thread has armed, there are at least as many waits as
 * the cell says. The thread adds waits before it raises the number. A prober lowers the number
 * before it ends a wait, and gives back no more than are left.
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
 * `SECOND_TOKEN_MILLISECONDS` later, and each further one after four times as long as the one
 * before. So a thread that cannot arm its tokens again, because it computes or is blocked, still
 * has some left when it ends: the ninth is due after 109 minutes of silence.
 */
export const ORDINARY_TOKENS = 9;
const SECOND_TOKEN_MILLISECONDS = 300;

const LEVEL_BITS = 4;
const LEVEL_MASK = (1 << LEVEL_BITS) - 1;

/**
 * A level says how many ordinary tokens are left. This one is the level of a thread that does not
 * use a lock yet. It has one token, which is due at any time. (Arming a token takes some
 * microseconds.)
 */
export const FRESH = LEVEL_MASK;

const countOf = (level: number) => (level === FRESH ? 1 : level);
const spentOf = (level: number) => (level === FRESH ? 0 : ORDINARY_TOKENS - level);
const nextLevel = (level: number) => (level === FRESH ? 0 : level - 1);

const SPENT = 0;
export const armedBy = (threadId: number, level: number) => ((1 + threadId) << LEVEL_BITS) | level;
const armerOf = (armed: number) => (armed >> LEVEL_BITS) - 1;
const spendingBy = (threadId: number, left: number) => -(((1 + threadId) << LEVEL_BITS) | left);

/**
 * The level to which that thread has armed a cell. If the thread still exists, there are at least
 * as many waits.
 */
function levelFor(threadId: number, seen: number): number {
  if (seen > SPENT && armerOf(seen) !== threadId) return 0;
  return (seen < SPENT ? -seen : seen) & LEVEL_MASK;
}

/**
 * Arms the first token of a cell in the calling thread's own slot.
 *
 * @returns a promise that resolves when the token has been spent; `undefined` if a prober may still
 *   be about to end a wait there, meant for the slot's previous thread
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
 * Arms the tokens that are missing in a cell that the calling thread has armed before.
 *
 * @param level the level to reach
 * @returns for each token, a promise that resolves when it has been spent
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
      // Even if a prober is still SPENDING, because it leaves as many waits as the cell says.
      const armed = armedBy(threadId, level);
      if (Atomics.compareExchange(cells, cell, seen, armed) === seen) return waits;
    }
  }
}

/**
 * Probes whether the thread of `slot` lives, if a token is due. A thread that lives arms the token
 * again as soon as it is not too busy.
 *
 * @param isThoughtDead whether there is good reason to think that the thread has ended. Then every
 *   token is due.
 * @returns whether the thread lives, or `undefined` if no token is armed and due
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
  // At once, because this prober may end, too, and there are only so many tokens.
  if (!isAlive) markDied(cells, slot, threadId);
  // (If the slot changes hands at this moment, tokens that are given back here do not count for its
  // next thread.)
  const isLeft = isAlive && left > 0 && isInUseBy(cells, {slot, threadId});
  Atomics.compareExchange(cells, cell, spending, isLeft ? armedBy(threadId, left) : SPENT);
  return isAlive;
}

/**
 * Whether only the last token is left, which nobody may spend before the runtime says that the
 * thread is gone.
 */
export function isLastTokenLeft(cells: Cells, slot: Slot): boolean {
  return (
    Atomics.load(cells, slotCell(slot, TOKENS)) <= SPENT &&
    Atomics.load(cells, slotCell(slot, SPARE_TOKEN)) <= SPENT &&
    Atomics.load(cells, slotCell(slot, LAST_TOKEN)) > SPENT
  );
}

/**
 * Ends the waits behind the tokens of a slot that changes hands. `threadId` is that of the calling
 * thread.
 */
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
