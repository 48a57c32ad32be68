import {uncurried} from '../intrinsics.js';
import {Guard} from '../line/guard.js';
import type {LockHold, PostgresLockGuard} from './types.js';

const {AbortController: Controller} = globalThis;
const abort = uncurried(
  Controller.prototype.abort as (this: AbortController, reason: unknown) => void,
);

/** One acquisition, as its holder sees it. */
export class Hold implements LockHold {
  readonly token: bigint | undefined;
  /** Made when somebody asks for it: most functions have no use for a signal. */
  #controller: AbortController | undefined;
  #loss: Error | undefined;

  constructor(token: bigint | undefined) {
    this.token = token;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new Controller();
      if (this.#loss !== undefined) abort(this.#controller, this.#loss);
    }
    return this.#controller.signal;
  }

  lose(loss: Error): void {
    this.#loss = loss;
    if (this.#controller !== undefined) abort(this.#controller, loss);
  }
}

/** A guard that knows of a loss. */
export class HoldGuard extends Guard implements PostgresLockGuard {
  readonly signal: AbortSignal;
  readonly token: bigint | undefined;

  constructor(release: () => void, {signal, token}: LockHold) {
    super(release);
    this.signal = signal;
    this.token = token;
  }
}
