import {READY, assertRoom, createMap, then} from '../intrinsics.js';
import {eachInMap, min, random} from '../shared/intrinsics.js';
import {now, startTimer, stopTimer, type Timer} from '../shared/runtime/clocks.js';
import {Refusal, messageOf} from './errors.js';
import type {KeyHash} from './keyHash.js';
import {Session, type Batch, type SessionEvents} from './session.js';
import type {Answer, Ask} from './statements.js';
import {nextTurn} from './turns.js';
import type {PostgresClient} from './types.js';

/**
 * A holder that has died calls nobody. So a waiter asks after one to two of these without a call. One
 * that asked earlier would often take the lock before somebody who was called and waits longer.
 */
const POLL_MILLISECONDS = 250;

/** How long a session goes on listening for calls after the last waiter. */
const LISTENING_MILLISECONDS = 10_000;

/** The pause before the next attempt to connect: the first one, which doubles each time, and the longest. */
const BACK_OFF_MILLISECONDS = {least: 100, most: 5000};

/**
 * How long a connection that nobody needs stays open. The second is for a client without `unref`,
 * whose connection keeps the process alive all that time.
 */
const IDLE_MILLISECONDS = {unreferenced: 60_000, referenced: 1000};

/**
 * How many asks go into one statement. Each that calls another session looks through `pg_locks`, and
 * a sign of life has to wait until the statement is answered.
 */
const MOST_ASKS = 200;

/** Something in this process that has, or wants, a lock or an answer of the server for one key. */
export interface Asker {
  /** The name by which others call it: the number of its lock, or a value that nobody else has. */
  readonly id: unknown;
  readonly hash: KeyHash;
  /** What it would ask now, if anything. */
  nextAsk(): Ask | undefined;
  /** The ask was sent. `answered`, `unanswered` or `sessionLost` is called next. */
  asked(ask: Ask): void;
  answered(answer: Answer): void;
  /** The lock table of the server has no room. The session has nothing for this key now. */
  unanswered(cause: unknown): void;
  /**
   * The session is over, and whatever it had for this key.
   *
   * @returns what tells the holder, if any: it calls the user's code
   */
  sessionLost(error: unknown): (() => void) | undefined;
  /** There is no session, and there will be none before another attempt. */
  interrupted(error: unknown): void;
  /** There will be no session: nobody should wait for one any longer. */
  refused(error: unknown): void;
  /** It may have been called. @returns whether it waits for that, and so should ask again */
  called(): boolean;
  /** @returns whether it has not been called for so long that it should ask again */
  polled(): boolean;
}

export interface ExchangeSettings {
  readonly connect: () => PostgresClient | PromiseLike<PostgresClient>;
  readonly hasTokens: boolean;
}

/**
 * Everything that this process asks the server for the locks of one object.
 *
 * Everything that is asked in one turn of the event loop, and while a statement is in flight, goes
 * into one statement. The first asker opens a session. If the session is lost, another is opened as
 * soon as anybody has something to ask.
 */
export class Exchange {
  readonly #settings: ExchangeSettings;
  /** All askers that have or want something. */
  readonly #askers = createMap<unknown, Asker>();
  #size = 0;
  /** The askers that may have something to ask now. */
  #asking: Asker[] = [];
  #session: Session | undefined;
  #isOpening = false;
  #isInFlight = false;
  #isTurnTaken = false;

  /** Whether there has been a session, and why there is none. */
  #hasConnected = false;
  #failure: unknown;
  #failures = 0;
  /** Whether the session has answered a statement. */
  #isProven = false;
  /** Whether no session is wanted any more. */
  #isClosed = false;
  #retry: Timer | undefined;

  /** Whether this session listens for calls, and whether that should change. */
  #listening: 'no' | 'wanted' | 'yes' | 'unwanted' = 'no';
  #waitedAt = 0;
  #poll: Timer | undefined;
  #idle: Timer | undefined;
  #silence = false;

  constructor(settings: ExchangeSettings) {
    this.#settings = settings;
  }

