import {heldElsewhereError, nothingHeldError, type LockDetails} from '../errors.js';
import {READY, assertRoom, createWeakMap, then} from '../intrinsics.js';
import type {BlockingLine, LineEntrance, LineWaiter} from './protocol.js';
import {WaitQueue, admit} from './waitQueue.js';

/**
 * Decides which thread has the lock: it contends with the other threads on behalf of one line.
 *
 * It owns the lock from the moment at which `tryTake` returns `true` or `onWon` is called, until
 * `tryFree` returns `true` or `handOn` is called.
 */
export interface Contender {
  /** Whether a thread owns the lock, or is about to. */
  isTaken(): boolean;
  /** The thread that owns the lock, if any does. */
  ownerThreadId(): number | undefined;
  /** For an owner: whether its caller has still to be told of a thread that ended as the owner. */
  readonly isHeir: boolean;

  /** Becomes the owner if that is possible at once. */
  tryTake(): boolean;
  /** Calls `onWon` once it is the owner, which may be at once, unless `withdraw` comes first. */
  contend(): void;
  /**
   * Becomes the owner, if need be by blocking the thread for that long at most. If that fails, a
   * line that was contending goes on contending.
   */
  takeBlocking(milliseconds: number): boolean;
  /** Stops contending. If it was just chosen as the next owner, it passes that on. */
  withdraw(): void;

  /** The common way to release, in one step: frees the lock if no other thread waits for it. */
  tryFree(): boolean;
  /**
   * Extends the tenure by one more section, unless the tenure is over. `waiting` is the length of
   * the line.
   */
  extendTenure(waiting: number): boolean;
  /**
   * Gives the lock to the next thread that waits.
   *
   * @param mayBarge whether a quicker thread, including this one, may get it instead
   * @param contends whether this thread begins to contend again
   */
  handOn(mayBarge: boolean, contends: boolean): void;
  /**
   * Contends again, and gives the lock to the thread that has waited longest. If that is this
   * thread itself, it calls `onWon` in a later turn of its event loop.
   */
  handOnAndWait(): void;
  /** Takes stock after a step that failed halfway. @returns whether it is the owner */
  recover(): boolean;

  /** Captures the async context of this moment, for `tellHeir`. */
  captureContext(): unknown;
  /**
   * Calls `tell` for each thread that ended as the owner, in `context`, which is that of the heir.
   */
  tellHeir(tell: (threadId: number) => void, context: unknown): void;
}

/**
 * Stands in as the holder until `onAbandoned` has run. So nothing that `onAbandoned` calls can
 * release the heir's acquisition or let another caller in.
 */
const TELLING: LineEntrance = {lock: {}, onAbandoned: undefined};

/** The async contexts of the waiters that may inherit the lock of a dead thread. */
const contexts = createWeakMap<LineWaiter, unknown>();

/**
 * The line of one thread for a lock that other threads use, too. The line contends for the lock on
 * behalf of its first waiter. Once the thread owns the lock, it passes the lock along its line.
 *
 * - idle: no holder, nobody in line.
 * - holding: a holder. The thread owns the lock.
 * - contending: no holder, somebody in line. The contender waits until the lock is its own.
 *
 * Passing the lock along a line costs next to nothing, but waking another thread costs a lot. So a
 * thread keeps the lock for its own line for a while, even if other threads wait. This is called
 * lock cohorting (Dice, Marathe and Shavit, "Lock Cohorting", ACM TOPC 2015).
 */
export class CohortLine implements BlockingLine {
  holder: LineEntrance | undefined;
  acquisition = 0;
  readonly #queue: WaitQueue<LineWaiter>;
  readonly #contender: Contender;
  /** The number of the last acquisition by a blocking call. */
  #blocking = 0;
  readonly #identity: {readonly key?: unknown} | undefined;

