/**
 * The shared lock's memory: its layout, and every atomic step on it. No other file touches it.
 *
 * All threads of a lock see one **word**, which says who owns the lock, and a **slot** for each thread,
 * which says who waits. A thread waits with a ticket in its slot, parked on a cell of its own, so that a
 * wake-up reaches exactly the thread that it is meant for.
 *
 *     word    | turn: 21 bits | ABANDONED | WAITERS | RESERVED | slot: 8 bits |
 *
 * States of the word:
 *
 * - FREE: the slot is 0. Any thread may take the lock.
 * - HELD: the slot, counted from 1, owns the lock. Only its thread may release it, and only after that thread
 *   has ended may another take it over.
 * - RESERVED: nobody owns the lock, and the slot's thread has been woken to take it. A courtesy: every
 *   thread that has watched it lie for `RESERVATION_MILLISECONDS` may take it.
 *
 * What must hold:
 *
 * - Only a compare-and-exchange of the whole word makes an owner, and each new owner is a new turn, so
 *   that whoever compares is not fooled by a word that was away and has come back.
 * - WAITERS is set while a parked thread has a ticket. Whoever clears it looks for tickets again afterwards, and sets it
 *   again if there are any.
 * - ABANDONED is set from when a dead owner's lock is taken over until its heir has been told.
 */
import {Atomics, max} from './intrinsics.js';

const MAGIC = 0x4c6f636b;
const VERSION = 2;

/** How many threads can use one lock at a time. */
export const SLOTS = 128;

/** How often a thread can be asked whether it is alive without doing anything for it. */
export const TOKENS = 10;
/** The token that is kept for when there is good reason to think that the thread has ended. */
const LAST_TOKEN = TOKENS - 1;

/**
 * Tokens are spent ever more rarely, so that a thread that cannot arm them again, because it computes or stands still, has
 * some left when it ends: the first at any time, the second this long after it, each other after four times as long as the
 * one before. That is three times as long as the thread has been silent by then; the ninth is due after 109 minutes. The last
 * is spent only if the runtime says that the thread has ended.
 */
const SECOND_TOKEN_MILLISECONDS = 300;

/**
 * How often the runtime is asked about a thread whose slot is wanted and that only the runtime can tell anything about: when
 * there is no other slot, and otherwise. What it asks a blocked thread stays in that thread's memory until it goes on.
 */
const DOUBT_MILLISECONDS = {inNeed: 1_000, inTime: 600_000};

// The header, in cells of 32 bits. The word has a cache line to itself.
const MAGIC_CELL = 0;
const VERSION_CELL = 1;
const ID = 2; // three cells
const TICKETS = 5; // the last ticket that was given out
const SLOTS_IN_USE = 6; // slots from here on have never been used
const INQUIRED_AT = 7; // when a thread last began to ask whether the owner is alive
const LOOKS = 8; // how often parked threads have looked at the word
const NEXT_RECLAIM = 9; // where the next search for the slot of a dead thread begins
const WORD = 16;
const HEADER_CELLS = 32;

// A slot.
const THREAD = 0; // whose it is: a thread id and one of the states below, or FREE_SLOT
const TICKET = 1; // since when it waits; 0 while it does not
const PARKED_AT = 2; // the thread parks on this cell; it changes with each wake-up
const FIRST_TOKEN = 3;
const ASKED_AT = FIRST_TOKEN + TOKENS; // when a token was last spent
const DOUBTED_AT = ASKED_AT + 1; // when the runtime was last asked on behalf of who needs a slot
const SLOT_CELLS = 16;

const BYTES = (HEADER_CELLS + SLOTS * SLOT_CELLS) * Int32Array.BYTES_PER_ELEMENT;

// The word.
const SLOT_MASK = 0xff;
const RESERVED = 0x100;
const WAITERS = 0x200;
const ABANDONED = 0x400;
const ONE_TURN = 0x800;
const STATE_MASK = SLOT_MASK | RESERVED;
const TURN_MASK = -ONE_TURN;

