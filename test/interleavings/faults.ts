/** Faults to be planted into the sources, one at a time. Each has to be found, or the harness is worth nothing. */
import type {Edit} from './world.js';

const MEMORY = 'src/shared/lockMemory.ts';
const LINE = 'src/shared/sharedLine.ts';
const PRESENCE = 'src/shared/presence.ts';
const LINE_LOCK = 'src/line/lineLock.ts';

const edit = (file: string, find: string, replacement: string): readonly Edit[] => [
  {file, find, replacement},
];

const ACCUSE_THE_SLOT =
  'this.#markDied(slot, idOf(Atomics.load(this.#cells, slotCell(slot, THREAD))));';

const KEEP_ARMED =
  'SharedLine.#keepArmed(self, token, line.#memory.rearmToken(line.#slot, token, threadId));';

export const faults: Record<string, readonly Edit[]> = {
  // The word
  'release-does-not-notify': edit(
    MEMORY,
    'Atomics.notify(this.#cells, slotCell(slot, PARKED_AT));',
    '',
  ),
  'taking-forgets-who-waits': edit(
    MEMORY,
    'const taken = ((word & ~STATE_MASK) + ONE_TURN)',
    'const taken = ((word & ~(STATE_MASK | WAITERS)) + ONE_TURN)',
  ),
  'test-then-set': edit(
    MEMORY,
    'return Atomics.compareExchange(this.#cells, WORD, word, replacement) === word;',
    `if (Atomics.load(this.#cells, WORD) !== word) return false;
    Atomics.store(this.#cells, WORD, replacement);
    return true;`,
  ),
  'reservation-is-ownership': [
    ...edit(
      MEMORY,
      `        const taken = this.take(slot, word);
        if (taken === undefined) continue;`,
      `        const taken = isFree(word) ? this.take(slot, word) : word;
        if (taken === undefined) continue;`,
    ),
    ...edit(
      MEMORY,
      `  owns(slot: number, word: Word): boolean {
    return (word & STATE_MASK) === slot + 1;`,
      `  owns(slot: number, word: Word): boolean {
    return (word & SLOT_MASK) === slot + 1;`,
    ),
    ...edit(
      MEMORY,
      'return isFree(word) || this.isReservedFor(slot, word) ? this.take(slot, word) : undefined;',
      `if (this.isReservedFor(slot, word)) return word;
    return isFree(word) ? this.take(slot, word) : undefined;`,
    ),
  ],
  'take-over-whatever-the-turn': edit(
    MEMORY,
    `      if (!isSameTurn(word, now)) return undefined;
      // First`,
    '      // First',
  ),
  'no-second-look-for-tickets': edit(
    MEMORY,
    'if (this.#longestWaiting() !== undefined) {',
    'if (TICKETS < 0) {',
  ),
  'waits-without-the-waiting-bit': edit(
    MEMORY,
    'if (hasWaiters(word) || this.#exchange(word, word | WAITERS)) return undefined;',
    'return undefined;',
  ),

  // Waiting
  'skips-whom-it-should-not': edit(
    MEMORY,
    'if (this.#callUp(next)) return left;',
    `this.#callUp(next);
      return left;`,
  ),
  'parks-after-the-last-look': edit(
    MEMORY,
    'Atomics.waitAsync(this.#cells, slotCell(slot, PARKED_AT), wakeUps);',
    'Atomics.waitAsync(this.#cells, slotCell(slot, PARKED_AT), this.wakeUps(slot) + 0 * wakeUps);',
  ),
  'declines-without-passing-on': edit(
    MEMORY,
    'if (this.isReservedFor(slot, word)) return this.handOn(word, true);',
    'if (this.isReservedFor(slot, word)) return undefined;',
  ),
  'chosen-and-gone': edit(
    MEMORY,
    'if (!wasChosen || !isFree(word)) return undefined;',
    'return undefined;',
  ),
  'barges-past-its-own-line': edit(
    LINE,
    'if (this.holder !== undefined || this.length > 0) return 0;',
    'if (this.holder !== undefined) return 0;',
  ),
  'stays-in-line-after-its-timeout': edit(LINE_LOCK, 'this.#line.withdraw(waiter);', ''),
  'keeps-the-word-for-ever': edit(
    LINE,
    'return time - this.#contestedSince < min(',
    'return time - this.#contestedSince < Infinity * min(',
  ),
  'looks-at-the-clock-too-seldom': edit(
    LINE,
    'const time = now();\n    this.#contestedSince ??= time;',
    `const time = this.acquisition % 8 === 0 ? now() : (this.#contestedSince ?? now());
    this.#contestedSince ??= time;`,
  ),
  'waits-for-who-never-comes': edit(
    LINE,
    'if (isReserved(word)) return age >= RESERVATION_MILLISECONDS;',
    'if (isReserved(word)) return age < 0;',
  ),

  // Deaths
  'loses-the-abandoned-mark': edit(
    MEMORY,
    'this.take(slot, now, ABANDONED);',
    'this.take(slot, now);',
  ),
  'frees-without-the-abandoned-mark': edit(
    MEMORY,
    '((now & ~STATE_MASK) + ONE_TURN) | ABANDONED | 0;',
    '((now & ~STATE_MASK) + ONE_TURN) | 0;',
  ),
  'takes-over-before-writing-it-down': edit(
    MEMORY,
    'if (!this.#markDiedHolding(owner)) return undefined;',
    '',
  ),
  'forgets-the-dead-before-telling': edit(
    MEMORY,
    'tell(idOf(thread));\n',
    `Atomics.store(this.#cells, cell, slotState(threadId, PREPARING));
      tell(idOf(thread));\n`,
  ),
  'may-be-released-while-it-tells': edit(
    LINE,
    'this.holder = isAbandoned(word) ? TELLING : lock;',
    'this.holder = lock;',
  ),
  'forgets-who-waits-while-it-tells': edit(
    MEMORY,
    'Atomics.and(this.#cells, WORD, ~ABANDONED);',
    'Atomics.and(this.#cells, WORD, ~(ABANDONED | WAITERS));',
  ),
  'never-asks': edit(LINE, 'if (isDead) this.#inherit(word, owner);', ''),
  'a-used-token-is-dead': [
    ...edit(MEMORY, 'if (armed <= SPENT) return undefined;\n    const spending', 'const spending'),
    ...edit(
      MEMORY,
      'FIRST_TOKEN + token)) > SPENT) return token;',
      'FIRST_TOKEN + token)) >= SPENT) return token;',
    ),
    ...edit(MEMORY, 'this.#markDied(slot, armed - armedBy(0));', ACCUSE_THE_SLOT),
  ],
  'arms-no-token-again': edit(LINE, KEEP_ARMED, ''),
  'arms-the-second-token-once': edit(LINE, KEEP_ARMED, `if (token !== 1) ${KEEP_ARMED}`),
  'spends-tokens-at-a-steady-rate': edit(
    MEMORY,
    'SECOND_TOKEN_MILLISECONDS * 4 ** (token - 1);',
    'SECOND_TOKEN_MILLISECONDS;',
  ),
  'spends-tokens-as-often-as-it-is-asked': edit(
    MEMORY,
    'if (!this.#claimTime(slotCell(slot, ASKED_AT), now, wait)) return undefined;',
    'void [now, wait];',
  ),
  'arms-before-it-waits': edit(
    MEMORY,
    'const wait = Atomics.waitAsync(this.#cells, cell, seen);',
    `Atomics.store(this.#cells, cell, (seen = armedBy(threadId)));
      const wait = Atomics.waitAsync(this.#cells, cell, seen);`,
  ),
  'believes-what-the-runtime-says': [
    ...edit(
      PRESENCE,
      'return memory.spendToken(owner.slot, threadId, sharedNow(), true) === false;',
      'return memory.spendToken(owner.slot, threadId, sharedNow(), true) !== true;',
    ),
    ...edit(
      MEMORY,
      'return before === died || before === diedHolding;',
      `if (before !== died) Atomics.store(this.#cells, cell, diedHolding);
    return true;`,
    ),
  ],

  'verdict-on-whoever-has-the-slot': edit(
    MEMORY,
    'this.#markDied(slot, armed - armedBy(0));',
    ACCUSE_THE_SLOT,
  ),
  'uses-a-token-that-is-being-spent': edit(
    MEMORY,
    `if (Atomics.load(this.#cells, cell) !== SPENT) return undefined;
    const wait = Atomics.waitAsync(this.#cells, cell, SPENT);`,
    `const seen = Atomics.load(this.#cells, cell);
    const wait = Atomics.waitAsync(this.#cells, cell, seen);
    Atomics.compareExchange(this.#cells, cell, seen, SPENT);`,
  ),

  // Slots
  'takes-a-slot-in-use': edit(MEMORY, 'if (stateOf(thread) !== DIED) return undefined;', ''),
  'frees-a-slot-that-owns': edit(
    MEMORY,
    `    // It may have become the owner and died. Then its lock has to be taken over first, and its death told.
    if (this.owns(slot, this.read())) return undefined;
`,
    '',
  ),
  // Either of the two is enough.
  'gives-up-without-passing-on': [
    ...edit(MEMORY, 'return this.decline(slot, wasChosen);', 'return undefined;'),
    ...edit(MEMORY, 'this.decline(slot);\n    this.#wake(slot);', ''),
  ],
};
