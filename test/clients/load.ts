/**
 * Clients of 2.1.0, unchanged, with a lock and a driver in place of their own, as npm's `overrides`
 * would put them there.
 */
import Module, {createRequire} from 'node:module';
import type {ConnectionPool} from '@databases/pg';
import {compiledFile} from '../support/compiled.js';
import type {Database} from './database.js';

const require = createRequire(import.meta.url);

interface Client {
  readonly driver: string;
  readonly fakeDriver: (database: Database) => object;
  readonly connectionString: string;
}

const CLIENTS = {
  '@databases/pg': {
    driver: 'pg',
    fakeDriver: (database) => database.pg,
    connectionString: 'postgres://user@localhost/database',
  },
  '@databases/mysql': {
    driver: 'mysql2/promise',
    fakeDriver: (database) => database.mysql,
    connectionString: 'mysql://user@localhost/database',
  },
} satisfies Record<string, Client>;

export type ClientName = keyof typeof CLIENTS;
export const CLIENT_NAMES = Object.keys(CLIENTS) as ClientName[];

/** The exports of a lock package. */
export const OURS = require(compiledFile('src/index', 'commonjs')) as object;
export const VERSION_2 = require('databases-lock-2') as object;

export interface PoolOptions {
  readonly poolSize: number;
  readonly acquireLockTimeoutMilliseconds?: unknown;
}

/** As far as both clients have it. */
export type Pool = Pick<ConnectionPool, 'task' | 'tx' | 'query' | 'sql' | 'dispose'>;
export type Queryable = Pick<ConnectionPool, 'query' | 'sql'>;

export function createPool(
  name: ClientName,
  lock: object,
  database: Database,
  options: PoolOptions,
): Pool {
  const {driver, fakeDriver, connectionString} = CLIENTS[name];
  const client = createRequire(require.resolve(name));
  const shared = createRequire(client.resolve('@databases/shared'));
  for (const file of Object.keys(require.cache)) {
    if (/[\\/]@databases[\\/](pg|mysql|shared)[\\/]/.test(file)) {
      Reflect.deleteProperty(require.cache, file);
    }
  }
  replace(shared.resolve('@databases/lock'), lock);
  const file = client.resolve(driver);
  replace(file, {...(require(file) as object), ...fakeDriver(database)});
  const create = require(name) as (options: object) => Pool;
  return create({connectionString, bigIntMode: 'number', ...options});
}

function replace(file: string, exports: object): void {
  const module = new Module(file);
  module.exports = exports;
  module.loaded = true;
  require.cache[file] = module;
}
