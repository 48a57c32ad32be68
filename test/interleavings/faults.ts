/** Faults to plant into the sources, one at a time. A harness that finds them can be believed. */
import {edit, type Edit} from '../support/edits.js';

const WORD = 'src/shared/memory/word.ts';
const WAITERS = 'src/shared/memory/waiters.ts';
const PARK_CELL = 'src/shared/memory/calls.ts';
const DEATHS = 'src/shared/memory/deaths.ts';
const TOKENS = 'src/shared/memory/tokens.ts';
const SLOTS = 'src/shared/memory/slots.ts';
const INHERITANCE = 'src/shared/memory/inheritance.ts';
const CONTENDER = 'src/shared/contender.ts';
const TENURE = 'src/shared/tenure.ts';
const OWNER_WATCH = 'src/shared/ownerWatch.ts';
const CALLS_CELL = 'src/shared/memory/calls.ts';
const LIVENESS = 'src/shared/liveness.ts';
const COHORT_LINE = 'src/line/cohortLine.ts';
const ENTRANCE = 'src/line/entrance.ts';
const CALLS = 'src/line/calls.ts';
const LIMITS = 'src/line/limits.ts';
const KEY_INDEX = 'src/shared/memory/keyIndex.ts';
const KEY_CONTENDER = 'src/shared/keyContender.ts';
const LOCKS_BY_KEY = 'src/shared/atomicsLocksByKey.ts';

const ACCUSE_THE_SLOT =
  'markDied(cells, slot, (Atomics.load(cells, slotCell(slot, 0)) as number) >> 2);';

const ARM_AGAIN = 'if (tokens !== undefined) tokens.#arm(field);';