/**
 * States of a slot, beside the thread id in `THREAD`.
 *
 * - FREE_SLOT: no thread, no ticket, and no token that is armed.
 * - IN_USE: the thread attached, and lives as far as anybody knows. A token was armed before the slot got into this state.
 * - DIED: a token said that the thread has ended. It may still be named as the owner.
 * - DIED_HOLDING: it was the owner, its lock is being taken over or was, and no caller has been told yet.
 * - PREPARING: the named thread is making the slot its own, or free. It is never named as the owner, so where there is no
 *   other slot, another thread may go on with that, which then notices by its own last step. So no slot is lost with a thread
 *   that ends meanwhile.
 */
const FREE_SLOT = 0;
const IN_USE = 1;
const DIED = 2;
const DIED_HOLDING = 3;
const PREPARING = 4;
const STATE_BITS = 3;
const slotState = (threadId: number, state: number) => (threadId << STATE_BITS) | state;
const stateOf = (thread: number) => thread & ((1 << STATE_BITS) - 1);
const idOf = (thread: number) => thread >> STATE_BITS;

/**
 * States of a presence token: a wait that the thread left on the token's cell, and that ends only when it is
 * notified, or with the thread.
 *
 * - SPENT: there may be a wait or not. Says nothing about the thread.
 * - ARMED, a positive number of the thread's own: there is a wait, if the thread still exists. Whoever changes it to its own
 *   SPENDING may notify.
 * - SPENDING, a negative number of the asker's own: it is about to notify. If the slot changes hands meanwhile, its next
 *   line does not use the token, lest that notification end a wait of the wrong thread, which would then look dead.
 */
const SPENT = 0;
const armedBy = (threadId: number) => 1 + threadId;
const spendingBy = (threadId: number) => -1 - threadId;

/** The word as it was seen, to be compared and exchanged later. */
export type Word = number;

export const isFree = (word: Word) => (word & SLOT_MASK) === 0;
export const isReserved = (word: Word) => (word & RESERVED) !== 0;
export const isHeld = (word: Word) => !isFree(word) && !isReserved(word);
export const hasWaiters = (word: Word) => (word & WAITERS) !== 0;
export const isAbandoned = (word: Word) => (word & ABANDONED) !== 0;
/** Whether the same slot has the same turn; who else waits may have changed. */
export const isSameTurn = (a: Word, b: Word) => ((a ^ b) & ~(WAITERS | ABANDONED)) === 0;
/** Whether nobody else had the lock between the turns of `earlier` and `later`, both of the same owner. */
export const isOneTenure = (earlier: Word, later: Word) => {
  const turns = ((later & TURN_MASK) - (earlier & TURN_MASK)) | 0;
  return turns === 0 || turns === ONE_TURN;
};

/** What a line gets when it attaches: its slot, the first token that it has armed, and what resolves when that was spent. */
export interface Attachment {
  readonly slot: number;
  readonly token: number;
  readonly spent: Promise<unknown>;
}

export interface Owner {
  readonly slot: number;
  readonly threadId: number;
  /** Whether it was found dead already. */
  readonly hasDied: boolean;
}

