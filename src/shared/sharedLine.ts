import {
  heldElsewhereError,
  nothingHeldError,
  type LockError,
  type LockTimeoutDetails,
} from '../errors.js';
import {READY, nativeThen, outside, then} from '../intrinsics.js';
import {Line} from '../line/line.js';
import type {LineLock} from '../line/lineLock.js';
import type {Waiter} from '../line/waiter.js';
import {
  TOKENS,
  hasWaiters,
  isAbandoned,
  isFree,
  isHeld,
  isOneTenure,
  isReserved,
  isSameTurn,
  type Attachment,
  type LockMemory,
  type Owner,
  type Word,
} from './lockMemory.js';
import {
  currentContext,
  now,
  pause,
  reportUncaught,
  sharedNow,
  startTimer,
  stopTimer,
  threadId,
  type Timer,
} from './platform.js';
import {deref, max, min, random} from './intrinsics.js';
import {hasEnded} from './presence.js';

/** Looks at a taken word before parking. Less than parking and being woken costs, by far. */
const SPINS = 50;

/**
 * How long a thread keeps the lock for its own line while other threads wait: longer for a long line, whose callers wait
 * for long in any case.
 */
const KEEP_MILLISECONDS = {least: 1, perWaiter: 0.03, most: 3};

/** How long a thread that was woken to take the lock has for that before others may. */
const RESERVATION_MILLISECONDS = 5;

/** An owner that has not changed for this long is asked after, by callers who do not wait that long themselves. */
const SUSPICIOUS_MILLISECONDS = 100;

/**
 * All threads together ask after an owner this often: more seldom, the longer it has been alive so far. What the runtime asks a
 * blocked thread stays in that thread's memory until it goes on.
 */
const INQUIRY_MILLISECONDS = {least: 200, most: 700};
const INQUIRIES_PER_AGE = 50;

/**
 * A parked thread looks at the word this often, the more seldom the more threads do. Threads count by their looks, not by
 * their tickets: one that is dead or blocked is no help. `lastOfMany`, from when the owner was last asked after, is for the one
 * that is left when all others are gone at once. Where they were more than forty, it takes longer.
 */
const LOOK_MILLISECONDS = {least: 100, perThread: 72, lastOfMany: 2900};

/** How much of the interval the next look may come earlier, at random. */
const LITTLE = 0.05;
const ANYWHERE = 1;

/** The object of whoever holds the lock, as the line of another copy of this package may see it. */
interface Told {
  readonly onAbandoned: ((info: {threadId: number}) => void) | undefined;
}

/**
 * The holder of an abandoned lock until `onAbandoned` has run: the heir's acquisition cannot be released, nor another admitted,
 * before all is told.
 */
const TELLING = Object.create(null) as LineLock;

/** Calls in the async contexts of those who wait and may have to be told of a death. */
const callerContexts = new WeakMap<Waiter, (action: () => void) => void>();
const inPlace = (action: () => void): void => action();

/**
 * The line of one thread for a lock in shared memory. Its first waiter competes with those of the other threads for the
 * shared word; while this thread has the word, it is passed along the line.
 *
 * The line is always in one of these states:
 *
 * - idle: no holder, nobody in line.
 * - holding: a `holder`. This thread owns the word.
 * - competing: no holder, somebody in line. The thread is parked, and looks at the word now and then; it stays alive.
 *
 * Passing the lock inside a thread costs next to nothing and waking another thread a lot, so a thread keeps the word for
 * its own line for a while although others wait: lock cohorting (Dice, Marathe and Shavit, "Lock Cohorting", ACM TOPC 2015).
 */
export class SharedLine extends Line {
  readonly #memory: LockMemory;
  readonly #slot: number;

  /** What waits on the memory, for as long as the thread lives, must not keep an unused line from being collected. */
  readonly #self = new WeakRef(this);

  /**
   * Since when this thread competes, in the order of all; kept until it has the word or nobody is in line. 0 while it does not
   * compete.
   */
  #ticket = 0;
  /** Whether there is a wait on this thread's cell. It cannot be taken back, so it is there for the next time, too. */
  #isParked = false;
  #lookTimer: Timer | undefined;
  #lookInterval = LOOK_MILLISECONDS.least;
  /** How many looks of all threads there were when this one last looked; `undefined` before it has. */
  #looks: number | undefined;

  /** Since when this thread has had the word while others waited, with nobody else in between. */
  #contestedSince: number | undefined;

  /** The word when this thread last took it, and when it last freed it with nobody waiting. */
  #lastOwned: Word = 0;
  #lastFreed: Word = 0;

  /** A word that this thread left to others, and will hand on if it finds it still the same. */
  #left: Word = 0;
  #leftTimer: Timer | undefined;

