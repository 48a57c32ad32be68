import {assertType, fullError, type LockDetails, type LockError} from '../errors.js';
import {NativePromise, READY, createMap, outside, then} from '../intrinsics.js';
import {waitWithin, type LockSettings} from '../line/limits.js';
import {Waiter, type Refusal, type WaiterEntrance} from '../line/waiter.js';
import {reportUncaught} from '../shared/runtime/callers.js';
import {closedError} from './errors.js';
import {Exchange, type ExchangeSettings} from './exchange.js';
import {KeyEntrance, type KeySettings} from './keyEntrance.js';
import {hashKey} from './keyHash.js';
import {Question} from './question.js';
import type {PostgresLocksOptions} from './types.js';

export interface EntrancesSettings extends ExchangeSettings {
  readonly settings: LockSettings;
  readonly namespace: string;
  readonly maxKeys: number;
  readonly onLost: PostgresLocksOptions['onLost'];
}

/**
 * The ways into the lines of all keys that are in use: each from its first caller on until nothing is
 * left of it here and on the server. And the end of all: while it is awaited nobody else comes in.
 */
export class Entrances implements KeySettings, WaiterEntrance {
  readonly lock: object;
  readonly onAbandoned = undefined;
  readonly settings: LockSettings;
  readonly exchange: Exchange;
  readonly #own: EntrancesSettings;

  /** By the number of the lock: two keys that have the same share a line, too. */
  readonly #entrances = createMap<string, KeyEntrance>();
  size = 0;
  /** How many calls of `isLocked` wait for the server. */
  #questions = 0;
  #closer: Waiter | undefined;

  /** @param lock the object by which the callers come */
  constructor(lock: object, own: EntrancesSettings) {
    this.lock = lock;
    this.settings = own.settings;
    this.exchange = new Exchange(own);
    this.#own = own;
  }

  /** Lets `use` do something with the lock of `key`, which is forgotten again if nothing is left. */
  use<T>(key: string, use: (entrance: KeyEntrance) => T): T {
    const entrance = this.#find(key);
    try {
      return use(entrance);
    } finally {
      if (entrance.isAtRest) this.onRest(entrance);
    }
  }

  /** The same for a caller that wants the lock. */
  enter<T>(key: string, enter: (entrance: KeyEntrance) => T): T {
    return this.use(key, (entrance) => {
      this.#assertOpen();
      return enter(entrance);
    });
  }

  #find(key: string): KeyEntrance {
    const hash = this.#hash(key);
    const existing = this.#entrances.get(hash.lock);
    if (existing !== undefined) return existing;
    const entrance = new KeyEntrance(key, hash, this);
    this.#entrances.set(hash.lock, entrance);
    this.size++;
    return entrance;
  }

  #hash(key: string) {
    assertType(key, 'string', 'a key to be a string');
    return hashKey(this.#own.namespace, key);
  }

  onRest(entrance: KeyEntrance): void {
    const {lock} = entrance.hash;
    if (this.#entrances.get(lock) !== entrance) return;
    this.#entrances.delete(lock);
    this.size--;
    if (this.#closer !== undefined && this.size === 0) void then(READY, this.#admitCloser);
  }

  /** Throws if nobody may come any more, or the last one that did has come for one key too many. */
  #assertOpen(): void {
    if (this.#closer !== undefined) throw closedError(this.naming());
    const {maxKeys} = this.#own;
    if (this.size > maxKeys) {
      throw fullError(
        `Expected at most ${maxKeys} keys to be held or awaited at one time in this process. ` +
          'Give createPostgresLocks a larger maxKeys, if the server has room for them.',
      );
    }
  }

  get isClosed(): boolean {
    return this.#closer !== undefined && this.size === 0;
  }

  // Questions

  async isLocked(key: string): Promise<boolean> {
    const hash = this.#hash(key);
    this.#assertOpen();
    const known = this.#entrances.get(hash.lock)?.isKnownToBeLocked();
    if (known !== undefined) return known;
    this.#questions++;
    try {
      return await new NativePromise<boolean>((resolve, reject) => {
        this.exchange.ask(new Question(hash, this.exchange, resolve, reject));
      });
    } finally {
      this.#questions--;
      if (this.#closer !== undefined) void then(READY, this.#admitCloser);
    }
  }

  pendingCount(key: string): number {
    return this.#entrances.get(this.#hash(key).lock)?.line.waiting ?? 0;
  }

  // The loss of a lock

  onLost(key: string, error: LockError): void {
    try {
      outside(() => this.#own.onLost?.({key, error}));
    } catch (thrown) {
      reportUncaught(thrown);
    }
  }

  // The end

  async close(): Promise<void> {
    if (this.#closer !== undefined) throw closedError(this.naming());
    const closer = new Waiter(this);
    const closing = this.size + this.#questions > 0 ? waitWithin(closer, this.settings) : undefined;
    this.#closer = closer;
    if (closing !== undefined) await closing;
    await this.exchange.close();
  }

  readonly #admitCloser = (): void => {
    if (this.size + this.#questions === 0) this.#closer?.admit(0);
  };

  admitted(): void {
    // `close` goes on.
  }

  cancel(closer: Waiter, refusal: Refusal): void {
    closer.refuse(refusal);
    this.#closer = undefined;
  }

  details(): LockDetails | undefined {
    return this.naming();
  }

  naming(): LockDetails | undefined {
    const {name} = this.settings;
    return name === undefined ? undefined : {lockName: name};
  }
}