  /** @param identity the key, if it is the line of a key's lock */
  constructor(
    createContender: (onWon: () => void) => Contender,
    identity?: {readonly key: unknown},
  ) {
    this.#identity = identity;
    this.#queue = new WaitQueue();
    this.#contender = createContender(() => this.#admitFirst());
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /** Who waits, and would be admitted next. */
  firstWaiter(): LineWaiter | undefined {
    return this.#queue.first;
  }

  isTaken(): boolean {
    return this.holder !== undefined || this.#contender.isTaken();
  }

  tryAcquire(entrance: LineEntrance): number {
    if (this.holder !== undefined || this.#queue.size > 0) return 0;
    try {
      return this.#contender.tryTake() ? this.#admitAtOnce(entrance) : 0;
    } catch (error) {
      this.holder = undefined;
      void then(READY, this.#recover);
      throw error;
    }
  }

  acquireBlocking(entrance: LineEntrance, milliseconds: number): number {
    try {
      if (!this.#contender.takeBlocking(milliseconds)) return 0;
      this.#blocking = this.acquisition + 1;
      return this.#admitAtOnce(entrance);
    } catch (error) {
      this.holder = undefined;
      void then(READY, this.#recover);
      throw error;
    }
  }

  /** The thread owns the lock, for a caller that is not in line. */
  #admitAtOnce(entrance: LineEntrance): number {
    this.holder = entrance;
    const acquisition = ++this.acquisition;
    if (this.#contender.isHeir) this.#tellHeir(entrance, undefined);
    return acquisition;
  }

  enqueue(waiter: LineWaiter): void {
    if (waiter.entrance.onAbandoned !== undefined) {
      contexts.set(waiter, this.#contender.captureContext());
    }
    this.#queue.enqueue(waiter);
    if (this.holder !== undefined || this.#queue.size > 1) return;
    try {
      this.#contender.contend();
    } catch {
      void then(READY, this.#recover);
    }
  }

  withdraw(waiter: LineWaiter): void {
    this.#queue.dequeue(waiter);
    this.#withdrawIfIdle();
  }

  recount(): void {
    this.#queue.recount();
    this.#withdrawIfIdle();
  }

  release(): void {
    if (this.#queue.size === 0 && this.#contender.tryFree()) {
      this.holder = undefined;
      return;
    }
    // The callers in this thread's line cannot run before the event loop's next turn. Until then,
    // the thread may block again.
    const isBlocking = this.#blocking === this.acquisition && this.#queue.size > 0;
    if (isBlocking) return this.#handOn(false, true);
    const isExtended = this.#contender.extendTenure(this.#queue.size);
    if (isExtended && this.#queue.size > 0) this.#admitFirst();
    else this.#handOn(isExtended);
  }

  /** The thread gives up the lock. */
  #handOn(mayBarge = true, waitsForTurn = false): void {
    // What begins here cannot be undone, only finished later, and that needs room on the stack,
    // too.
    assertRoom();
    this.holder = undefined;
    try {
      if (waitsForTurn) this.#contender.handOnAndWait();
      else this.#contender.handOn(mayBarge, this.#queue.size > 0);
    } catch {
      void then(READY, this.#recover);
    }
  }

  details(): LockDetails {
    return {...this.#identity, ownerThreadId: this.#contender.ownerThreadId()};
  }

  notHeldError(naming: LockDetails | undefined): Error {
    if (this.holder !== undefined) {
      return heldElsewhereError(
        'another lock object of this thread holds it. Release it through that object',
        naming,
      );
    }
    const id = this.#contender.ownerThreadId();
    if (id === undefined) return nothingHeldError(naming);
    return heldElsewhereError(`thread ${id} holds it. Only that thread can release it`, naming);
  }

  describe(): string {
    const id = this.#contender.ownerThreadId();
    return id === undefined ? 'free' : `held by thread ${id}`;
  }

  /**
   * Admits the first in line. The thread owns the lock, and its holder, if there is one, is
   * releasing it.
   */
  #admitFirst(): void {
    const waiter = this.#queue.first;
    // They may have left without `withdraw`.
    if (waiter === undefined) return this.#handOn();
    const {holder} = this;
    const {isHeir} = this.#contender;
    this.holder = isHeir ? TELLING : waiter.entrance;
    this.acquisition++;
    try {
      admit(waiter, this.#queue, this.acquisition);
    } catch (error) {
      this.holder = holder;
      this.acquisition--;
      throw error;
    }
    if (isHeir) this.#tellHeir(waiter.entrance, contexts.get(waiter));
  }

  /**
   * Before anything else, the heir must look at what the dead thread left behind. The heir has been
   * admitted already, and its code goes on in a later microtask.
   */
  #tellHeir(entrance: LineEntrance, context: unknown): void {
    this.holder = TELLING;
    try {
      const {onAbandoned} = entrance;
      this.#contender.tellHeir((threadId) => onAbandoned?.({threadId, ...this.#identity}), context);
    } finally {
      this.holder = entrance;
    }
  }

  #withdrawIfIdle(): void {
    if (this.holder === undefined && this.#queue.size === 0) this.#contender.withdraw();
  }

  /** Finishes, in a microtask, a step that failed because the stack ran out. */
  readonly #recover = (): void => {
    if (this.holder !== undefined) return;
    const isWaitedFor = this.#queue.size > 0;
    if (this.#contender.recover()) {
      if (isWaitedFor) this.#admitFirst();
      else this.#handOn();
    } else if (isWaitedFor) this.#contender.contend();
    else this.#contender.withdraw();
  };
}
