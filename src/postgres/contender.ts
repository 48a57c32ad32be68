import {uncurried} from '../intrinsics.js';
import type {Contender} from '../line/cohortLine.js';
import {Threadless} from '../line/threadless.js';
import {now} from '../shared/runtime/clocks.js';
import type {Asker, Exchange} from './exchange.js';
import type {KeyHash} from './keyHash.js';
import {TOKENS_AT_ONCE, type Answer, type Ask} from './statements.js';

/**
 * How long a process keeps a lock for its own line before it asks whether others wait. Passing the
 * lock to another process takes a millisecond or two, and within a line a few microseconds. Longer, if
 * not all have been served who waited when the lock came: they would wait until it has gone round.
 */
const TENURE_MILLISECONDS = {least: 10, most: 20};

const slice = uncurried(String.prototype.slice);
const toBigInt = BigInt;

/** What the contender tells and asks the callers of the line. */
export interface Callers {
  /** The holder in the line has lost it. @returns what tells the holder */
  onLost(error: unknown): () => void;
  /** The lock is taken, or nobody can ask for it now. Whoever does not want to wait gives up. */
  onTaken(): void;
  /** Nobody in the line is to wait any longer: there is no connection, or no room in the server. */
  onRefused(error: unknown): void;
  onFull(error: unknown): void;
  /** Neither this process nor the server knows anything of the lock any more. */
  onRest(): void;
  /** Whether the only caller in line does not want to wait. */
  isAttempt(): boolean;
}

/**
 * Contends for the advisory lock of one key on behalf of the line of this process.
 *
 * What the line wants, and what the session has of it, are two things. The line:
 *
 * - idle: wants nothing, and holds nothing.
 * - contending: wants the lock.
 * - owning: has the lock. Or its holder has lost the lock, and is not done yet.
 *
 * The session: `N` nothing, `B` the bell, by which it waits to be called, or `L` the lock. Each answer
 * of the server says which. What the next ask is, if any, follows from the two alone. So it does not
 * matter what the callers did meanwhile: if a lock was granted for a caller that has gone, the next
 * ask releases the lock.
 */
export class PostgresContender extends Threadless implements Contender, Asker {
  readonly hash: KeyHash;
  readonly id: unknown;
  readonly #exchange: Exchange;
  readonly #onWon: () => void;
  /** Set before the first caller comes. */
  callers!: Callers;

  #line: 'idle' | 'contending' | 'owning' = 'idle';
  #session: 'N' | 'B' | 'L' = 'N';
  /** What was asked and is not answered yet. Until then, nobody knows what the session has. */
  #inFlight: Ask | undefined;
  /** Whether it may have been called since it last asked, and how many polls there were since. */
  #isCalled = false;
  #polls = 0;
  /** When the server last said that this process has the lock: nobody else waited then. */
  #since = 0;
  /** How many of the line have waited since then; `undefined` before the first section has ended. */
  #owed: number | undefined;
  #token: bigint | undefined;
  /** How many acquisitions there were since the server gave this token. */
  #acquisitions = 0n;

  constructor(hash: KeyHash, exchange: Exchange, onWon: () => void) {
    super();
    this.hash = hash;
    this.id = hash.lock;
    this.#exchange = exchange;
    this.#onWon = onWon;
  }

  /** The fencing token of the next acquisition. */
  nextToken(): bigint | undefined {
    return this.#token === undefined ? undefined : this.#token + this.#acquisitions++;
  }

  /** Whether nothing would be lost if it were forgotten. */
  get isAtRest(): boolean {
    return this.#line === 'idle' && this.#session === 'N' && this.#inFlight === undefined;
  }

  // The line

  isTaken(): boolean {
    return this.#session === 'L';
  }

  /** Whether the session has the lock, although nobody in the line wants it and nothing was asked. */
  get isLeftOver(): boolean {
    return this.#line === 'idle' && this.#session === 'L' && this.#inFlight === undefined;
  }

