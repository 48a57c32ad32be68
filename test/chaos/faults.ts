/** Faults that the harness must find, each a change of a place or two in the sources. */
import {edit, type Edit} from '../support/edits.js';

const WORD = 'src/shared/memory/word.ts';
const WAITERS = 'src/shared/memory/waiters.ts';
const CALLS = 'src/shared/memory/calls.ts';
const DEATHS = 'src/shared/memory/deaths.ts';
const INHERITANCE = 'src/shared/memory/inheritance.ts';
const KEY_INDEX = 'src/shared/memory/keyIndex.ts';
const CONTENDER = 'src/shared/contender.ts';
const LIVENESS = 'src/shared/liveness.ts';
const THREADS = 'src/shared/memory/threads.ts';

export const faults: Readonly<Record<string, readonly Edit[]>> = {
  'a busy owner is robbed': [
    ...edit(
      LIVENESS,
      'if (thread.hasDied) return true;',
      'if (thread.hasDied || Math.random() > 0.5) return true;',
    ),
    ...edit(DEATHS, '|| !hasDied(cells, owner)) return false;', ') return false;'),
  ],
  'who times out releases the lock': edit(
    WAITERS,
    'const wasChosen = !clearWaiting',
    'Atomics.and(entry.cells, entry.word, ~0xff);\n  const wasChosen = !clearWaiting',
  ),
  'test, then set': edit(
    WORD,
    'return Atomics.compareExchange(entry.cells, entry.word, word, replacement) === word;',
    'if (Atomics.load(entry.cells, entry.word) !== word) return false;\n  Atomics.store(entry.cells, entry.word, replacement);\n  return true;',
  ),
  'the abandoned mark is forgotten': edit(
    WORD,
    '(((word & ~STATE_MASK) + ONE_TURN) | (slot + 1) | ABANDONED | 0) as Word;',
    '(((word & ~STATE_MASK) + ONE_TURN) | (slot + 1)) as Word;',
  ),
  'not only the heir is told': edit(
    INHERITANCE,
    '    clearDeath(entry, slot);\n  }\n  clearAbandoned(entry);',
    '  }',
  ),
  'nobody is woken, and nobody looks': [
    ...edit(CALLS, '  endWaits(entry.cells, slot);', ''),
    ...edit(
      'src/shared/pollTimer.ts',
      'startTimer(milliseconds, true, () => {',
      'startTimer(1e8, true, () => {',
    ),
  ],
  'the dead are never found': [
    ...edit(LIVENESS, 'if (thread.hasDied) return true;', 'if (thread.threadId > 0) return false;'),
    // By threads that are blocked, neither.
    ...edit(
      'src/shared/ownerWatch.ts',
      'owner.hasDied ||\n      (owner.threadId !== MAIN_THREAD &&',
      '(owner.threadId < 0 &&',
    ),
  ],

  // Those that only other runtimes have, which are found with `--runtime` and that path.

  'on Deno, all threads have one number': edit(
    THREADS,
    'return 1 + (Atomics.add(cells, THREADS, 1) & (MOST_THREADS - 1));',
    'return 1;',
  ),

  // Those of locks by key, which are found with `--lock keys`.

  'nobody looks whose the entry is by now': edit(
    CONTENDER,
    'return this.#place !== undefined && !isInPlace(this.#place);',
    'return false;',
  ),
  'an entry is taken from a key that somebody holds': edit(
    KEY_INDEX,
    'isFree(word) && !hasWaiters(word) && !isAbandoned(word);',
    '!hasWaiters(word) && !isAbandoned(word);',
  ),
  'what dead threads held is taken first': [
    ...edit(
      KEY_INDEX,
      'return ownNew(cells, slot) ?? ownUsed(cells, slot);',
      `const dead = ownFirst(cells, (_, entry) => ownIfLeft(entryAt(cells, entry), slot));
  return dead ?? ownNew(cells, slot) ?? ownUsed(cells, slot);`,
    ),
    ...edit(
      KEY_INDEX,
      'if (isFree(word)) return takeFromKey(entry, take(entry, word, slot));\n  if (!isHeld',
      'if (isFree(word)) return undefined;\n  if (!isHeld',
    ),
  ],
};