  /** Why there is no connection, where there should be one. */
  get failure(): string | undefined {
    return this.#session === undefined && this.#failure !== undefined
      ? messageOf(this.#failure)
      : undefined;
  }

  /**
   * `asker` may have something to ask, and may do so in the next turn of the event loop. From now on
   * there has to be a connection for it, until it leaves.
   */
  ask(asker: Asker): void {
    // If the stack ran out halfway, nothing would be sent any more.
    assertRoom(60);
    if (this.#askers.get(asker.id) === undefined) {
      this.#askers.set(asker.id, asker);
      if (this.#size++ === 0) this.#session?.needed();
      this.#updateNeed();
    }
    this.#asking[this.#asking.length] = asker;
    this.#sendSoon();
    if (this.#retry === undefined) return;
    // A caller that does not want to wait should not wait for the next attempt to connect, either.
    void then(READY, () => {
      if (this.#retry !== undefined) asker.interrupted(this.#failure);
    });
  }

  /** `asker` neither has nor wants anything any more. */
  leave(asker: Asker): void {
    if (this.#askers.get(asker.id) !== asker) return;
    this.#askers.delete(asker.id);
    this.#size--;
    this.#updateNeed();
  }

  /** Somebody waits to be called. */
  awaitCall(): void {
    this.#waitedAt = now();
    if (this.#listening === 'no' || this.#listening === 'unwanted') {
      this.#listening = this.#listening === 'no' ? 'wanted' : 'yes';
      this.#sendSoon();
    }
    this.#poll ??= startTimer(POLL_MILLISECONDS, false, this.#onPoll);
  }

  // Sending

  #sendSoon(): void {
    if (this.#isTurnTaken || this.#isInFlight || this.#isOpening) return;
    // First: it throws if the stack runs out, and then there is no turn.
    nextTurn(this.#onTurn);
    this.#isTurnTaken = true;
  }

  readonly #onTurn = (): void => {
    this.#isTurnTaken = false;
    this.#send();
  };

  #send(): void {
    if (this.#isInFlight || this.#isOpening || this.#retry !== undefined) return;
    const session = this.#session;
    if (session === undefined) {
      if (this.#hasAsks()) this.#open();
    } else if (this.#listening === 'wanted') {
      this.#listening = 'yes';
      // Nobody could call before.
      this.#flight(session, session.listen(), () => this.#askEach((asker) => asker.called()));
    } else if (this.#listening === 'unwanted') {
      this.#listening = 'no';
      this.#flight(session, session.unlisten(), () => undefined);
    } else this.#exchange(session);
  }

  #hasAsks(): boolean {
    for (const asker of this.#asking) if (asker.nextAsk() !== undefined) return true;
    this.#asking = [];
    return false;
  }

  #exchange(session: Session): void {
    const asked: Asker[] = [];
    const batch: Batch = {asks: '', locks: '', bells: ''};
    const later: Asker[] = [];
    for (const asker of this.#asking) {
      const ask = asker.nextAsk();
      if (ask === undefined) continue;
      if (asked.length === MOST_ASKS) {
        later[later.length] = asker;
        continue;
      }
      const space = asked.length > 0 ? ' ' : '';
      batch.asks += space + ask;
      batch.locks += space + asker.hash.lock;
      batch.bells += space + asker.hash.bell;
      asked[asked.length] = asker;
      asker.asked(ask);
    }
    this.#asking = later;
    if (asked.length === 0 && !this.#silence) return;
    this.#silence = false;
    this.#flight(session, session.exchange(batch, asked.length), (outcome) => {
      for (let n = 0; n < asked.length; n++) {
        const asker = asked[n] as Asker;
        if (outcome.answers !== undefined) asker.answered(outcome.answers[n] as Answer);
        else asker.unanswered(outcome.cause);
      }
    });
  }

  /** One statement is on its way. */
  #flight<T>(session: Session, answer: Promise<T>, onAnswer: (answer: T) => void): void {
    this.#isInFlight = true;
    this.#updateNeed();
    const land = (result: T): void => {
      if (this.#session !== session) return;
      this.#isInFlight = false;
      this.#isProven = this.#hasConnected = true;
      this.#failures = 0;
      onAnswer(result);
      this.#updateNeed();
      this.#sendSoon();
    };
    // Whatever went wrong, nobody knows what the session has now.
    void then(answer, land, (error) => session.lose(error));
  }

  // Sessions

  #open(): void {
    this.#isOpening = true;
    const events: SessionEvents = {
      onLost: (error) => {
        if (opened !== undefined && this.#session === opened) this.#lost(error);
      },
      onSilence: () => {
        this.#silence = this.#size > 0;
        this.#sendSoon();
      },
      onCalled: (lock) => {
        const asker = this.#askers.get(lock);
        if (asker?.called()) this.ask(asker);
      },
    };
    let opened: Session | undefined;
    const {connect, hasTokens} = this.#settings;
    const begin = (session: Session): void => {
      if (session.isOver) return this.#failed(new Error('The connection has ended.'));
      this.#isOpening = false;
      if (this.#isClosed) return void session.end();
      this.#isProven = false;
      this.#failure = undefined;
      this.#session = opened = session;
      this.#updateNeed();
      this.#askAll();
    };
    void then(Session.open(connect, events, hasTokens), begin, (error) => this.#failed(error));
  }

  /** There is no connection. Callers go on waiting if there may be one later. */
  #failed(error: unknown): void {
    this.#isOpening = false;
    this.#failure = error;
    if ((error instanceof Refusal && !error.isTransient) || !this.#hasConnected) {
      eachInMap(this.#askers, (asker) => asker.refused(error));
      return;
    }
    eachInMap(this.#askers, (asker) => asker.interrupted(error));
    const {least, most} = BACK_OFF_MILLISECONDS;
    const longest = min(least * 2 ** this.#failures++, most);
    this.#retry = startTimer(longest * (0.5 + random() / 2), this.#size > 0, () => {
      this.#retry = undefined;
      this.#askAll();
    });
  }

  #lost(error: unknown): void {
    this.#session = undefined;
    this.#isInFlight = false;
    this.#failure = error;
    this.#listening = 'no';
    this.#asking = [];
    const askers: Asker[] = [];
    eachInMap(this.#askers, (asker) => (askers[askers.length] = asker));
    // Before any holder is told, no lock of this session counts as held: the user's code may use them.
    const holders: Array<() => void> = [];
    for (const asker of askers) {
      const tell = asker.sessionLost(error);
      if (tell !== undefined) holders[holders.length] = tell;
    }
    for (const tell of holders) tell();
    // If each session failed at its first statement, there would be one after the other without a pause.
    if (this.#isProven) this.#askAll();
    else this.#failed(error);
  }

  #askAll(): void {
    this.#asking = [];
    eachInMap(this.#askers, (asker) => (this.#asking[this.#asking.length] = asker));
    this.#sendSoon();
  }

  // Waiting to be called

  readonly #onPoll = (): void => {
    this.#poll = undefined;
    this.#askEach((asker) => asker.polled());
    if (now() - this.#waitedAt < LISTENING_MILLISECONDS) {
      this.#poll = startTimer(POLL_MILLISECONDS, false, this.#onPoll);
    } else if (this.#listening === 'yes') {
      this.#listening = 'unwanted';
      this.#sendSoon();
    }
  };

  #askEach(asksAgain: (asker: Asker) => boolean): void {
    eachInMap(this.#askers, (asker) => {
      if (asksAgain(asker)) this.ask(asker);
    });
  }

  // Whether there has to be a connection

  /** While anybody holds a lock or waits for one, the connection keeps the process alive. */
  #updateNeed(): void {
    const isNeeded = this.#size > 0 || this.#isInFlight;
    const canRest = this.#session?.keepAlive(isNeeded) ?? true;
    if (isNeeded) {
      this.#retry?.ref();
      stopTimer(this.#idle);
      this.#idle = undefined;
      return;
    }
    this.#retry?.unref();
    const {unreferenced, referenced} = IDLE_MILLISECONDS;
    this.#idle ??= startTimer(canRest ? unreferenced : referenced, !canRest, () => {
      this.#idle = undefined;
      void this.end();
    });
  }

  /** Ends the session, also one that is being opened. Nobody may ask anything afterwards. */
  close(): Promise<void> {
    this.#isClosed = true;
    return this.end();
  }

  /** Ends the connection. The next asker opens another one. */
  async end(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.#listening = 'no';
    stopTimer(this.#idle);
    stopTimer(this.#poll);
    stopTimer(this.#retry);
    this.#idle = this.#poll = this.#retry = undefined;
    await session?.end();
  }
}
