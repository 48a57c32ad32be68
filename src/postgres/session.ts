import {badTypeError} from '../errors.js';
import {NativePromise, createWeakMap, then, uncurried} from '../intrinsics.js';
import {floor, max, min} from '../shared/intrinsics.js';
import {now, startTimer, stopTimer, type Timer} from '../shared/runtime/clocks.js';
import {Refusal} from './errors.js';
import {
  CHECK,
  CREATE_TOKENS,
  FIND_TOKENS,
  GIVE_UP,
  SETTINGS,
  TOKENS,
  channelOf,
  exchangeStatement,
  type Answer,
} from './statements.js';
import type {PostgresClient} from './types.js';

/** How long it may take to connect and to prepare the session. */
const CONNECTING_MILLISECONDS = 10_000;

/**
 * After how much silence the server is asked for a sign of life, and how long each answer may take.
 * The server gives up a client that it no longer hears after 30 seconds. These two add up to far less,
 * so a holder is told that it has lost the lock before anybody else can get it.
 *
 * A process that was suspended, or a thread that was blocked, asks late. So an answer has to come
 * within 25 seconds of the last statement that was answered, or within half a second if it is too late
 * for that. Then the holder is told in time even so, if it still can be.
 */
const SILENCE_MILLISECONDS = 5000;
const ANSWER_MILLISECONDS = {most: 5000, least: 500};
const SURE_MILLISECONDS = 25_000;

/** How long a thread that was busy has, to read an answer that has come meanwhile. */
const READING_MILLISECONDS = 50;

/** How long the end of a connection is awaited. The other side may be gone, and never answer. */
const ENDING_MILLISECONDS = 2000;

/** The clients that have been connected once. */
const used = createWeakMap<object, true>();

const split = uncurried(String.prototype.split as (this: string, separator: string) => string[]);

export interface SessionEvents {
  /** The session was lost, and with it all that it held. Not called when it was ended by `end`. */
  onLost(error: unknown): void;
  /** Nothing has been sent for a while: time to ask for a sign of life. */
  onSilence(): void;
  /** Another session freed the lock with this number, and it is this session's turn. */
  onCalled(lock: string): void;
}

/** What is sent at once, for several keys. */
export interface Batch {
  asks: string;
  locks: string;
  bells: string;
}

/**
 * The answers to a batch. There are none if the server's lock table had no room, which is the cause:
 * then the session has nothing of these keys any more.
 */
export type Outcome =
  {readonly answers: Answer[]} | {readonly answers: undefined; readonly cause: unknown};

/** The SQLSTATE by which the server says so. */
const OUT_OF_MEMORY = '53200';
const isTableFull = (error: unknown): boolean =>
  (error as {code?: unknown} | null | undefined)?.code === OUT_OF_MEMORY;

type Row = Readonly<Record<string, unknown>>;

/**
 * One connection, from when it is made until it ends. At most one statement is in flight: whoever
 * sends one waits for the answer before the next.
 *
 * After a statement has failed, nobody can say which locks the session holds. So the session ends
 * then, and the server frees all of them. Only when the server's lock table is full, which is nobody's
 * fault in particular, the session gives up what it has of the keys of that statement, and goes on.
 */
export class Session {
  readonly #client: PostgresClient;
  readonly #events: SessionEvents;
  #statement = {name: '', text: ''};
  #pid = '';
  #isOver = false;
  #isReferenced = true;
  /** When something was sent last, and when the last of what has been answered was. */
  #sentAt = 0;
  #heardAt = 0;
  #isAwaiting = false;
  #beat: Timer | undefined;

