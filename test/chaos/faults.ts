/** Faults that the harness must find, each a change of a place or two in the sources. */
import {edit, type Edit} from '../support/edits.js';

const WORD = 'src/shared/memory/word.ts';
const WAITERS = 'src/shared/memory/waiters.ts';
const THREADS = 'src/shared/memory/threads.ts';
const INHERITANCE = 'src/shared/memory/inheritance.ts';
const LIVENESS = 'src/shared/liveness.ts';

export const faults: Readonly<Record<string, readonly Edit[]>> = {
  'a busy owner is robbed': [
    ...edit(
      LIVENESS,
      'if (thread.hasDied) return true;',
      'if (thread.hasDied || Math.random() > 0.5) return true;',
    ),
    ...edit(
      THREADS,
      'exchangeThread(cells, slot, slotState(threadId, DIED), diedHolding) ||',
      'exchangeThread(cells, slot, readThread(cells, slot), diedHolding) ||',
    ),
  ],
  'who times out releases the lock': edit(
    WAITERS,
    'const wasChosen = Atomics',
    'Atomics.and(cells, 16, ~0xff);\n  const wasChosen = Atomics',
  ),
  'test, then set': edit(
    WORD,
    'return Atomics.compareExchange(cells, WORD, word, replacement) === word;',
    'if (Atomics.load(cells, WORD) !== word) return false;\n  Atomics.store(cells, WORD, replacement);\n  return true;',
  ),
  'the abandoned mark is forgotten': edit(
    WORD,
    '(((word & ~STATE_MASK) + ONE_TURN) | (slot + 1) | ABANDONED | 0) as Word;',
    '(((word & ~STATE_MASK) + ONE_TURN) | (slot + 1)) as Word;',
  ),
  'not only the heir is told': edit(
    INHERITANCE,
    '    freeSlot(cells, slot, threadId);\n  }\n  clearAbandoned(cells);',
    '    Atomics.store(cells, slotCell(slot, THREAD), thread);\n  }',
  ),
  'nobody is woken, and nobody looks': [
    ...edit(WAITERS, '  Atomics.notify(cells, slotCell(slot, WAKE_UPS));', ''),
    ...edit(
      'src/shared/pollTimer.ts',
      'startTimer(milliseconds, true, this.#onPoll)',
      'startTimer(1e8, true, this.#onPoll)',
    ),
  ],
  'the dead are never found': edit(
    LIVENESS,
    'if (thread.hasDied) return true;',
    'if (thread.threadId > 0) return false;',
  ),
};
