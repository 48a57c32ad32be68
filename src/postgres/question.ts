import type {LockError} from '../errors.js';
import type {Asker, Exchange} from './exchange.js';
import {tableFullError, unavailableError} from './errors.js';
import type {KeyHash} from './keyHash.js';
import type {Answer, Ask} from './statements.js';

/** Asks once whether anybody has the lock of a key. */
export class Question implements Asker {
  readonly id = {};
  readonly hash: KeyHash;
  readonly #exchange: Exchange;
  #isInFlight = false;
  #isAnswered = false;
  readonly #resolve: (isLocked: boolean) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    hash: KeyHash,
    exchange: Exchange,
    resolve: (isLocked: boolean) => void,
    reject: (error: unknown) => void,
  ) {
    this.hash = hash;
    this.#exchange = exchange;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  nextAsk(): Ask | undefined {
    return this.#isInFlight || this.#isAnswered ? undefined : 'q';
  }

  asked(): void {
    this.#isInFlight = true;
  }

  answered(answer: Answer): void {
    this.#settle();
    this.#resolve(answer === 'L');
  }

  called(): boolean {
    return false;
  }

  polled(): boolean {
    return false;
  }

  unanswered(cause: unknown): void {
    this.#fail(tableFullError(cause));
  }

  /** It asks again, in the next session. */
  sessionLost(): undefined {
    this.#isInFlight = false;
  }

  interrupted(error: unknown): void {
    this.refused(error);
  }

  refused(error: unknown): void {
    this.#fail(unavailableError(error));
  }

  #fail(error: LockError): void {
    this.#settle();
    this.#reject(error);
  }

  #settle(): void {
    this.#isAnswered = true;
    this.#exchange.leave(this);
  }
}
