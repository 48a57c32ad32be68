import {badTypeError} from '../errors.js';
import {NativePromise, then, uncurried} from '../intrinsics.js';
import {now, startTimer, stopTimer, type Timer} from '../shared/runtime/clocks.js';
import {Refusal} from './errors.js';
import {
  CHECK,
  CREATE_TOKENS,
  FIND_TOKENS,
  SETTINGS,
  channelOf,
  exchangeStatement,
  type Answer,
} from './statements.js';
import {nextTurn} from './turns.js';
import type {PostgresClient} from './types.js';

/** How long the making of a connection may take, until the first lock could be asked for. */
const CONNECTING_MILLISECONDS = 10_000;

/**
 * How long a connection may be silent until it is asked for a sign of life, and how long each answer
 * may take. Together far less than the 30 seconds after which the server gives up a client that it no
 * longer hears: so a holder is told that it has lost the lock before anybody else can get it.
 */
const SILENCE_MILLISECONDS = 5000;
const ANSWER_MILLISECONDS = 5000;

const split = uncurried(String.prototype.split as (this: string, separator: string) => string[]);

export interface SessionEvents {
  /** It is over, and with it all that it held. Not called of one that was ended. */
  onLost(error: unknown): void;
  /** Nothing has been sent for a while: time to ask for a sign of life. */
  onSilence(): void;
  /** Another session freed the lock of that number, and this one is next. */
  onCalled(lock: string): void;
}

/** What is sent at once, for several keys. */
export interface Batch {
  asks: string;
  locks: string;
  bells: string;
}

type Row = Readonly<Record<string, unknown>>;

/**
 * One connection, from its making to its end. It has one statement in flight at most; whoever sends
 * one waits for its answer before the next.
 *
 * Nobody can say which locks a session holds after a statement that failed. So it is over then, and
 * the server frees all of them.
 */
export class Session {
  readonly #client: PostgresClient;
  readonly #events: SessionEvents;
  readonly #statement: {readonly name: string; readonly text: string};
  #pid = '';
  #isOver = false;
  #isReferenced = true;
  /** When something was sent last. */
  #sentAt = 0;
  #isAwaiting = false;
  #beat: Timer | undefined;

  private constructor(client: PostgresClient, events: SessionEvents, hasTokens: boolean) {
    this.#client = client;
    this.#events = events;
    this.#statement = {
      name: hasTokens ? 'databases_lock_1_tokens' : 'databases_lock_1',
      text: exchangeStatement(hasTokens),
    };
    // First: an error that nobody listens to ends the process.
    client.on('error', (error) => this.#lose(error));
    client.on('end', () => this.#lose(new Error('The connection has ended.')));
    client.on('notification', ({payload}) => {
      if (payload !== undefined && !this.#isOver) events.onCalled(payload);
    });
  }

  /** @throws `Refusal` where the connection is not one to the server itself, and that a primary one */
  static async open(
    connect: () => PostgresClient | PromiseLike<PostgresClient>,
    events: SessionEvents,
    hasTokens: boolean,
  ): Promise<Session> {
    let session: Session | undefined;
    let isLate = false;
    const opening = async () => {
      const client = await connect();
      assertClient(client);
      const opened = (session = new Session(client, events, hasTokens));
      if (isLate) void opened.end();
      await client.connect();
      await opened.#begin(hasTokens);
      return opened;
    };
    return new NativePromise((resolve, reject) => {
      const fail = (error: unknown) => {
        stopTimer(timer);
        void session?.end();
        reject(error);
      };
      const timer = startTimer(CONNECTING_MILLISECONDS, true, () => {
        isLate = true;
        fail(new Error(`There was no connection within ${CONNECTING_MILLISECONDS} ms.`));
      });
      const succeed = (opened: Session) => {
        stopTimer(timer);
        resolve(opened);
      };
      void then(opening(), succeed, fail);
    });
  }

  async #begin(hasTokens: boolean): Promise<void> {
    const [about] = await this.#query(CHECK);
    this.#pid = String(about?.['pid']);
    this.#assertDirect();
    if (about?.['in_recovery'] !== 'false') {
      throw new Refusal(
        'The server is a standby, which grants locks that others hold on the primary. ' +
          'Connect to the primary.',
      );
    }
    await this.#query(SETTINGS);
    if (hasTokens) await this.#createTokens();
    this.#watch();
  }

  /** The server tells its process to whoever connects, and a pooler makes one up. */
  #assertDirect(): void {
    const {processID} = this.#client;
    if (processID === undefined || processID === null) {
      throw new Refusal(
        'The client does not tell the processID of its connection, ' +
          'so nobody knows whether that leads through a pooler.',
      );
    }
    if (String(processID) !== this.#pid) {
      throw new Refusal(
        'The connection leads through a pooler, which may have another connection for each statement. ' +
          'Connect to the server itself.',
      );
    }
  }

