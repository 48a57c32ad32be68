import {LockTimeoutError, nothingHeldError, type LockDetails, type LockError} from '../errors.js';
import {READY, resolved, then} from '../intrinsics.js';
import {callAdmitted, callAtOnce, watchedCallAtOnce, type AnyFunction} from '../line/calls.js';
import {CohortLine} from '../line/cohortLine.js';
import {Deadlines} from '../line/deadlines.js';
import {Entrance} from '../line/entrance.js';
import {GUARD, guardOf, type Guard} from '../line/guard.js';
import type {LockSettings, WaitLimits} from '../line/limits.js';
import {Waiter, createCaller, failingWith} from '../line/waiter.js';
import {PostgresContender, type Callers} from './contender.js';
import {lostError, tableFullError, unavailableError} from './errors.js';
import type {Exchange} from './exchange.js';
import {Hold, HoldGuard} from './hold.js';
import type {KeyHash} from './keyHash.js';

/** The limits of a call that does not wait. */
const AT_ONCE: WaitLimits = {deadlines: new Deadlines(0)};

type NotHeldError = Parameters<Entrance['release']>[1];

/** What the locks of one object share. */
export interface KeySettings {
  /** The object by which the callers come. */
  readonly lock: object;
  readonly settings: LockSettings;
  readonly exchange: Exchange;
  /** A holder of `key` has lost the lock. */
  onLost(key: string, error: LockError): void;
  /** Nobody holds the lock or waits for it any more. */
  onRest(entrance: KeyEntrance): void;
}

/** The line of this process for one key. */
class KeyLine extends CohortLine {
  readonly contender: PostgresContender;
  readonly #key: string;
  readonly #exchange: Exchange;

  constructor(key: string, hash: KeyHash, exchange: Exchange) {
    let made: PostgresContender | undefined;
    super((onWon) => (made = new PostgresContender(hash, exchange, onWon)));
    this.contender = made as unknown as PostgresContender;
    this.#key = key;
    this.#exchange = exchange;
  }

  override details(): LockDetails {
    const {failure} = this.#exchange;
    return failure === undefined ? {key: this.#key} : {key: this.#key, unavailable: failure};
  }

  override notHeldError(naming: LockDetails | undefined): Error {
    return nothingHeldError(naming);
  }

  override describe(): string {
    return this.holder === undefined ? 'not held here' : 'held';
  }
}

/**
 * The way into the line of one key, by which all its callers come. It tells them of a lock that is
 * lost while they hold it. A holder keeps its place in the line until it is done even then, and
 * whoever is next contends for the lock again.
 */
export class KeyEntrance extends Entrance implements Callers {
  readonly key: string;
  readonly hash: KeyHash;
  readonly #line: KeyLine;
  readonly #own: KeySettings;

  /** What the holder was given, if anything, and the error by which it has lost the lock. */
  #hold: Hold | undefined;
  #loss: LockError | undefined;

  /** The first in line, if it does not want to wait. */
  #attempt: Waiter | undefined;

  constructor(key: string, hash: KeyHash, own: KeySettings) {
    const line = new KeyLine(key, hash, own.exchange);
    super(own.lock, line, own.settings);
    this.key = key;
    this.hash = hash;
    this.#line = line;
    this.#own = own;
    line.contender.callers = this;
  }

  get isAtRest(): boolean {
    const {contender, holder, waiting} = this.#line;
    return contender.isAtRest && holder === undefined && waiting === 0;
  }