  /** The word as this thread last saw it in the hand of others, and since when. */
  #seen: Word = 0;
  #seenSince = 0;
  #isInquiring = false;

  /** Called outside of any caller's async context, which the waits behind the tokens would keep. */
  constructor(memory: LockMemory, {slot, token, spent}: Attachment) {
    super();
    this.#memory = memory;
    this.#slot = slot;
    SharedLine.#keepArmed(this.#self, token, spent);
    for (let other = 0; other < TOKENS; other++) {
      if (other === token) continue;
      const otherSpent = memory.armToken(slot, other, threadId);
      if (otherSpent !== undefined) SharedLine.#keepArmed(this.#self, other, otherSpent);
    }
  }

  static #keepArmed(self: WeakRef<SharedLine>, token: number, spent: Promise<unknown>): void {
    void then(spent, () => {
      const line = deref(self);
      if (line === undefined) return;
      SharedLine.#keepArmed(self, token, line.#memory.rearmToken(line.#slot, token, threadId));
    });
  }

  override isTaken(): boolean {
    if (this.holder !== undefined) return true;
    const word = this.#memory.read();
    return !isFree(word) && !this.#isForsaken(word);
  }

  override tryEnter(lock: LineLock): number {
    if (this.holder !== undefined || this.length > 0) return 0;
    const word =
      // The common case, in one step: nobody has touched the word since this thread freed it.
      this.#memory.take(this.#slot, this.#lastFreed) ?? this.#spin() ?? this.#takeFromTheAbsent();
    if (word === undefined) return 0;
    try {
      this.#hold(lock, word);
      if (isAbandoned(word)) this.#tell(lock, inPlace);
    } catch (error) {
      this.holder = undefined;
      void nativeThen.call(READY, this.#putRight);
      throw error;
    }
    return this.acquisition;
  }

  override join(waiter: Waiter): void {
    const {onAbandoned} = waiter.lock as unknown as Told;
    if (onAbandoned !== undefined) callerContexts.set(waiter, currentContext());
    super.join(waiter);
    if (this.holder !== undefined || this.length > 1) return;
    try {
      this.#compete();
    } catch {
      void nativeThen.call(READY, this.#putRight);
    }
  }

  override withdraw(waiter: Waiter): void {
    super.withdraw(waiter);
    this.#stopCompeting();
  }

  override tidy(): void {
    super.tidy();
    this.#stopCompeting();
  }

  /** If nobody is in line any more. */
  #stopCompeting(): void {
    if (this.holder !== undefined || this.length > 0) return;
    this.#stopLooking();
    const left = this.#memory.withdraw(this.#slot, this.#ticket) ?? this.#memory.read();
    // Also what is reserved for another thread: this may be the one that reserved it, and has just stopped to look.
    if (!isHeld(left)) this.#lookAfter(left);
    this.#ticket = 0;
  }

  override leave(): void {
    if (this.length === 0) {
      // The common case, in one step: nobody waits here, and nobody elsewhere since this thread took the word.
      const freed = this.#memory.tryFree(this.#lastOwned);
      if (freed !== undefined) {
        this.holder = undefined;
        this.#lastFreed = freed;
        return;
      }
    }
    const word = this.#memory.read();
    if (!this.#memory.owns(this.#slot, word)) {
      throw new Error('The shared lock was taken from a thread that held it. Please report this.');
    }
    const mayKeep = !hasWaiters(word) || this.#mayKeep();
    this.holder = undefined;
    try {
      if (mayKeep && this.length > 0) this.#admitFirst(word);
      else this.#leaveToOthers(mayKeep);
    } catch {
      void nativeThen.call(READY, this.#putRight);
    }
  }

  override timeoutDetails(): LockTimeoutDetails {
    return {ownerThreadId: this.#memory.ownerThreadId()};
  }

  override notHeldError(_lock: LineLock): LockError {
    if (this.holder !== undefined) {
      return heldElsewhereError(
        'another lock object of this thread holds it. Release it through that one',
      );
    }
    const id = this.#memory.ownerThreadId();
    if (id === undefined) return nothingHeldError();
    return heldElsewhereError(`thread ${id} holds it. Only that thread can release it`);
  }

  override describe(): string {
    const id = this.#memory.ownerThreadId();
    return id === undefined ? 'free' : `held by thread ${id}`;
  }

  #hold(lock: LineLock, word: Word): void {
    this.holder = isAbandoned(word) ? TELLING : lock;
    this.acquisition++;
    if (this.#contestedSince !== undefined && !isOneTenure(this.#lastOwned, word)) {
      this.#contestedSince = undefined;
    }
    this.#lastOwned = word;
  }

  #admitFirst(word: Word): void {
    const waiter = this.first;
    if (waiter === undefined) throw new Error('The line is empty. Please report this.');
    this.#hold(waiter.lock, word);
    const {acquisition} = this;
    try {
      super.withdraw(waiter);
      waiter.admit(acquisition);
    } catch {
      void nativeThen.call(READY, () => this.admitLate(waiter, acquisition));
    }
    if (isAbandoned(word)) this.#tell(waiter.lock, callerContexts.get(waiter) ?? inPlace);
  }

  /**
   * What a thread that was killed in the middle of its work left behind is its heir's to look at, before anything else. The heir
   * has been admitted, and its code goes on in a later microtask. It is told in the async context of its own call.
   */
  #tell(lock: LineLock, inContext: (action: () => void) => void): void {
    const {onAbandoned} = lock as unknown as Told;
    this.#memory.tellAbandoned(threadId, (id) =>
      inContext(() => {
        try {
          onAbandoned?.({threadId: id});
        } catch (error) {
          reportUncaught(error);
        }
      }),
    );
    this.holder = lock;
    this.#lastOwned = this.#memory.read();
  }

  /** Does what a step that ran out of stack has left undone. Called in a microtask, by `then`, which needs no room itself. */
  readonly #putRight = (): void => {
    if (this.holder !== undefined) return;
    const word = this.#memory.read();
    if (!this.#memory.owns(this.#slot, word)) {
      if (this.length > 0) this.#compete();
      else if (!isHeld(word)) this.#lookAfter(word);
    } else if (this.length > 0) this.#admitFirst(word);
    else this.#leaveToOthers(true);
  };

  /**
   * Releases the word, which others wait for, and wakes the one that has waited longest.
   *
   * @param mayBarge whether a thread that is quicker may have it, this one for example; in fairness, the woken one must
   */
  #leaveToOthers(mayBarge: boolean): void {
    if (!mayBarge) this.#contestedSince = undefined;
    let left: Word | undefined;
    // Fails if another begins to wait in between.
    do left = this.#memory.handOn(this.#memory.read(), !mayBarge);
    while (left === undefined);
    if (this.length > 0) this.#compete();
    else this.#lookAfter(left);
  }

  /**
   * Whether this thread has not yet had the word for long while others waited. Each time by the clock: what goes on in a
   * section that has just become slow cannot be told from those before it.
   */
  #mayKeep(): boolean {
    const time = now();
    this.#contestedSince ??= time;
    const {least, perWaiter, most} = KEEP_MILLISECONDS;
    return time - this.#contestedSince < min(max(least, perWaiter * this.length), most);
  }

  // Competing for the word

  /** Takes the word if it can be taken soon. */
  #spin(): Word | undefined {
    for (let look = 0; look < SPINS; look++) {
      const word = this.#memory.tryTake(this.#slot);
      if (word !== undefined) return word;
      pause();
    }
    return undefined;
  }

  /** Takes the word if it can be taken, otherwise parks until it is woken. */
  #compete(): void {
    const memory = this.#memory;
    if (this.#ticket === 0) this.#ticket = memory.drawTicket();
    for (;;) {
      // Before the last look at the word: who changes that later wakes this thread.
      const wakeUps = memory.wakeUps(this.#slot);
      const word = memory.wait(this.#slot, this.#ticket) ?? this.#takeFromTheAbsent();
      if (word !== undefined) {
        this.#win(word);
        return;
      }
      if (this.#isParked) break;
      if (!outside(() => this.#park(wakeUps))) continue;
      this.#isParked = true;
      break;
    }
    this.#looks = undefined;
    this.#lookInterval = LOOK_MILLISECONDS.least;
    this.#lookLater();
  }

  /** @returns `false` if this thread has been woken since `wakeUps` */
  #park(wakeUps: number): boolean {
    const woken = this.#memory.park(this.#slot, wakeUps);
    if (woken === undefined) return false;
    const self = this.#self;
    void then(woken, () => SharedLine.#wake(self));
    return true;
  }

  #win(word: Word): void {
    this.#memory.stopWaiting(this.#slot);
    this.#ticket = 0;
    this.#stopLooking();
    this.#admitFirst(word);
  }

  static #wake(self: WeakRef<SharedLine>): void {
    const line = deref(self);
    if (line === undefined) return;
    line.#isParked = false;
    if (line.holder !== undefined) return;
    if (line.length === 0) {
      const left = line.#memory.decline(line.#slot);
      if (left !== undefined) line.#lookAfter(left);
      return;
    }
    const word = line.#spin();
    if (word === undefined) line.#compete();
    else line.#win(word);
  }

  // When nobody wakes anybody: the owner has died, or the thread that was to take the word or to hand it on is busy or dead

  /** While the thread competes, it looks at the word now and then. This timer is also what keeps it alive. */
  #lookLater(spread = LITTLE): void {
    this.#stopLooking();
    const delay = isReserved(this.#seen)
      ? RESERVATION_MILLISECONDS
      : this.#lookInterval * (1 - spread * random());
    this.#lookTimer = startTimer(delay, true, () => this.#look());
  }

  #stopLooking(): void {
    if (this.#lookTimer !== undefined) stopTimer(this.#lookTimer);
    this.#lookTimer = undefined;
  }

  #look(): void {
    // With its ticket again, in case it was chosen by a thread that died before it woke this one.
    const word = this.#memory.wait(this.#slot, this.#ticket) ?? this.#takeFromTheAbsent();
    if (word !== undefined) {
      this.#win(word);
      return;
    }
    this.#inquire();
    const before = this.#lookInterval;
    this.#adaptLookInterval();
    // Threads that began to wait together look together so far. If they went on so, nobody would look in between.
    this.#lookLater(this.#lookInterval > 2 * before ? ANYWHERE : LITTLE);
  }

  #adaptLookInterval(): void {
    const {least, perThread, lastOfMany} = LOOK_MILLISECONDS;
    const before = this.#looks;
    this.#looks = this.#memory.countLook();
    // In the time between two looks of one thread, each other looks about once; twice at most, when the intervals have just
    // grown.
    const threads = before === undefined ? 1 : (this.#looks - before) | 0;
    // Whoever asked last may have died together with the owner, but no earlier. Where that was longer ago than inquiries are
    // apart, this thread is still asking, or there is no owner: no reason to look more often.
    const sinceInquiry = min(this.#memory.sinceInquiry(sharedNow()), INQUIRY_MILLISECONDS.most);
    const ofMany = max(least, perThread * threads);
    this.#lookInterval = min(ofMany, max(ofMany, lastOfMany) - sinceInquiry);
  }

  #takeFromTheAbsent(): Word | undefined {
    const word = this.#memory.read();
    return this.#isForsaken(word) ? this.#memory.take(this.#slot, word) : undefined;
  }

  /**
   * Whether `word`, which is taken, is reserved for a thread that does not come for it. Asks after an owner that has not changed
   * for long. Called by whoever finds the word taken, so that callers with short timeouts, too, get it freed in the end.
   */
  #isForsaken(word: Word): boolean {
    if (!isSameTurn(word, this.#seen)) {
      const isFirst = this.#seenSince === 0;
      this.#seen = word;
      this.#seenSince = now();
      // A line may be collected and made anew with each caller, and see nobody for long.
      if (isFirst) this.#inquire();
      return false;
    }
    const age = now() - this.#seenSince;
    if (isReserved(word)) return age >= RESERVATION_MILLISECONDS;
    if (age >= SUSPICIOUS_MILLISECONDS) this.#inquire();
    return false;
  }

  /** Asks whether the owner still exists, and inherits the lock if it does not. */
  #inquire(): void {
    const word = this.#memory.read();
    if (!isHeld(word) || this.#isInquiring) return;
    const ownedFor = isSameTurn(word, this.#seen) ? now() - this.#seenSince : 0;
    const {least, most} = INQUIRY_MILLISECONDS;
    const interval = min(max(least, ownedFor / INQUIRIES_PER_AGE), most);
    if (!this.#memory.mayInquire(sharedNow(), interval)) return;
    const owner = this.#memory.ownerOf(word);
    this.#isInquiring = true;
    void outside(async () => {
      const isDead = await hasEnded(this.#memory, owner, () =>
        isSameTurn(word, this.#memory.read()),
      );
      this.#isInquiring = false;
      if (isDead) this.#inherit(word, owner);
    });
  }

  #inherit(word: Word, owner: Owner): void {
    if (this.holder === undefined && this.length > 0) {
      const taken = this.#memory.takeOver(word, owner, this.#slot);
      if (taken !== undefined) this.#win(taken);
    } else {
      // The caller on whose behalf this thread asked is gone.
      const left = this.#memory.takeOver(word, owner);
      if (left !== undefined) this.#lookAfter(left);
    }
  }

  /** Hands on once more what this thread left to another, or frees it, if that one does not come for it. */
  #lookAfter(left: Word): void {
    this.#left = left;
    if (this.#leftTimer !== undefined) return;
    if (isFree(left) && this.#memory.countWaiting() === 0) return;
    this.#leftTimer = startTimer(RESERVATION_MILLISECONDS, false, () => {
      this.#leftTimer = undefined;
      const word = this.#memory.read();
      if (!isSameTurn(word, this.#left)) return;
      // Left when the timer was running already: it has its time yet.
      if (!isSameTurn(word, left)) return this.#lookAfter(word);
      let next: Word | undefined = word;
      if (isFree(word)) this.#memory.wakeNext();
      else next = this.#memory.handOn(word, true);
      if (next !== undefined) this.#lookAfter(next);
    });
  }
}
