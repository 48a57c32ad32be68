/** Does the thread that has a slot still exist? Never answered by time: a thread may be busy for any length of it. */
import type {LockMemory, Owner} from './lockMemory.js';
import {ask, sharedNow, startTimer, threadId} from './platform.js';

/**
 * A thread that was started a moment ago may not be known to the runtime yet. So the runtime is asked twice, and this
 * long is between its first answer and the second question.
 */
const SECOND_QUESTION_MILLISECONDS = 60;

/**
 * Whether the thread of `owner` has ended. `false` also where that cannot be found out.
 *
 * Only a token says that a thread has ended: then the wait behind it is gone, which nothing but the end of the thread can
 * bring about. The runtime, which knows every thread but answers only while the main thread is not blocked, says whether a
 * token is worth spending that is not due yet, the last one included.
 *
 * @param isUnchanged whether nothing has shown since the call that the thread is alive
 */
export async function hasEnded(
  memory: LockMemory,
  owner: Owner,
  isUnchanged: () => boolean,
): Promise<boolean> {
  if (owner.hasDied) return true;
  // The main thread ends with the process.
  if (owner.threadId === 0 || owner.threadId === threadId) return false;

  const isAlive = memory.spendToken(owner.slot, threadId, sharedNow());
  if (isAlive !== undefined) return !isAlive;

  if ((await ask(owner.threadId)) !== 'not found') return false;
  await new Promise<void>((resolve) => startTimer(SECOND_QUESTION_MILLISECONDS, false, resolve));
  if (!isUnchanged()) return false;
  if ((await ask(owner.threadId)) !== 'not found') return false;
  return memory.spendToken(owner.slot, threadId, sharedNow(), true) === false;
}
