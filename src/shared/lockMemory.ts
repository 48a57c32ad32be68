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

const MAGIC = 0x4c6f636b;
const VERSION = 1;

/** How many threads can use one lock at a time. */
export const SLOTS = 128;

/** How often a thread can be asked whether it is alive without doing anything for it. */
export const TOKENS = 10;
/** The token that is kept for when there is good reason to think that the thread has ended. */
export const LAST_TOKEN = TOKENS - 1;

// The header, in cells of 32 bits. The word has a cache line to itself.
const MAGIC_CELL = 0;
const VERSION_CELL = 1;
const ID = 2; // three cells
const TICKETS = 5; // the last ticket that was given out
const SLOTS_IN_USE = 6; // slots from here on have never been used
const INQUIRED_AT = 7; // when a thread last began to ask whether the owner is alive
const LOOKS = 8; // how often parked threads have looked at the word
const WORD = 16;
const HEADER_CELLS = 32;

// A slot.
const THREAD = 0; // whose it is: a thread id and one of the states below, or FREE_SLOT
const TICKET = 1; // since when it waits; 0 while it does not
const PARKED_AT = 2; // the thread parks on this cell; it changes with each wake-up
const FIRST_TOKEN = 3;
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
 * - IN_USE: the thread attached, and lives as far as anybody knows.
 * - DIED: a token said that the thread has ended. It may still be named as the owner.
 * - DIED_HOLDING: it was the owner, its lock is being taken over or was, and no caller has been told yet.
 * - CLEANING: the named thread, and no other, is making the slot of a dead one its own, or free.
 */
const FREE_SLOT = 0;
const IN_USE = 1;
const DIED = 2;
const DIED_HOLDING = 3;
const CLEANING = 4;
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
      Atomics.store(this.#cells, cell, slotState(threadId, CLEANING));
      this.#clean(slot);
      Atomics.store(this.#cells, cell, FREE_SLOT);
    }
    Atomics.and(this.#cells, WORD, ~ABANDONED);
  }

  /** How long ago, in milliseconds, a thread began to ask whether the owner is alive. */
  sinceInquiry(now: number): number {
    return Math.max((now - Atomics.load(this.#cells, INQUIRED_AT)) | 0, 0);
  }

  /** Whether it is this thread's turn to ask about the owner. One asks for all, so often at most. */
  mayInquire(now: number, intervalMilliseconds: number): boolean {
    const last = Atomics.load(this.#cells, INQUIRED_AT);
    const elapsed = (now - last) | 0;
    if (elapsed >= 0 && elapsed < intervalMilliseconds) return false;
    return Atomics.compareExchange(this.#cells, INQUIRED_AT, last, now | 0) === last;
  }

  // Presence tokens

  /**
   * Arms a token of the thread's own slot. Resolves when it was spent, and can be armed again.
   *
   * @param isFirst whether a line arms the token for the first time
   * @returns `undefined` if an asker may still be about to notify it because of the slot's last thread
   */
  armToken(
    slot: number,
    token: number,
    threadId: number,
    isFirst: boolean,
  ): Promise<unknown> | undefined {
    const cell = slotCell(slot, FIRST_TOKEN + token);
    for (;;) {
      let seen = Atomics.load(this.#cells, cell);
      if (isFirst && seen !== SPENT) return undefined;
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
   * Asks, with a token of `slot` from `first` on and before `end`, whether its thread is alive. That is so until it
   * has ended, however busy it is; but a thread that is too busy does not arm the token again.
   *
   * @param askerId the asking thread
   * @returns `undefined` if none of the tokens is armed, which says nothing
   */
  spendToken(slot: number, first: number, end: number, askerId: number): boolean | undefined {
    for (let token = first; token < end; token++) {
      const cell = slotCell(slot, FIRST_TOKEN + token);
      const armed = Atomics.load(this.#cells, cell);
      if (armed <= SPENT) continue;
      const spending = spendingBy(askerId);
      if (Atomics.compareExchange(this.#cells, cell, armed, spending) !== armed) continue;
      const isAlive = Atomics.notify(this.#cells, cell, 1) > 0;
      if (!isAlive) this.#markDied(slot, armed - armedBy(0));
      Atomics.compareExchange(this.#cells, cell, spending, SPENT);
      return isAlive;
    }
    return undefined;
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

  /** Gives a line of the calling thread a slot. @returns `undefined` if as many threads as there are slots have one and live */
  attach(threadId: number): number | undefined {
    const mine = slotState(threadId, IN_USE);
    const slot =
      this.#findSlot((thread, cell) => {
        if (thread !== FREE_SLOT) return false;
        return Atomics.compareExchange(this.#cells, cell, FREE_SLOT, mine) === FREE_SLOT;
      }) ?? this.#findSlot((_, cell, slot) => this.#reclaim(slot, cell, threadId));
    if (slot === undefined) return undefined;
    let used = Atomics.load(this.#cells, SLOTS_IN_USE);
    while (used <= slot) {
      used = Atomics.compareExchange(this.#cells, SLOTS_IN_USE, used, slot + 1);
    }
    return slot;
  }

  /** The line of `slot` has no lock object left, and no caller. Its thread lives on. */
  detach(slot: number): void {
    // A lock whose holder can no longer be reached is held for as long as the thread lives.
    if (this.owns(slot, this.read())) return;
    this.#clean(slot);
    this.decline(slot);
    this.#wake(slot);
    Atomics.store(this.#cells, slotCell(slot, THREAD), FREE_SLOT);
  }

  #findSlot(isIt: (thread: number, cell: number, slot: number) => boolean): number | undefined {
    for (let slot = 0; slot < SLOTS; slot++) {
      const cell = slotCell(slot, THREAD);
      if (isIt(Atomics.load(this.#cells, cell), cell, slot)) return slot;
    }
    return undefined;
  }

  /** Makes a dead thread's slot the calling thread's own. */
  #reclaim(slot: number, cell: number, threadId: number): boolean {
    if (this.owns(slot, this.read())) return false;
    if (stateOf(Atomics.load(this.#cells, cell)) === IN_USE) {
      this.spendToken(slot, 0, LAST_TOKEN, threadId);
    }
    const thread = Atomics.load(this.#cells, cell);
    if (stateOf(thread) !== DIED) return false;
    // It may have become the owner and died. Then its lock has to be taken over first, and its death told.
    if (this.owns(slot, this.read())) return false;
    const cleaning = slotState(threadId, CLEANING);
    if (Atomics.compareExchange(this.#cells, cell, thread, cleaning) !== thread) return false;
    this.#clean(slot);
    Atomics.store(this.#cells, cell, slotState(threadId, IN_USE));
    return true;
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