  private constructor(client: PostgresClient, events: SessionEvents) {
    this.#client = client;
    this.#events = events;
    // First: an error that nobody listens to ends the process.
    client.on('error', (error) => this.lose(error));
    client.on('end', () => this.lose(new Error('The connection has ended.')));
    client.on('notification', ({payload}) => {
      if (payload !== undefined && !this.#isOver) events.onCalled(payload);
    });
  }

  /** @throws `Refusal` when the connection does not lead straight to a primary server */
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
      if (used.get(client)) {
        throw new Refusal(
          'connect returned a client that was used before, and a client connects only once. ' +
            'Write connect: () => new pg.Client(url).',
        );
      }
      used.set(client, true);
      const opened = (session = new Session(client, events));
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
        true,
      );
    }
    await this.#query(SETTINGS);
    if (hasTokens) await this.#prepareTokens();
    this.#statement = {
      name: 'databases_lock',
      text: exchangeStatement(hasTokens, String(about['database'])),
    };
    this.#watch();
  }

  /** The server tells each client the number of its process. A pooler makes one up. */
  #assertDirect(): void {
    const {processID} = this.#client;
    if (processID === undefined || processID === null) {
      throw new Refusal(
        'The client has no processID, without which a pooler could not be noticed.',
      );
    }
    if (String(processID) !== this.#pid) {
      throw new Refusal(
        'The connection leads through a pooler, which may have another connection for each statement. ' +
          'Connect to the server itself.',
      );
    }
  }

  async #prepareTokens(): Promise<void> {
    const find = async () => (await this.#query(FIND_TOKENS))[0]?.['grow'];
    let grow = await find();
    if (grow === undefined) {
      try {
        await this.#query(CREATE_TOKENS);
        grow = await find();
      } catch (error) {
        // Another session may have been quicker.
        grow = await find();
        if (grow === undefined) throw error;
      }
    }
    if (grow !== 'true') {
      throw new Refusal(
        `"${TOKENS}" is no sequence whose numbers always grow. ` +
          'Create it with a positive INCREMENT, CACHE 1 and NO CYCLE.',
      );
    }
  }

  /** Sends a batch. If it fails, the session is lost, and `onLost` is called. */
  async exchange({asks, locks, bells}: Batch, count: number): Promise<Outcome> {
    const values = [asks, locks, bells];
    let rows: Row[];
    try {
      rows = await this.#send({...this.#statement, values});
    } catch (error) {
      if (this.#isOver) throw error;
      await this.#send({text: GIVE_UP, values});
      return {answers: undefined, cause: error};
    }
    const {pid, answers} = rows[0] ?? {};
    if (pid !== this.#pid || typeof answers !== 'string') {
      return this.#fail('The client has reconnected by itself.');
    }
    const all = answers === '' ? [] : split(answers, ' ');
    for (const answer of all) {
      if (answer === '?') return this.#fail('Other code released a lock on this connection.');
    }
    if (all.length !== count) return this.#fail('The answer of the server is not complete.');
    return {answers: all};
  }

  #fail(message: string): never {
    const error = new Error(message);
    this.lose(error);
    throw error;
  }

  /** From now on other sessions can call this one. */
  async listen(): Promise<void> {
    await this.#send({text: `LISTEN "${channelOf(this.#pid)}"`});
  }

  async unlisten(): Promise<void> {
    await this.#send({text: 'UNLISTEN *'});
  }

  /**
   * Sends a statement, and waits for the answer for a limited time. A failure ends the session, unless
   * the lock table of the server is full.
   */
  async #send(statement: {name?: string; text: string; values?: string[]}): Promise<Row[]> {
    const sentAt = (this.#sentAt = now());
    this.#isAwaiting = true;
    const {most, least} = ANSWER_MILLISECONDS;
    const limit = max(least, min(most, this.#heardAt + SURE_MILLISECONDS - sentAt));
    let timer = startTimer(limit, false, () => {
      // This thread may have been too busy to read the answer. The next turn of the event loop would be
      // too early to say: in Deno it comes before the socket is read.
      timer = startTimer(READING_MILLISECONDS, false, () => {
        this.lose(new Error(`The server did not answer within ${floor(limit)} ms.`));
      });
    });
    try {
      const {rows} = await this.#client.query(statement);
      this.#heardAt = sentAt;
      return rows as Row[];
    } catch (error) {
      if (!isTableFull(error)) this.lose(error);
      throw error;
    } finally {
      this.#isAwaiting = false;
      stopTimer(timer);
    }
  }

  /** Only while the session is prepared: a failure is reported by `open`. */
  async #query(text: string): Promise<Row[]> {
    return (await this.#client.query({text})).rows as Row[];
  }

  // Signs of life

  /** Nothing was held until now, so no sign of life was needed, and none is missing. */
  needed(): void {
    this.#heardAt = now();
  }

  #watch(): void {
    this.#heardAt = this.#sentAt = now();
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

  /** Sets whether the connection keeps the process alive. @returns whether the client lets it be set */
  keepAlive(keepsAlive: boolean): boolean {
    const client = this.#client;
    if (typeof client.ref !== 'function' || typeof client.unref !== 'function') return false;
    if (keepsAlive !== this.#isReferenced) {
      if (keepsAlive) client.ref();
      else client.unref();
      // Last: either may throw if the stack runs out.
      this.#isReferenced = keepsAlive;
    }
    return true;
  }

  // The end

  get isOver(): boolean {
    return this.#isOver;
  }

  lose(error: unknown): void {
    if (this.#isOver) return;
    void this.end();
    this.#events.onLost(error);
  }

  /** Ends the session. Never rejects, and resolves before long even if nobody answers. */
  async end(): Promise<void> {
    this.#isOver = true;
    stopTimer(this.#beat);
    await new NativePromise<void>((resolve) => {
      const timer = startTimer(ENDING_MILLISECONDS, true, () => {
        // The server, or the system, sees to what cannot be ended in an orderly way.
        resolve();
        this.keepAlive(false);
      });
      const stop = () => {
        stopTimer(timer);
        resolve();
      };
      void then(this.#endClient(), stop, stop);
    });
  }

  async #endClient(): Promise<void> {
    try {
      // `pg` never ends a connection that does not keep the process alive.
      this.keepAlive(true);
    } finally {
      await this.#client.end();
    }
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
