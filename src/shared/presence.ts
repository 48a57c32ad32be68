/** Does the thread that holds a lock still exist? Never answered by time: a thread may be busy for any length of it. */
import {
  LAST_TOKEN,
  TOKENS,
  isSameTurn,
  type LockMemory,
  type Owner,
  type Word,
} from './lockMemory.js';
import {ask, startTimer, threadId} from './platform.js';

/**
 * A thread that was started a moment ago may not be known to the runtime yet. So the runtime is asked twice, and this
 * long is between its first answer and the second question.
 */
const SECOND_QUESTION_MILLISECONDS = 60;

/**
 * Tokens are spent ever more rarely, so that a thread that computes, and cannot arm them again, has some left after it
 * was terminated in the middle of that: the first at any time, the second after this long, each other after four times
 * as long as the one before. The last is for the last word alone.
 */
const SECOND_TOKEN_MILLISECONDS = 400;

/**
 * Whether `owner`, who has the lock by `word`, has ended. `false` also where that cannot be found out.
 *
 * Only a token says that a thread has ended: then the wait behind it is gone, which nothing but the end of the thread can
 * bring about. The runtime, which knows every thread but answers only while the main thread is not blocked, says whether a
 * token is worth spending that is not due yet, the last one included.
 *
 * @param ownedFor for how long, in milliseconds, the calling thread has seen `word` unchanged
 */
export async function hasEnded(
  memory: LockMemory,
  word: Word,
  owner: Owner,
  ownedFor: number,
): Promise<boolean> {
  if (owner.hasDied) return true;
  // The main thread ends with the process.
  if (owner.threadId === 0 || owner.threadId === threadId) return false;

  let end = 1;
  for (let due = SECOND_TOKEN_MILLISECONDS; end < LAST_TOKEN && due <= ownedFor; due *= 4) end++;
  const isAlive = memory.spendToken(owner.slot, 0, end, threadId);
  if (isAlive !== undefined) return !isAlive;

  if ((await ask(owner.threadId)) !== 'not found') return false;
  await new Promise<void>((resolve) => startTimer(SECOND_QUESTION_MILLISECONDS, false, resolve));
  if (!isSameTurn(word, memory.read())) return false;
  if ((await ask(owner.threadId)) !== 'not found') return false;
  return memory.spendToken(owner.slot, end, TOKENS, threadId) === false;
}