export class LockMemory {
  readonly buffer: SharedArrayBuffer;
  readonly #cells: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#cells = new Int32Array(buffer);
  }

  /** A free lock in memory of its own. No two locks may have the same id. */
  static create(id: readonly [number, number, number]): LockMemory {
    const memory = new LockMemory(new SharedArrayBuffer(BYTES));
    const cells = memory.#cells;
    cells[VERSION_CELL] = VERSION;
    cells.set(id, ID);
    cells[MAGIC_CELL] = MAGIC;
    return memory;
  }

  /** Whether `buffer` is a lock's, of whichever version. */
  static isLock(buffer: SharedArrayBuffer): boolean {
    if (buffer.byteLength < HEADER_CELLS * Int32Array.BYTES_PER_ELEMENT) return false;
    return new Int32Array(buffer, 0, HEADER_CELLS)[MAGIC_CELL] === MAGIC;
  }

  static isOfThisVersion(buffer: SharedArrayBuffer): boolean {
    const version = new Int32Array(buffer, 0, HEADER_CELLS)[VERSION_CELL];
    return version === VERSION && buffer.byteLength === BYTES;
  }

  get id(): string {
    return this.#cells.slice(ID, ID + 3).join();
  }

  // The word

  read(): Word {
    return Atomics.load(this.#cells, WORD);
  }

  /** Makes `slot` the owner if the lock is free or reserved for it. @returns the word then, or `undefined` */
  tryTake(slot: number): Word | undefined {
    const word = this.read();
    return isFree(word) || this.isReservedFor(slot, word) ? this.take(slot, word) : undefined;
  }

  /** Makes `slot` the owner if the word is still `word`, whoever it names. */
  take(slot: number, word: Word, flags = 0): Word | undefined {
    const taken = ((word & ~STATE_MASK) + ONE_TURN) | (slot + 1) | flags | 0;
    return this.#exchange(word, taken) ? taken : undefined;
  }

  owns(slot: number, word: Word): boolean {
    return (word & STATE_MASK) === slot + 1;
  }

  isReservedFor(slot: number, word: Word): boolean {
    return (word & STATE_MASK) === (RESERVED | (slot + 1));
  }

  /** Frees the lock if the word is still `word`, and nobody waits by that. @returns the word then, or `undefined` */
  tryFree(word: Word): Word | undefined {
    const freed = word & ~STATE_MASK;
    return !hasWaiters(word) && this.#exchange(word, freed) ? freed : undefined;
  }

  /**
   * Gives up the ownership or the reservation that `word` shows, in favour of the thread that has waited longest,
   * which is woken. With `reserve` the lock is kept for it, otherwise it may find that another was quicker.
   *
   * @returns the word that it left; `undefined` if the word was no longer `word`, and nothing happened
   */
  handOn(word: Word, reserve: boolean): Word | undefined {
    let from = word;
    let left: Word | undefined;
    for (;;) {
      const next = this.#longestWaiting();
      const kept = from & ~(STATE_MASK | WAITERS);
      // A lapsed reservation is a turn, too, lest a second one for the same slot look as old as the first.
      const turn = isReserved(from) ? (kept + ONE_TURN) | 0 : kept;
      if (next === undefined) {
        if (!this.#exchange(from, turn)) return left;
        // Threads may have come while WAITERS was still set, and not set it again.
        if (this.#longestWaiting() !== undefined) {
          Atomics.or(this.#cells, WORD, WAITERS);
          this.wakeNext();
        }
        return turn;
      }
      const to = turn | WAITERS | (reserve ? RESERVED | (next.slot + 1) : 0);
      if (!this.#exchange(from, to)) return left;
      left = to;
      if (this.#callUp(next)) return left;
      // It withdrew before it could see that it was chosen.
      if (!reserve) {
        this.wakeNext();
        return left;
      }
      from = left;
    }
  }

  /** Wakes the thread that has waited longest, if any does. */
  wakeNext(): void {
    for (;;) {
      const next = this.#longestWaiting();
      if (next === undefined || this.#callUp(next)) return;
    }
  }

  #exchange(word: Word, replacement: Word): boolean {
    return Atomics.compareExchange(this.#cells, WORD, word, replacement) === word;
  }

  // Waiting

  /** A place in the order in which threads began to wait. */
  drawTicket(): number {
    // 0 stands for none.
    return (Atomics.add(this.#cells, TICKETS, 1) + 1) | 0 || this.drawTicket();
  }

  /**
   * Shows that `slot` waits since `ticket`, unless the lock can be taken right away.
   *
   * @returns whether it was taken: the word then, or `undefined`
   */
  wait(slot: number, ticket: number): Word | undefined {
    Atomics.store(this.#cells, slotCell(slot, TICKET), ticket);
    for (;;) {
      const word = this.read();
      if (isFree(word) || this.isReservedFor(slot, word)) {
        const taken = this.take(slot, word);
        if (taken === undefined) continue;
        return taken;
      }
      if (hasWaiters(word) || this.#exchange(word, word | WAITERS)) return undefined;
    }
  }

  /** The thread of `slot` has the lock, and waits no more. */
  stopWaiting(slot: number): void {
    Atomics.store(this.#cells, slotCell(slot, TICKET), 0);
  }

  /**
   * The thread of `slot` no longer wants to wait. Passes on what it may have been chosen for.
   *
   * @returns the word that it left to another; `undefined` if there was nothing to pass on
   */
  withdraw(slot: number, ticket: number): Word | undefined {
    const wasChosen =
      Atomics.compareExchange(this.#cells, slotCell(slot, TICKET), ticket, 0) !== ticket;
    return this.decline(slot, wasChosen);
  }

  /** The same for a thread that was woken, and that nobody in it wants the lock any more. */
  decline(slot: number, wasChosen = true): Word | undefined {
    const word = this.read();
    if (this.isReservedFor(slot, word)) return this.handOn(word, true);
    if (!wasChosen || !isFree(word)) return undefined;
    this.wakeNext();
    return word;
  }

  /** How often `slot` has been woken. */
  wakeUps(slot: number): number {
    return Atomics.load(this.#cells, slotCell(slot, PARKED_AT));
  }

  /** Resolves when `slot` is woken; `undefined` if it has been since `wakeUps`. */
  park(slot: number, wakeUps: number): Promise<unknown> | undefined {
    const wait = Atomics.waitAsync(this.#cells, slotCell(slot, PARKED_AT), wakeUps);
    return wait.async ? wait.value : undefined;
  }

  /** One more look of a parked thread. @returns how many there were, modulo 2³² */
  countLook(): number {
    return Atomics.add(this.#cells, LOOKS, 1);
  }

  countWaiting(): number {
    let count = 0;
    for (let slot = Atomics.load(this.#cells, SLOTS_IN_USE) - 1; slot >= 0; slot--) {
      if (Atomics.load(this.#cells, slotCell(slot, TICKET)) !== 0) count++;
    }
    return count;
  }

  #longestWaiting(): {slot: number; ticket: number} | undefined {
    let longest: {slot: number; ticket: number} | undefined;
    for (let slot = Atomics.load(this.#cells, SLOTS_IN_USE) - 1; slot >= 0; slot--) {
      const ticket = Atomics.load(this.#cells, slotCell(slot, TICKET));
      if (ticket === 0) continue;
      // Tickets wrap around, so that only their distance tells which is the older.
      if (longest === undefined || ((ticket - longest.ticket) | 0) < 0) longest = {slot, ticket};
    }
    return longest;
  }

  /** Takes a waiting thread out of the line and wakes it: it comes back by itself if it still has to wait. */
  #callUp({slot, ticket}: {slot: number; ticket: number}): boolean {
    const chosen =
      Atomics.compareExchange(this.#cells, slotCell(slot, TICKET), ticket, 0) === ticket;
    if (chosen) this.#wake(slot);
    return chosen;
  }

  #wake(slot: number): void {
    Atomics.add(this.#cells, slotCell(slot, PARKED_AT), 1);
    Atomics.notify(this.#cells, slotCell(slot, PARKED_AT));
  }

  // Dead owners

  /** The slot that `word` names, and the thread of it, as far as it is known. */
  ownerOf(word: Word): Owner {
    const slot = (word & SLOT_MASK) - 1;
    const thread = Atomics.load(this.#cells, slotCell(slot, THREAD));
    const hasDied = stateOf(thread) === DIED || stateOf(thread) === DIED_HOLDING;
    return {slot, threadId: idOf(thread), hasDied};
  }

  /** The thread that owns the lock now, if any does. */
  ownerThreadId(): number | undefined {
    for (;;) {
      const word = this.read();
      if (!isHeld(word)) return undefined;
      const {threadId} = this.ownerOf(word);
      // Otherwise the slot may be another thread's by now.
      if (isSameTurn(word, this.read())) return threadId;
    }
  }

  /**
   * `owner`, which has the lock by `word`, has ended: makes `slot` the owner instead, or without a slot frees the
   * lock and wakes who has waited longest. Of several threads that try, one succeeds.
   *
   * @returns the word then, or `undefined`
   */
  takeOver(word: Word, owner: Owner, slot?: number): Word | undefined {
    for (;;) {
      const now = this.read();
      if (!isSameTurn(word, now)) return undefined;
      // First it is written down that the thread died holding, so that it is known whatever happens to the heir.
      if (!this.#markDiedHolding(owner)) return undefined;
      if (slot !== undefined) {
        const taken = this.take(slot, now, ABANDONED);
        if (taken !== undefined) return taken;
      } else {
        const freed = ((now & ~STATE_MASK) + ONE_TURN) | ABANDONED | 0;
        if (!this.#exchange(now, freed)) continue;
        this.wakeNext();
        return freed;
      }
    }
  }

  #markDiedHolding({slot, threadId}: Owner): boolean {
    const cell = slotCell(slot, THREAD);
    const died = slotState(threadId, DIED);
    const diedHolding = slotState(threadId, DIED_HOLDING);
    const before = Atomics.compareExchange(this.#cells, cell, died, diedHolding);
    return before === died || before === diedHolding;
  }

  /**
   * The owner tells its caller of each thread that died as owner, and that it is told.
   *
   * @param threadId the owner's thread
   */
  tellAbandoned(threadId: number, tell: (threadId: number) => void): void {
    for (let slot = 0; slot < SLOTS; slot++) {
      const cell = slotCell(slot, THREAD);
      const thread = Atomics.load(this.#cells, cell);
      if (stateOf(thread) !== DIED_HOLDING) continue;
      tell(idOf(thread));
      // Nobody but the owner changes this state, and it stays the owner until all is told.
      Atomics.store(this.#cells, cell, slotState(threadId, PREPARING));
      this.#clean(slot);
      this.#free(slot, threadId);
    }
    Atomics.and(this.#cells, WORD, ~ABANDONED);
  }

  /** How long ago, in milliseconds, a thread began to ask whether the owner is alive. */
  sinceInquiry(now: number): number {
    return max((now - Atomics.load(this.#cells, INQUIRED_AT)) | 0, 0);
  }

  /** Whether it is this thread's turn to ask about the owner. One asks for all, so often at most. */
  mayInquire(now: number, intervalMilliseconds: number): boolean {
    return this.#claimTime(INQUIRED_AT, now, intervalMilliseconds);
  }

  // Presence tokens

  /**
   * Arms a token of the thread's own slot for the first time. Resolves when it was spent, and can be armed again.
   *
   * @returns `undefined` if an asker may still be about to notify it because of the slot's last thread
   */
  armToken(slot: number, token: number, threadId: number): Promise<unknown> | undefined {
    const cell = slotCell(slot, FIRST_TOKEN + token);
    if (Atomics.load(this.#cells, cell) !== SPENT) return undefined;
    const wait = Atomics.waitAsync(this.#cells, cell, SPENT);
    if (!wait.async) return undefined;
    // Only now that the wait is there.
    const armed = Atomics.compareExchange(this.#cells, cell, SPENT, armedBy(threadId)) === SPENT;
    return armed ? wait.value : undefined;
  }

  /** Arms a token that was spent once more. Resolves when it was spent again. */
  rearmToken(slot: number, token: number, threadId: number): Promise<unknown> {
    const cell = slotCell(slot, FIRST_TOKEN + token);
    for (;;) {
      let seen = Atomics.load(this.#cells, cell);
      const wait = Atomics.waitAsync(this.#cells, cell, seen);
      if (!wait.async) continue;
      // Only now that the wait is there. The asker that ended the last one may still be turning SPENDING into SPENT.
      while (Atomics.compareExchange(this.#cells, cell, seen, armedBy(threadId)) !== seen) {
        seen = Atomics.load(this.#cells, cell);
      }
      return wait.value;
    }
  }

  /**
   * Asks whether the thread of `slot` is alive, if a token is due. That is so until it has ended, however busy it is; but a
   * thread that is too busy does not arm the token again.
   *
   * @param askerId the asking thread
   * @param isThoughtDead whether there is good reason to think that the thread has ended: every token is due then
   * @returns `undefined` if no token is armed and due, which says nothing
   */
  spendToken(
    slot: number,
    askerId: number,
    now: number,
    isThoughtDead = false,
  ): boolean | undefined {
    const token = this.#firstArmed(slot);
    if (token === undefined) return undefined;
    if (!isThoughtDead) {
      if (token === LAST_TOKEN) return undefined;
      const wait = token === 0 ? 0 : SECOND_TOKEN_MILLISECONDS * 4 ** (token - 1);
      if (!this.#claimTime(slotCell(slot, ASKED_AT), now, wait)) return undefined;
    }
    const cell = slotCell(slot, FIRST_TOKEN + token);
    const armed = Atomics.load(this.#cells, cell);
    if (armed <= SPENT) return undefined;
    const spending = spendingBy(askerId);
    if (Atomics.compareExchange(this.#cells, cell, armed, spending) !== armed) return undefined;
    const isAlive = Atomics.notify(this.#cells, cell, 1) > 0;
    if (!isAlive) this.#markDied(slot, armed - armedBy(0));
    Atomics.compareExchange(this.#cells, cell, spending, SPENT);
    return isAlive;
  }

  #firstArmed(slot: number): number | undefined {
    for (let token = 0; token < TOKENS; token++) {
      if (Atomics.load(this.#cells, slotCell(slot, FIRST_TOKEN + token)) > SPENT) return token;
    }
    return undefined;
  }

  /** Whether `cell`, a time, is at least so long ago. Then it is `now`, and of several threads one is told so. */
  #claimTime(cell: number, now: number, milliseconds: number): boolean {
    const last = Atomics.load(this.#cells, cell);
    const elapsed = (now - last) | 0;
    if (elapsed >= 0 && elapsed < milliseconds) return false;
    return Atomics.compareExchange(this.#cells, cell, last, now | 0) === last;
  }

  /**
   * Written down at once: there are only so many tokens, and whoever asked may die, too. And of no other thread than the one
   * that armed the token: the slot may have changed hands, even back and forth.
   */
  #markDied(slot: number, threadId: number): void {
    const cell = slotCell(slot, THREAD);
    const inUse = slotState(threadId, IN_USE);
    Atomics.compareExchange(this.#cells, cell, inUse, slotState(threadId, DIED));
  }

  // Slots

  /**
   * Gives a line of the calling thread a slot.
   *
   * @param doubt is called with each thread that may have ended without anybody being able to tell, if that matters
   * @returns the slot, and its first token; `undefined` if as many threads as there are slots have one and live
   */
  attach(threadId: number, now: number, doubt: (suspect: Owner) => void): Attachment | undefined {
    const begins = Atomics.load(this.#cells, NEXT_RECLAIM);
    const attachment =
      this.#findSlot(0, (slot, thread) =>
        thread === FREE_SLOT ? this.#prepare(slot, thread, threadId) : undefined,
      ) ??
      this.#findSlot(begins, (slot) => {
        const found = this.#reclaim(slot, threadId, now, doubt);
        if (found !== undefined) Atomics.store(this.#cells, NEXT_RECLAIM, slot + 1);
        return found;
      }) ??
      this.#findSlot(0, (slot, thread) =>
        stateOf(thread) === PREPARING ? this.#prepare(slot, thread, threadId) : undefined,
      );
    if (attachment === undefined) {
      this.#findSlot(0, (slot) => this.#doubt(slot, now, DOUBT_MILLISECONDS.inNeed, doubt));
      return undefined;
    }
    let used = Atomics.load(this.#cells, SLOTS_IN_USE);
    while (used <= attachment.slot) {
      used = Atomics.compareExchange(this.#cells, SLOTS_IN_USE, used, attachment.slot + 1);
    }
    return attachment;
  }

  /** The line of `slot` has no lock object left, and no caller. Its thread lives on. */
  detach(slot: number, threadId: number): void {
    // A lock whose holder can no longer be reached is held for as long as the thread lives.
    if (this.owns(slot, this.read())) return;
    Atomics.store(this.#cells, slotCell(slot, THREAD), slotState(threadId, PREPARING));
    this.#clean(slot);
    this.decline(slot);
    this.#wake(slot);
    this.#free(slot, threadId);
  }

  #findSlot<T>(begin: number, use: (slot: number, thread: number) => T | undefined): T | undefined {
    for (let i = 0; i < SLOTS; i++) {
      const slot = (begin + i) % SLOTS;
      const found = use(slot, Atomics.load(this.#cells, slotCell(slot, THREAD)));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Makes the slot of `thread`, which is free, dead, or not prepared to its end, the calling thread's own. */
  #prepare(slot: number, thread: number, threadId: number): Attachment | undefined {
    const cell = slotCell(slot, THREAD);
    const preparing = slotState(threadId, PREPARING);
    if (Atomics.compareExchange(this.#cells, cell, thread, preparing) !== thread) return undefined;
    if (thread !== FREE_SLOT) this.#clean(slot);
    let spent: Promise<unknown> | undefined;
    let token = 0;
    // A slot without a token would be lost with its thread.
    for (; token < TOKENS && spent === undefined; token++) {
      spent = this.armToken(slot, token, threadId);
    }
    if (spent === undefined) return undefined;
    const inUse = slotState(threadId, IN_USE);
    const isMine = Atomics.compareExchange(this.#cells, cell, preparing, inUse) === preparing;
    return isMine ? {slot, token: token - 1, spent} : undefined;
  }

  /** Makes a dead thread's slot the calling thread's own. */
  #reclaim(
    slot: number,
    threadId: number,
    now: number,
    doubt: (suspect: Owner) => void,
  ): Attachment | undefined {
    if (this.owns(slot, this.read())) return undefined;
    const cell = slotCell(slot, THREAD);
    if (stateOf(Atomics.load(this.#cells, cell)) === IN_USE) {
      const isAlive = this.spendToken(slot, threadId, now);
      if (isAlive === undefined && this.#firstArmed(slot) === LAST_TOKEN) {
        this.#doubt(slot, now, DOUBT_MILLISECONDS.inTime, doubt);
      }
    }
    const thread = Atomics.load(this.#cells, cell);
    if (stateOf(thread) !== DIED) return undefined;
    // It may have become the owner and died. Then its lock has to be taken over first, and its death told.
    if (this.owns(slot, this.read())) return undefined;
    return this.#prepare(slot, thread, threadId);
  }

  /** Has the runtime asked about the thread of `slot`, if that was not done for so long. */
  #doubt(
    slot: number,
    now: number,
    intervalMilliseconds: number,
    doubt: (suspect: Owner) => void,
  ): undefined {
    const thread = Atomics.load(this.#cells, slotCell(slot, THREAD));
    if (stateOf(thread) !== IN_USE) return;
    if (!this.#claimTime(slotCell(slot, DOUBTED_AT), now, intervalMilliseconds)) return;
    doubt({slot, threadId: idOf(thread), hasDied: false});
  }

  /** Whether `slot` is in use by that thread, as far as anybody knows. */
  isInUse({slot, threadId}: Owner): boolean {
    return Atomics.load(this.#cells, slotCell(slot, THREAD)) === slotState(threadId, IN_USE);
  }

  /** Frees a slot that the calling thread has prepared for that. */
  #free(slot: number, threadId: number): void {
    const preparing = slotState(threadId, PREPARING);
    Atomics.compareExchange(this.#cells, slotCell(slot, THREAD), preparing, FREE_SLOT);
  }

  /** Ends what is left of the waits of `slot`. */
  #clean(slot: number): void {
    this.stopWaiting(slot);
    for (let token = 0; token < TOKENS; token++) {
      const cell = slotCell(slot, FIRST_TOKEN + token);
      const armed = Atomics.load(this.#cells, cell);
      if (armed <= SPENT) continue;
      const isMine = Atomics.compareExchange(this.#cells, cell, armed, SPENT) === armed;
      if (isMine) Atomics.notify(this.#cells, cell);
    }
  }
}

function slotCell(slot: number, field: number): number {
  return HEADER_CELLS + slot * SLOT_CELLS + field;
}