export const faults: Record<string, readonly Edit[]> = {
  // The word
  'release-does-not-notify': edit(PARK_CELL, '  endWaits(entry.cells, slot);', ''),
  'taking-forgets-who-waits': edit(
    WORD,
    `const taken = (word: Word, slot: Slot) =>
  (((word & ~STATE_MASK) + ONE_TURN)`,
    `const taken = (word: Word, slot: Slot) =>
  (((word & ~(STATE_MASK | WAITERS)) + ONE_TURN)`,
  ),
  'test-then-set': edit(
    WORD,
    'return Atomics.compareExchange(entry.cells, entry.word, word, replacement) === word;',
    `if (Atomics.load(entry.cells, entry.word) !== word) return false;
  Atomics.store(entry.cells, entry.word, replacement);
  return true;`,
  ),
  'reservation-is-ownership': [
    ...edit(
      WAITERS,
      'const taken = take(entry, word, slot);',
      'const taken = isFree(word) ? take(entry, word, slot) : word;',
    ),
    ...edit(WORD, '(word & STATE_MASK) === slot + 1;', '(word & SLOT_MASK) === slot + 1;'),
    ...edit(
      WORD,
      'return isFree(word) || isReservedFor(word, slot) ? take(entry, word, slot) : undefined;',
      `if (isReservedFor(word, slot)) return word;
  return isFree(word) ? take(entry, word, slot) : undefined;`,
    ),
  ],
  'take-over-whatever-the-turn': [
    ...edit(INHERITANCE, 'if (!isSameTurn(word, now)) return undefined;', ''),
    ...edit(
      DEATHS,
      'if (!isSameTurn(word, readWord(entry)) || !hasDied(cells, owner)) return false;',
      'if (!hasDied(cells, owner)) return false;',
    ),
  ],
  'no-second-look-for-who-waits': edit(
    WAITERS,
    'if (nextWaiting(entry, after) !== undefined) {',
    'if (POLLS < 0) {',
  ),
  'waits-without-the-waiting-bit': edit(
    WAITERS,
    '} else if (markWaiters(entry, word)) return undefined;',
    '} else return undefined;',
  ),

  // Waiting
  'skips-whom-it-should-not': edit(
    WAITERS,
    'if (claimAndWake(entry, chosen)) return left;',
    `claimAndWake(entry, chosen);
    return left;`,
  ),
  'parks-though-it-was-called': edit(
    PARK_CELL,
    'Atomics.waitAsync(cells, slotCell(slot, CALLS), 0);',
    'Atomics.waitAsync(cells, slotCell(slot, CALLS), Atomics.load(cells, slotCell(slot, CALLS)));',
  ),
  'wakes-without-a-call': edit(
    PARK_CELL,
    'Atomics.or(entry.cells, slotCell(slot, CALLS), callOf(entry));',
    '',
  ),
  'declines-without-passing-on': edit(
    WAITERS,
    'if (isReservedFor(word, slot)) return handOff(entry, word);',
    'if (isReservedFor(word, slot)) return undefined;',
  ),
  'chosen-and-gone': edit(
    WAITERS,
    'if (!wasChosen || !isFree(word)) return undefined;',
    'return undefined;',
  ),
  'barges-past-its-own-line': edit(
    COHORT_LINE,
    'if (this.holder !== undefined || this.#queue.size > 0) return 0;',
    'if (this.holder !== undefined) return 0;',
  ),
  'stays-in-line-after-its-timeout': edit(ENTRANCE, 'this.line.withdraw(waiter);', ''),
  'begins-though-its-signal-aborted': edit(
    CALLS,
    'if (signal.aborted) throw abortReason(signal);',
    '',
  ),
  'keeps-the-lock-of-a-call-that-fails': edit(
    CALLS,
    '    holding.release(acquisition);\n  } catch {',
    '  } catch {',
  ),
  'forgets-the-timeout-of-a-call': edit(
    LIMITS,
    'timeoutMilliseconds === undefined ? own.deadlines : findDeadlines(timeoutMilliseconds);',
    'own.deadlines;',
  ),
  'keeps-the-word-for-ever': edit(
    TENURE,
    'return now - this.#contestedSince < min(',
    'return now - this.#contestedSince < Infinity * min(',
  ),
  'looks-at-the-clock-too-seldom': edit(
    CONTENDER,
    '(this.#tenure ??= new Tenure()).extend(now(), waiting)',
    '((this as any).n = ((this as any).n ?? 0) + 1, (this.#tenure ??= new Tenure()).extend((this as any).n % 8 === 0 ? now() : ((this as any).t ??= now()), waiting))',
  ),
  'waits-for-who-never-comes': edit(
    OWNER_WATCH,
    'return isReserved(word) && this.#ageOf(word) >= RESERVATION_MILLISECONDS;',
    'return isReserved(word) && this.#ageOf(word) < 0;',
  ),

  // Deaths
  'loses-the-abandoned-mark': edit(
    WORD,
    '(((word & ~STATE_MASK) + ONE_TURN) | (slot + 1) | ABANDONED | 0) as Word;',
    '(((word & ~STATE_MASK) + ONE_TURN) | (slot + 1)) as Word;',
  ),
  'frees-without-the-abandoned-mark': edit(
    WORD,
    '(((word & ~STATE_MASK) + ONE_TURN) | ABANDONED | 0) as Word;',
    '(((word & ~STATE_MASK) + ONE_TURN) | 0) as Word;',
  ),
  'takes-over-before-writing-it-down': edit(
    INHERITANCE,
    'if (!markDeath(entry, word, owner)) return undefined;',
    '',
  ),
  'writes-a-death-down-whenever-it-likes': edit(
    DEATHS,
    'if (Atomics.compareExchange(cells, cell, deaths, next) === deaths) return true;',
    `Atomics.or(cells, cell, bit + 0 * next);
    return true;`,
  ),
  'does-not-count-changes': [
    ...edit(DEATHS, 'const next = (deaths | bit) + ONE_CHANGE;', 'const next = deaths | bit;'),
    ...edit(DEATHS, '(deaths & ~bitOf(slot)) + ONE_CHANGE);', 'deaths & ~bitOf(slot));'),
  ],
  'forgets-the-dead-before-telling': edit(
    INHERITANCE,
    `tell(threadIdIn(readThread(entry.cells, slot)));
    clearDeath(entry, slot);`,
    `const id = threadIdIn(readThread(entry.cells, slot));
    clearDeath(entry, slot);
    tell(id);`,
  ),
  'may-be-released-while-it-tells': [
    ...edit(
      COHORT_LINE,
      'this.holder = isHeir ? TELLING : waiter.entrance;',
      'this.holder = waiter.entrance;',
    ),
    ...edit(COHORT_LINE, 'this.holder = TELLING;', 'this.holder = entrance;'),
  ],
  'forgets-who-waits-while-it-tells': edit(
    WORD,
    'Atomics.and(cells, word, ~ABANDONED);',
    'Atomics.and(cells, word, ~(ABANDONED | WAITERS));',
  ),
  'never-asks': edit(OWNER_WATCH, 'if (isDead) this.#onDeath(word, owner);', ''),
  'a-used-token-is-dead': [
    ...edit(TOKENS, 'if (armed <= SPENT) return undefined;\n  const threadId', 'const threadId'),
    ...edit(TOKENS, 'ordinary > SPENT\n      ?', 'ordinary >= SPENT\n      ?'),
    ...edit(TOKENS, 'markDied(cells, slot, threadId);', ACCUSE_THE_SLOT),
  ],
  'arms-no-token-again': edit(LIVENESS, ARM_AGAIN, ''),
  'arms-ordinary-tokens-once': edit(LIVENESS, ARM_AGAIN, `if (field !== TOKENS) ${ARM_AGAIN}`),
  'spends-the-last-token-by-itself': edit(
    TOKENS,
    'if (field === LAST_TOKEN) return undefined;',
    '',
  ),
  'spends-tokens-as-often-as-it-is-asked': edit(
    TOKENS,
    'if (!claimTime(cells, slotCell(slot, SPENT_AT), now, patience)) return undefined;',
    'void [now, patience];',
  ),
  'arms-before-it-waits': edit(
    TOKENS,
    'const wait = Atomics.waitAsync(cells, cell, seen);',
    `const early = armedBy(threadId, level);
      Atomics.store(cells, cell, early);
      const wait = Atomics.waitAsync(cells, cell, early);`,
  ),
  'believes-what-the-runtime-says': [
    ...edit(
      LIVENESS,
      'return spendToken(cells, thread.slot, ownThreadId, sharedNow(), true) === false;',
      'return spendToken(cells, thread.slot, ownThreadId, sharedNow(), true) !== true;',
    ),
    ...edit(DEATHS, '|| !hasDied(cells, owner)) return false;', ') return false;'),
  ],

  'verdict-on-whoever-has-the-slot': edit(
    TOKENS,
    'markDied(cells, slot, threadId);',
    ACCUSE_THE_SLOT,
  ),
  'uses-a-token-that-is-being-spent': edit(
    TOKENS,
    `if (Atomics.load(cells, cell) !== SPENT) return undefined;
  const wait = Atomics.waitAsync(cells, cell, SPENT);`,
    `const seen = Atomics.load(cells, cell);
  const wait = Atomics.waitAsync(cells, cell, seen);
  Atomics.compareExchange(cells, cell, seen, SPENT);`,
  ),

  'gives-back-more-tokens-than-are-left': edit(
    TOKENS,
    'isLeft ? armedBy(threadId, left) : SPENT',
    'isLeft ? armed : SPENT',
  ),
  'has-no-spare-token': edit(
    TOKENS,
    'Atomics.load(cells, slotCell(slot, SPARE_TOKEN)) > SPENT\n',
    'Atomics.load(cells, slotCell(slot, SPARE_TOKEN)) > 2 ** 31\n',
  ),

  // Blocking
  'blocks-unannounced': edit(
    CONTENDER,
    `isAnnounced = true;
      const word = announceOrTake(this.entry, this.#slot)`,
    `isAnnounced = true;
      const word = tryTake(this.entry, this.#slot)`,
  ),
  'blocks-after-it-was-called': edit(
    CALLS_CELL,
    'Atomics.wait(cells, slotCell(slot, CALLS), 0, milliseconds);',
    `const seen = Atomics.load(cells, slotCell(slot, CALLS));
  Atomics.wait(cells, slotCell(slot, CALLS), seen, milliseconds);`,
  ),
  'stays-in-line-after-it-blocked': edit(
    CONTENDER,
    `if (taken !== undefined) {
        this.#stopContending();`,
    'if (taken !== undefined) {',
  ),
  'a-blocking-heir-is-not-told': edit(
    COHORT_LINE,
    `this.#blocking = this.acquisition + 1;
      return this.#admitAtOnce(entrance);`,
    `this.holder = entrance;
      return (this.#blocking = ++this.acquisition);`,
  ),
  'hands-on-to-its-line-at-once': edit(
    COHORT_LINE,
    'if (isBlocking) return this.#handOn(false, true);',
    'if (isBlocking) return this.#admitFirst();',
  ),
  'hands-on-without-waiting': edit(
    CONTENDER,
    `announce(this.entry, this.#slot);
    // Before it may be called.`,
    '',
  ),
  'hands-on-without-parking': edit(
    CONTENDER,
    `// Before it may be called.
    this.#membership.parking.join(this);`,
    '',
  ),
  'never-asks-while-it-blocks': edit(
    CONTENDER,
    'const dead = this.#watchOwner().probeBlocking();',
    'const dead = undefined as ReturnType<OwnerWatch["probeBlocking"]>;',
  ),
  'takes-over-while-it-blocks': [
    ...edit(
      OWNER_WATCH,
      'spendToken(cells, owner.slot, this.#threadId, sharedNow()) === false);',
      'spendToken(cells, owner.slot, this.#threadId, sharedNow()) !== true);',
    ),
    ...edit(DEATHS, '|| !hasDied(cells, owner)) return false;', ') return false;'),
  ],

  // Slots
  'takes-a-slot-in-use': edit(SLOTS, 'if (threadState(thread) !== DIED) return undefined;', ''),
  'frees-a-slot-that-owns': edit(
    SLOTS,
    `  // told.
  if (isNamed(cells, slot)) return undefined;
`,
    '',
  ),
  'takes-the-slot-of-a-death-untold': edit(
    SLOTS,
    'isOwnedBy(readWord(entry), slot) || isUntold(entry, slot)',
    'isOwnedBy(readWord(entry), slot) || (isUntold(entry, slot) && slot < 0)',
  ),
  // Each of the three is enough by itself.
  'gives-up-without-passing-on': [
    ...edit(WAITERS, 'return decline(entry, slot, wasChosen);', 'return undefined;'),
    ...edit(CONTENDER, 'if (!isHeld(left)) this.#watchHandOff(left);', ''),
    ...edit(SLOTS, 'decline(entry, slot)', 'undefined'),
  ],

  // Keys
  'inserts-without-a-look': edit(KEY_INDEX, 'if (cell === own) continue;', 'continue;'),
  'makes-way-for-no-member': edit(
    KEY_INDEX,
    'const makesWay = isMember(seen) || (cell < own && isCourteous);',
    'const makesWay = cell < own && isCourteous;',
  ),
  'both-go-on': edit(
    KEY_INDEX,
    'const makesWay = isMember(seen) || (cell < own && isCourteous);',
    `if (!isMember(seen)) continue;
    const makesWay = isCourteous || isMember(seen);`,
  ),
  'becomes-a-member-whatever-the-cell': edit(
    KEY_INDEX,
    "return exchange(cells, own, tentative, member) ? placeOf(entry, own, member) : 'again';",
    `Atomics.store(cells, own, member);
  return placeOf(entry, own, member);`,
  ),
  'takes-the-entry-of-another-key': edit(
    KEY_INDEX,
    'if (hasKey(entry, hash) && isInPlace(place)) return place;',
    'if (isInPlace(place)) return place;',
  ),
  'leaves-an-entry-in-the-index': edit(
    KEY_INDEX,
    'if ((seen & NUMBER_MASK) === entry.number + 1) exchange(cells, cell, seen, 0);',
    'void seen;',
  ),
  'looks-too-early-who-waits': [
    ...edit(
      KEY_INDEX,
      `if (owned === undefined) return undefined;
  const {cells} = entry;`,
      `if (owned === undefined) return undefined;
  const awaited = isAwaited(entry);
  const {cells} = entry;`,
    ),
    ...edit(KEY_INDEX, 'if (isAwaited(entry)) {', 'if (awaited) {'),
  ],
  'keeps-an-entry-that-is-awaited': edit(
    KEY_INDEX,
    'if (isAwaited(entry)) {',
    'if (false as boolean) {',
  ),
  'does-not-count-generations': edit(
    KEY_INDEX,
    'Atomics.add(cells, word + GENERATION, 1);',
    'void [cells, word];',
  ),
  'does-not-look-at-its-cell': edit(KEY_INDEX, 'Atomics.load(cells, cell) === member && ', ''),
  'waits-where-the-lock-was': edit(
    CONTENDER,
    `// Only now that others can see that it waits.
    else if (this.hasMoved()) this.#move(true);
`,
    '',
  ),
  'blocks-where-the-lock-was': edit(
    CONTENDER,
    'if (word === undefined && this.hasMoved()) break;',
    '',
  ),
  'wins-where-the-lock-was': edit(
    CONTENDER,
    `this.#note(word);
    if (!this.hasMoved()) return true;`,
    `this.#note(word);
    if (!this.hasMoved() || SPINS > 0) return true;`,
  ),
  'takes-what-another-line-has': edit(
    CONTENDER,
    `tryTake(): boolean {
    if (this.hasMoved()) return false;`,
    'tryTake(): boolean {',
  ),
  'takes-the-bit-of-another-line': edit(
    CONTENDER,
    'if (parking.hasAnother(this)) return parking.leave(this);',
    '',
  ),
  'does-not-wait-for-room': edit(
    KEY_CONTENDER,
    `if (at !== undefined) return at.contend();
`,
    `if (at !== undefined) return at.contend();
    if (this.#key !== undefined) return;
`,
  ),
  'acquires-keys-in-any-order': edit(LOCKS_BY_KEY, 'keys.sort(compareKeys)', '(compareKeys, keys)'),
};
