import type {PostgresClient} from './types.js';

/** The options that `postgres()` needs, besides those that say where the server is. */
export interface PostgresJsOptions {
  readonly max: 1;
  readonly idle_timeout: 0;
  readonly max_lifetime: null;
  readonly fetch_types: false;
  readonly onclose: () => void;
  readonly onnotify: (channel: string, payload: string) => void;
}

/** What the adapter needs of the object that `postgres()` returns. */
export interface PostgresJsSql {
  unsafe(
    text: string,
    values?: string[],
    options?: {prepare: boolean},
  ): PromiseLike<{readonly state?: unknown} & Iterable<unknown>>;
  end(options: {timeout: number}): PromiseLike<unknown>;
}

/**
 * Makes a client for `createPostgresLocks` out of postgres.js. By itself, postgres.js would reconnect
 * without telling anybody that the locks of the former connection are lost.
 *
 * @example
 * const locks = createPostgresLocks({
 *   connect: () => fromPostgresJs((options) => postgres(process.env.DATABASE_URL, options)),
 *   namespace: 'billing',
 * });
 */
export function fromPostgresJs(
  create: (options: PostgresJsOptions) => PostgresJsSql,
): PostgresClient {
  const listeners: {
    end?: () => void;
    notification?: (message: {payload: string}) => void;
  } = {};
  const sql = create({
    max: 1,
    idle_timeout: 0,
    max_lifetime: null,
    fetch_types: false,
    onclose: () => listeners.end?.(),
    onnotify: (_channel, payload) => listeners.notification?.({payload}),
  });
  const client: PostgresClient & {processID?: number} = {
    async connect() {
      const {state} = await sql.unsafe('SELECT 1');
      client.processID = (state as {pid: number}).pid;
    },
    async query({name, text, values = []}) {
      return {rows: [...(await sql.unsafe(text, values, {prepare: name !== undefined}))]};
    },
    on(event: string, listener: (message: never) => void) {
      Object.assign(listeners, {[event]: listener});
    },
    end: () => sql.end({timeout: 0}),
  };
  return client;
}
