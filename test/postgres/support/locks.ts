import type {ExecutionContext} from 'ava';
import type pg from 'pg';
import {
  createPostgresLocks,
  type PostgresClient,
  type PostgresLocks,
  type PostgresLocksOptions,
} from '../../../src/postgres/index.js';
import type {Server} from './server.js';

let namespaces = 0;

/** A namespace that no other test uses. */
export const newNamespace = () => `test ${process.pid} ${namespaces++}`;

/** A namespace that no other test uses, and clients that the server knows by it. */
export function newApplication(server: Server) {
  const namespace = newNamespace();
  return {namespace, connect: () => server.client({application_name: namespace})};
}

/** Locks as of another process: with a connection of their own. They end with the test. */
export function createLocks(
  t: ExecutionContext,
  server: Server,
  options: Partial<PostgresLocksOptions> & {namespace: string},
): PostgresLocks {
  const locks = createPostgresLocks({connect: () => server.client(), ...options});
  t.teardown(() => void locks.close().catch(() => undefined));
  return locks;
}

/** The advisory locks that the sessions of these locks have on the server, held or awaited. */
export async function advisoryLocks(server: Server, applicationName: string): Promise<number> {
  const [row] = await server.query<{count: string}>(
    `SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
     WHERE locktype = 'advisory' AND application_name = $1`,
    [applicationName],
  );
  return Number(row?.count);
}

export interface SessionRow {
  readonly pid: number;
  readonly backend_xmin: string | null;
  readonly query: string;
}

export async function sessions(server: Server, applicationName: string): Promise<SessionRow[]> {
  return server.query<SessionRow>(
    `SELECT pid, backend_xmin, query FROM pg_stat_activity WHERE application_name = $1`,
    [applicationName],
  );
}

/** A client that is like another but for some methods. */
export const unlike = (client: pg.Client, methods: object): PostgresClient =>
  new Proxy(client, {
    get: (target, name) => {
      const value: unknown = Reflect.get(name in methods ? methods : target, name);
      return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
    },
  });