  /** Whether the lock is held; `undefined` if only the server knows. */
  isKnownToBeLocked(): boolean | undefined {
    if (this.#line.holder !== undefined) return true;
    // The server may not know yet that it was released.
    return this.#line.contender.isLeftOver ? false : undefined;
  }

  // Acquiring

  call(fn: AnyFunction, args: unknown[], limits: WaitLimits): Promise<unknown> {
    const told = (...given: unknown[]) => {
      if (this.#loss !== undefined) throw this.#loss;
      return fn(...given, this.#holdOfHolder());
    };
    return this.#acquire(
      false,
      () => createCaller(this, told, args),
      limits,
      (acquisition) =>
        (this.watched ? watchedCallAtOnce(this.watched) : callAtOnce)(
          this,
          acquisition,
          told,
          args,
        ),
      callAdmitted,
    );
  }

  acquireTask(task: unknown): Promise<unknown> {
    const atOnce = () => resolved(task);
    return this.#acquire(true, () => new Waiter(this, task), this.settings, atOnce);
  }

  acquireHold(limits: WaitLimits): Promise<HoldGuard> {
    const atOnce = (acquisition: number) => resolved(this.#guardOf(guardOf(this, acquisition)));
    const acquiring = this.#acquire(true, () => new Waiter(this, GUARD), limits, atOnce);
    return acquiring as Promise<HoldGuard>;
  }

  /** @returns `undefined` if the lock is not free */
  async attempt(): Promise<HoldGuard | undefined> {
    try {
      return await this.acquireHold(AT_ONCE);
    } catch (error) {
      if (error instanceof LockTimeoutError) return undefined;
      throw error;
    }
  }

  #acquire(
    lasts: boolean,
    createWaiter: () => Waiter,
    limits: WaitLimits,
    atOnce: (acquisition: number) => Promise<unknown>,
    onAdmitted?: (admitted: unknown) => unknown,
  ): Promise<unknown> {
    let acquisition = 0;
    try {
      acquisition = this.tryAcquire(lasts);
      if (acquisition) return atOnce(acquisition);
      const waiter = createWaiter();
      if (limits.deadlines?.timeoutMilliseconds !== 0 || !this.#mayAttempt()) {
        return this.enqueue(waiter, limits, onAdmitted);
      }
      this.#attempt = waiter;
      return this.enqueue(waiter, {signal: limits.signal}, onAdmitted);
    } catch (error) {
      // As in `LineLock`.
      if (acquisition) this.unclaimed = acquisition;
      return then<undefined, never>(READY, () => {
        this.releaseUnclaimed();
        throw error;
      });
    }
  }

  override admitted(waiter: Waiter): unknown {
    const admitted = super.admitted(waiter);
    return waiter.task === GUARD ? this.#guardOf(admitted as Guard) : admitted;
  }

  #guardOf({release}: Guard): HoldGuard {
    return new HoldGuard(release, this.#holdOfHolder());
  }

  #holdOfHolder(): Hold {
    this.#hold ??= new Hold(this.#line.contender.nextToken());
    if (this.#loss !== undefined) this.#hold.lose(this.#loss);
    return this.#hold;
  }

  // Releasing

  override release(acquisition: number, notHeldError?: NotHeldError): void {
    if (!this.isHeldBy(acquisition)) return super.release(acquisition, notHeldError);
    const hold = this.#hold;
    const loss = this.#loss;
    // First: the next may become the holder below.
    this.#hold = undefined;
    this.#loss = undefined;
    try {
      super.release(acquisition, notHeldError);
    } catch (error) {
      if (this.isHeldBy(acquisition)) {
        this.#hold = hold;
        this.#loss = loss;
      }
      throw error;
    }
    if (loss !== undefined) throw loss;
  }

  /** Releases whatever acquisition is current. */
  releaseCurrent(): void {
    const {holder, acquisition} = this.#line;
    if (holder !== this) throw this.#line.notHeldError(this.naming());
    this.release(acquisition);
  }

  // What the contender tells and asks

  onLost(cause: unknown): () => void {
    const loss = lostError(cause, {lockName: this.settings.name, key: this.key});
    const hold = this.#hold;
    this.#loss = loss;
    return () => {
      hold?.lose(loss);
      this.#own.onLost(this.key, loss);
    };
  }

  #mayAttempt(): boolean {
    return this.#line.holder === undefined && this.#line.waiting === 0;
  }

  isAttempt(): boolean {
    return this.#attempt?.isWaiting === true && this.#line.waiting === 1;
  }

  onTaken(): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (attempt?.isWaiting !== true) return;
    const details = this.details();
    const refusal = failingWith(() => {
      throw new LockTimeoutError(0, details);
    });
    this.cancel(attempt, refusal);
  }

  onRefused(cause: unknown): void {
    this.#refuseAll(unavailableError, cause);
  }

  onFull(cause: unknown): void {
    this.#refuseAll(tableFullError, cause);
  }

  #refuseAll(create: typeof unavailableError, cause: unknown): void {
    const details = {lockName: this.settings.name, key: this.key};
    const refusal = failingWith(() => {
      throw create(cause, details);
    });
    for (let waiter; (waiter = this.#line.firstWaiter()) instanceof Waiter;)
      this.cancel(waiter, refusal);
  }

  onRest(): void {
    this.#own.onRest(this);
  }
}
