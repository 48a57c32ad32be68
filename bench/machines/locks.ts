/** The locks that processes contend for, each as its documentation uses it. */
import {createPostgresLocks} from '@databases/lock/postgres';
import {Verrou} from '@verrou/core';
import {kyselyStore} from '@verrou/core/drivers/kysely';
import advisoryLockModule from 'advisory-lock';
import {Kysely, PostgresDialect} from 'kysely';
import pg from 'pg';
import pgMutexLockModule from 'pg-mutex-lock';
import {OURS} from '../support/report.js';
import {ADVISORY_LOCK, BLOCKING_QUERY, PG_MUTEX_LOCK, VERROU} from './rows.js';

/** Calls `section` while it has the lock of `key`. */
export type WithLock = (key: string, section: () => Promise<void>) => Promise<unknown>;

// Of CommonJS modules, whose default export is a property of the one that is imported.
const {default: advisoryLock} = advisoryLockModule;
const {default: PGMutexLock} = pgMutexLockModule;

/** Each caller may need a connection of its own. */
export const MACHINES_LOCKS: Readonly<
  Record<string, (url: string, callers: number) => Promise<WithLock>>
> = {
  async [OURS](url) {
    const locks = createPostgresLocks({connect: () => new pg.Client(url), namespace: 'bench'});
    return (key, section) => locks.withLock(key, section);
  },

  async [BLOCKING_QUERY](url, callers) {
    const pool = new pg.Pool({connectionString: url, max: callers});
    pool.on('error', () => undefined);
    return async (key, section) => {
      const client = await pool.connect();
      try {
        await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [key]);
        await section();
        await client.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', [key]);
      } finally {
        client.release();
      }
    };
  },

  async [ADVISORY_LOCK](url) {
    const createMutex = advisoryLock(url);
    return (key, section) => createMutex(key).withLock(section);
  },

  async [PG_MUTEX_LOCK](url) {
    const {hostname, port, pathname, username} = new URL(url);
    const database = {
      host: hostname,
      port: Number(port),
      database: pathname.slice(1),
      password: 'none',
      user: username,
    };
    const mutex = new PGMutexLock({database, timeout: 60_000});
    return async (key, section) => {
      await mutex.acquireLock(key);
      await section();
      await mutex.releaseLock(key);
    };
  },

  async [VERROU](url, callers) {
    const pool = new pg.Pool({connectionString: url, max: callers});
    pool.on('error', () => undefined);
    const connection = new Kysely<unknown>({dialect: new PostgresDialect({pool})});
    const verrou = new Verrou({
      default: 'postgres',
      stores: {postgres: {driver: kyselyStore({connection})}},
    });
    return (key, section) => verrou.createLock(key, '30s').run(section);
  },
};
