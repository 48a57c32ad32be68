/**
 * Does the thread that has a slot still exist? That is never answered by time: a thread may be busy
 * for any length of it.
 */
import {deref} from './intrinsics.js';
import {then} from '../intrinsics.js';
import {TOKENS, type Cells, type Slot} from './memory/layout.js';
import type {Attachment} from './memory/slots.js';
import type {SlotThread} from './memory/threads.js';
import {armToken, isArmedBy, rearmToken, spendToken} from './memory/tokens.js';
import {sharedNow, startTimer} from './runtime/clocks.js';
import {probeThread, threadId} from './runtime/threads.js';

/**
 * A thread that has just started may be unknown to the runtime. So the runtime is asked twice, and
 * waits this long between its first answer and the second question.
 */
const SECOND_QUESTION_MILLISECONDS = 60;

/**
 * Arms all tokens of this thread's slot, and arms each again whenever it was spent.
 *
 * @param user whoever uses the slot. The waits behind the tokens live as long as the thread, and
 *   must not keep the user from being collected.
 */
export function keepTokensArmed(
  cells: Cells,
  {slot, token: first, spent}: Attachment,
  user: WeakRef<object>,
): void {
  keepArmed(cells, slot, first, spent, user);
  rearmTokens(cells, slot, user);
}

/**
 * Arms those tokens of this thread's slot that are not, for a thread that blocks so often that its
 * event loop does not come round to that.
 */
export function rearmTokens(cells: Cells, slot: Slot, user: WeakRef<object>): void {
  for (let token = 0; token < TOKENS; token++) {
    const spent = armToken(cells, slot, token, threadId);
    if (spent !== undefined) keepArmed(cells, slot, token, spent, user);
  }
}

function keepArmed(
  cells: Cells,
  slot: Slot,
  token: number,
  spent: Promise<unknown>,
  user: WeakRef<object>,
): void {
  void then(spent, () => {
    if (deref(user) === undefined) return;
    // By `rearmTokens`. Another wait would be one too many for good.
    if (isArmedBy(cells, slot, token, threadId)) return;
    keepArmed(cells, slot, token, rearmToken(cells, slot, token, threadId), user);
  });
}

/**
 * Probes whether a thread has ended. `false` also where that cannot be found out.
 *
 * Only a token tells. The runtime knows every thread, but answers only while the main thread is not
 * blocked. It says whether a token is worth spending that is not due yet, the last one included.
 *
 * @param isUnchanged whether nothing has shown since the call that the thread lives
 */
export async function hasEnded(
  cells: Cells,
  thread: SlotThread,
  isUnchanged: () => boolean,
): Promise<boolean> {
  if (thread.hasDied) return true;
  // The main thread ends with the process.
  if (thread.threadId === 0 || thread.threadId === threadId) return false;

  const isAlive = spendToken(cells, thread.slot, threadId, sharedNow());
  if (isAlive !== undefined) return !isAlive;

  if ((await probeThread(thread.threadId)) !== 'not found') return false;
  await new Promise<void>((resolve) => startTimer(SECOND_QUESTION_MILLISECONDS, false, resolve));
  if (!isUnchanged()) return false;
  if ((await probeThread(thread.threadId)) !== 'not found') return false;
  return spendToken(cells, thread.slot, threadId, sharedNow(), true) === false;
}