  async #createTokens(): Promise<void> {
    const exist = async () => (await this.#query(FIND_TOKENS))[0]?.['exists'] === 'true';
    if (await exist()) return;
    try {
      await this.#query(CREATE_TOKENS);
    } catch (error) {
      // Another session may have been quicker.
      if (!(await exist())) throw error;
    }
  }

  /** Sends a batch. What becomes of it when the session ends, `onLost` tells, and not this. */
  async exchange({asks, locks, bells}: Batch): Promise<Answer[]> {
    const rows = await this.#send({...this.#statement, values: [asks, locks, bells]});
    const {pid, answers} = rows[0] ?? {};
    if (pid !== this.#pid || typeof answers !== 'string') {
      return this.#fail('The client has another connection than before.');
    }
    const all = answers === '' ? [] : split(answers, ' ');
    for (const answer of all) {
      if (answer === '?') return this.#fail('Somebody else used the connection to unlock.');
    }
    return all;
  }

  #fail(message: string): never {
    const error = new Error(message);
    this.#lose(error);
    throw error;
  }

  /** Lets others call this session. */
  async listen(): Promise<void> {
    await this.#send({text: `LISTEN "${channelOf(this.#pid)}"`});
  }

  async unlisten(): Promise<void> {
    await this.#send({text: 'UNLISTEN *'});
  }

  /** Sends a statement and waits for the answer, though not for ever. A failure ends the session. */
  async #send(statement: {name?: string; text: string; values?: string[]}): Promise<Row[]> {
    this.#sentAt = now();
    this.#isAwaiting = true;
    const timer = startTimer(ANSWER_MILLISECONDS, false, () => {
      // The answer may be there, where this thread was too busy to look at it.
      nextTurn(() => {
        if (this.#isAwaiting && now() - this.#sentAt >= ANSWER_MILLISECONDS) {
          this.#lose(new Error(`The server did not answer within ${ANSWER_MILLISECONDS} ms.`));
        }
      });
    });
    try {
      return (await this.#client.query(statement)).rows as Row[];
    } catch (error) {
      this.#lose(error);
      throw error;
    } finally {
      this.#isAwaiting = false;
      stopTimer(timer);
    }
  }

  /** Only while the session begins. */
  async #query(text: string): Promise<Row[]> {
    return (await this.#client.query({text})).rows as Row[];
  }

  // Signs of life

  #watch(): void {
    this.#sentAt = now();
    this.#scheduleBeat(SILENCE_MILLISECONDS);
  }

  #scheduleBeat(milliseconds: number): void {
    this.#beat = startTimer(milliseconds, false, () => {
      const left = this.#sentAt + SILENCE_MILLISECONDS - now();
      if (this.#isOver) return;
      if (left <= 0 && !this.#isAwaiting) this.#events.onSilence();
      this.#scheduleBeat(left > 0 ? left : SILENCE_MILLISECONDS);
    });
  }

  /** Whether it keeps the process alive. @returns whether the client can tell */
  keepAlive(keepsAlive: boolean): boolean {
    const client = this.#client;
    if (typeof client.ref !== 'function' || typeof client.unref !== 'function') return false;
    if (keepsAlive !== this.#isReferenced) {
      this.#isReferenced = keepsAlive;
      if (keepsAlive) client.ref();
      else client.unref();
    }
    return true;
  }

  // The end

  get isOver(): boolean {
    return this.#isOver;
  }

  #lose(error: unknown): void {
    if (this.#isOver) return;
    void this.end();
    this.#events.onLost(error);
  }

  /** Ends it. Resolves in any case, and before long. */
  async end(): Promise<void> {
    this.#isOver = true;
    stopTimer(this.#beat);
    // `pg` never ends a connection that does not keep the process alive.
    this.keepAlive(true);
    await new NativePromise<void>((resolve) => {
      const stop = () => {
        stopTimer(timer);
        this.keepAlive(false);
        resolve();
      };
      // The server sees to what cannot be ended in an orderly way.
      const timer = startTimer(ANSWER_MILLISECONDS, false, stop);
      const ending = async () => this.#client.end();
      void then(ending(), stop, stop);
    });
  }
}

function assertClient(client: unknown): void {
  for (const method of ['connect', 'query', 'on', 'end'] as const) {
    if (typeof (client as Partial<PostgresClient> | null | undefined)?.[method] !== 'function') {
      throw badTypeError(
        `connect to return a client with a method "${method}"`,
        client,
        ' Write connect: () => new pg.Client(url).',
      );
    }
  }
}
