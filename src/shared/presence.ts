/** Does the thread that holds a lock still exist? Never answered by time: a thread may be busy for any length of it. */
import {TOKENS, isSameTurn, type LockMemory, type Word} from './lockMemory.js';
import {ask, startTimer, threadId} from './platform.js';

/**
 * A thread that was started a moment ago may not be known to the runtime yet. So the runtime is asked twice, and this
 * long is between its first answer and the second question.
 */
const SECOND_QUESTION_MILLISECONDS = 60;

/**
 * Tokens are spent ever more rarely, so that a thread that computes, and cannot arm them again, has one left after it
 * was terminated in the middle of that: the first at any time, the second after this long, each other after four times
 * as long as the one before.
 */
const SECOND_TOKEN_MILLISECONDS = 400;

/**
 * Whether the thread that owns the lock by `word` has ended. `false` also where that cannot be found out.
 *
 * The token tells at once, and needs no help from any other thread. The runtime knows every thread, but answers only
 * while the main thread is not blocked.
 *
 * @param ownedFor for how long, in milliseconds, the calling thread has seen `word` unchanged
 */
export async function ownerHasEnded(
  memory: LockMemory,
  word: Word,
  ownedFor: number,
): Promise<boolean> {
  const owner = memory.ownerOf(word);
  if (owner.hasDied) return true;
  // The main thread ends with the process.
  if (owner.threadId === 0 || owner.threadId === threadId) return false;

  let tokens = 1;
  for (let due = SECOND_TOKEN_MILLISECONDS; tokens < TOKENS && due <= ownedFor; due *= 4) tokens++;
  const isAlive = memory.spendToken(owner.slot, tokens, threadId);
  if (isAlive !== undefined) return !isAlive;

  if ((await ask(owner.threadId)) !== 'not found') return false;
  await new Promise<void>((resolve) => startTimer(SECOND_QUESTION_MILLISECONDS, false, resolve));
  if (!isSameTurn(word, memory.read())) return false;
  if ((await ask(owner.threadId)) !== 'not found') return false;
  // A last word for the accused.
  return memory.spendToken(owner.slot, TOKENS, threadId) !== true;
}
