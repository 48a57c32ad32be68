/**
 * A database of one table with one column, as far as clients can see through their drivers: each
 * connection has its transaction and its savepoints, and nothing that it writes is there for good
 * before it has been committed.
 */
import {EventEmitter} from 'node:events';
import {setImmediate as turn} from 'node:timers/promises';

/** What was written since `BEGIN`, or since a savepoint. */
interface Level {
  readonly savepoint: string | undefined;
  rows: unknown[];
}

export class Database {
  /** What has been committed. */
  readonly rows: unknown[] = [];
  readonly connections: Connection[] = [];

  connect(): Connection {
    const connection = new Connection(this.rows);
    this.connections.push(connection);
    return connection;
  }

  /** In place of what the package `pg` exports. */
  get pg(): object {
    const connect = () => this.connect();
    return {
      Client: class extends EventEmitter {
        readonly #connection = connect();

        async connect(): Promise<void> {
          await turn();
        }

        async query(query: string | {text: string; values: unknown[]}): Promise<object> {
          const {text, values} = typeof query === 'string' ? {text: query, values: []} : query;
          return {rows: await this.#connection.execute(text, values)};
        }

        async end(): Promise<void> {
          this.emit('end');
        }
      },
    };
  }

  /** In place of what `mysql2/promise` exports. */
  get mysql(): object {
    const connect = () => this.connect();
    const createConnection = async () => {
      const connection = connect();
      return Object.assign(new EventEmitter(), {
        query: async (text: string, values: unknown[] = []) => [
          await connection.execute(text, values),
        ],
        destroy: () => undefined,
      });
    };
    return {createConnection};
  }
}

export class Connection {
  readonly #committed: unknown[];
  #levels: Level[] = [];
  #isExecuting = false;
  /** Statements in the order in which they came. */
  readonly statements: string[] = [];
  /** What a lock has to prevent: two statements at once, or a transaction within a transaction. */
  readonly conflicts: string[] = [];

  constructor(committed: unknown[]) {
    this.#committed = committed;
  }

  async execute(text: string, values: readonly unknown[]): Promise<unknown[]> {
    this.statements.push(text);
    if (this.#isExecuting) this.conflicts.push(`${text} while another statement was executed`);
    this.#isExecuting = true;
    await turn();
    this.#isExecuting = false;
    this.#apply(text, values);
    return [];
  }

  #apply(text: string, values: readonly unknown[]): void {
    const [, command = text, savepoint] = /^(.*SAVEPOINT) (\w+)$/.exec(text) ?? [];
    switch (command) {
      case 'BEGIN':
        // As in PostgreSQL, nothing but a warning.
        if (this.#levels.length > 0) this.conflicts.push('BEGIN in a transaction');
        else this.#levels.push({savepoint, rows: []});
        break;
      case 'COMMIT':
        this.#committed.push(...this.#levels.flatMap(({rows}) => rows));
        this.#levels = [];
        break;
      case 'ROLLBACK':
        this.#levels = [];
        break;
      case 'SAVEPOINT':
        this.#levels.push({savepoint, rows: []});
        break;
      case 'RELEASE SAVEPOINT': {
        const rows = this.#since(savepoint);
        this.#levels.at(-1)?.rows.push(...rows);
        break;
      }
      case 'ROLLBACK TO SAVEPOINT':
        this.#since(savepoint);
        this.#levels.push({savepoint, rows: []});
        break;
      default:
        if (!text.startsWith('INSERT INTO entries ')) throw new Error(`Syntax error: ${text}`);
        (this.#levels.at(-1)?.rows ?? this.#committed).push(...values);
    }
  }

  /** Takes the savepoint away, and whatever was written since. */
  #since(savepoint: string | undefined): unknown[] {
    const at = this.#levels.findIndex((level) => level.savepoint === savepoint);
    if (at === -1) throw new Error(`There is no savepoint ${savepoint}.`);
    return this.#levels.splice(at).flatMap(({rows}) => rows);
  }
}