  /** Whether the session has the lock, and may keep it without asking the server. */
  #isKept(milliseconds = TENURE_MILLISECONDS.least): boolean {
    return (
      this.#session === 'L' &&
      this.#inFlight === undefined &&
      now() - this.#since < milliseconds &&
      this.#acquisitions < TOKENS_AT_ONCE
    );
  }

  tryTake(): boolean {
    if (!this.#isKept()) return false;
    this.#line = 'owning';
    return true;
  }

  contend(): void {
    this.#line = 'contending';
    if (this.#isKept()) return this.#win();
    // The session still shares the bell for a caller that has left, and a call may have come meanwhile.
    if (this.#session === 'B') this.#isCalled = true;
    this.#exchange.ask(this);
  }

  withdraw(): void {
    this.#becomeIdle();
  }

  tryFree(): boolean {
    this.#becomeIdle();
    return true;
  }

  #becomeIdle(): void {
    this.#line = 'idle';
    if (this.isAtRest) this.#rest();
    else this.#exchange.ask(this);
  }

  extendTenure(waiting: number): boolean {
    this.#owed = (this.#owed ?? waiting + 1) - 1;
    const {least, most} = TENURE_MILLISECONDS;
    return this.#isKept(this.#owed > 0 ? most : least);
  }

  handOn(_mayBarge: boolean, contends: boolean): void {
    if (!contends) return this.#becomeIdle();
    this.#line = 'contending';
    this.#exchange.ask(this);
  }

  recover(): boolean {
    if (this.#session !== 'L' || this.#inFlight !== undefined) return false;
    this.#line = 'owning';
    return true;
  }

  #win(): void {
    this.#line = 'owning';
    this.#onWon();
  }

  // The server

  nextAsk(): Ask | undefined {
    if (this.#inFlight !== undefined || this.#line === 'owning') return undefined;
    const isWanted = this.#line === 'contending';
    switch (this.#session) {
      case 'L':
        return isWanted ? 'o' : 'r';
      case 'B':
        return isWanted ? (this.#isCalled ? 'w' : undefined) : 'l';
      case 'N':
        return isWanted ? (this.callers.isAttempt() ? 'a' : 't') : undefined;
    }
  }

  asked(ask: Ask): void {
    this.#inFlight = ask;
    this.#isCalled = false;
    this.#polls = 0;
  }

  answered(answer: Answer): void {
    const asked = this.#inFlight;
    this.#inFlight = undefined;
    this.#session = answer[0] as 'N' | 'B' | 'L';
    if (this.#session === 'L') this.#acquired(answer);
    if (this.#line === 'contending') {
      if (this.#session === 'L') return this.#win();
      // A caller that came after a release or a leave was asked has no answer yet.
      if (asked !== 'r' && asked !== 'l') this.callers.onTaken();
      if (this.#session === 'B') this.#exchange.awaitCall();
    }
    if (this.isAtRest) this.#rest();
    else this.#exchange.ask(this);
  }

  #acquired(answer: Answer): void {
    this.#since = now();
    this.#owed = undefined;
    this.#acquisitions = 0n;
    const token = slice(answer, 1);
    if (token !== '') this.#token = toBigInt(token);
  }

  called(): boolean {
    if (this.#line !== 'contending') return false;
    // It may come before the answer by which the session has the bell.
    this.#isCalled = true;
    return this.#session === 'B' || this.#inFlight !== undefined;
  }

  polled(): boolean {
    return this.#polls++ > 0 && this.called();
  }

  unanswered(cause: unknown): void {
    this.#session = 'N';
    this.#inFlight = undefined;
    this.callers.onFull(cause);
    if (this.isAtRest) this.#rest();
  }

  sessionLost(error: unknown): (() => void) | undefined {
    this.#session = 'N';
    this.#inFlight = undefined;
    this.#isCalled = false;
    if (this.#line === 'owning') {
      // A lock that is lost needs no connection, however long its holder goes on.
      this.#exchange.leave(this);
      return this.callers.onLost(error);
    }
    if (this.isAtRest) this.#rest();
    return undefined;
  }

  #rest(): void {
    this.#exchange.leave(this);
    this.callers.onRest();
  }

  interrupted(): void {
    this.callers.onTaken();
  }

  refused(error: unknown): void {
    this.callers.onRefused(error);
  }
}
