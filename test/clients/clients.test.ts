// What uses 2.1.0 in the world: the real `@databases/pg` and `@databases/mysql`, with this lock in
// place of theirs.
import {inspect} from 'node:util';
import test from 'ava';
import {deferred, settle} from '../support/async.js';
import {Database} from './database.js';
import {
  CLIENT_NAMES,
  createPool,
  OURS,
  VERSION_2,
  type ClientName,
  type PoolOptions,
  type Queryable,
} from './load.js';

const TIMED_OUT = {message: /^Timed out waiting for lock after \d+ms$/};
const ROLLED_BACK = {message: 'rolled back'};

const rollBack = () => {
  throw new Error(ROLLED_BACK.message);
};

const insert = (on: Queryable, entry: string) =>
  on.query(on.sql`INSERT INTO entries VALUES (${entry})`);

/** Long enough for everything but a wait in vain. */
const TIMEOUT = 500;

function connect(name: ClientName, lock: object, options: PoolOptions) {
  const database = new Database();
  return {database, pool: createPool(name, lock, database, options)};
}

for (const name of CLIENT_NAMES) {
  for (const poolSize of [1, 3]) {
    test.serial(
      `${name}: concurrent tasks and transactions take turns on each of ${poolSize} connections`,
      async (t) => {
        const {database, pool} = connect(name, OURS, {poolSize});
        const callers = Array.from({length: 10}, async (_, id) => {
          await pool.task(async (connection) => {
            await Promise.all([
              connection.tx(async (tx) => {
                await insert(tx, `${id} first`);
                await tx.tx((inner) => insert(inner, `${id} second`));
              }),
              t.throwsAsync(
                connection.tx(async (tx) => {
                  await insert(tx, `${id} rolled back`);
                  rollBack();
                }),
                ROLLED_BACK,
              ),
              insert(connection, `${id} third`),
              connection.tx((tx) =>
                Promise.all([insert(tx, `${id} fourth`), insert(tx, `${id} fifth`)]),
              ),
            ]);
          });
          await pool.tx((tx) =>
            Promise.all([
              insert(tx, `${id} sixth`),
              t.throwsAsync(
                tx.tx(async (inner) => {
                  await insert(inner, `${id} rolled back`);
                  rollBack();
                }),
                ROLLED_BACK,
              ),
              insert(tx, `${id} seventh`),
            ]),
          );
        });
        await Promise.all(callers);
        await pool.dispose();

        const numbers = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh'];
        for (let id = 0; id < 10; id++) {
          t.deepEqual(
            database.rows.filter((entry) => (entry as string).startsWith(`${id} `)),
            numbers.map((number) => `${id} ${number}`),
          );
        }
        t.is(database.rows.length, 10 * numbers.length);
        t.is(database.connections.length, poolSize);
        for (const {conflicts} of database.connections) t.deepEqual(conflicts, []);
      },
    );
  }

  test.serial(`${name}: who waits longer than the timeout fails alone`, async (t) => {
    const {database, pool} = connect(name, OURS, {
      poolSize: 1,
      acquireLockTimeoutMilliseconds: 50,
    });
    await pool.task(async (connection) => {
      await connection.tx(async (tx) => {
        await insert(tx, 'in the transaction');
        // It waits for the transaction that waits for it: what the timeout is for.
        await t.throwsAsync(insert(connection, 'late'), TIMED_OUT);
        await t.throwsAsync(
          connection.tx(() => Promise.resolve()),
          TIMED_OUT,
        );
      });
      await insert(connection, 'after the transaction');
    });
    await insert(pool, 'after the task');
    await pool.dispose();
    t.deepEqual(database.rows, ['in the transaction', 'after the transaction', 'after the task']);
    t.deepEqual(database.connections[0]?.conflicts, []);
  });

  /**
   * Somebody waits in vain for a transaction; while that still runs, and then is rolled back,
   * somebody else writes.
   */
  const writeAfterATimeout = async (lock: object) => {
    const {database, pool} = connect(name, lock, {
      poolSize: 1,
      acquireLockTimeoutMilliseconds: TIMEOUT,
    });
    await pool.task(async (connection) => {
      const end = deferred();
      const transaction = connection.tx(async (tx) => {
        await insert(tx, 'rolled back');
        await end.promise;
        rollBack();
      });
      await insert(connection, 'late').catch(() => undefined);
      const written = insert(connection, 'written');
      await settle();
      end.resolve();
      await transaction.catch(() => undefined);
      await written;
    });
    await pool.dispose();
    return database.rows;
  };

  test.serial(
    `${name}: a timeout lets nobody into another's transaction, to be rolled back with it`,
    async (t) => {
      t.deepEqual(await writeAfterATimeout(OURS), ['written']);
      t.deepEqual(await writeAfterATimeout(VERSION_2), [], 'what 2.1.0 makes of it');
    },
  );

  /**
   * A task ends by the timeout of one of its queries, while a transaction of it still runs. Its end
   * then is no business of a transaction that another connection began meanwhile.
   */
  const endTaskDuringItsTransaction = async (lock: object) => {
    const {database, pool} = connect(name, lock, {
      poolSize: 2,
      acquireLockTimeoutMilliseconds: TIMEOUT,
    });
    const otherIsConnected = deferred();
    const end = deferred();
    const late = deferred();
    const other = pool.task(async (connection) => {
      otherIsConnected.resolve();
      await late.promise;
      await settle();
      await connection.tx(async (tx) => {
        const isInside = deferred();
        const endInner = deferred();
        const inner = tx.tx(async (savepoint) => {
          await insert(savepoint, 'rolled back');
          isInside.resolve();
          await endInner.promise;
          rollBack();
        });
        await isInside.promise;
        const written = insert(tx, 'written');
        end.resolve();
        await settle();
        await settle();
        endInner.resolve();
        await inner.catch(() => undefined);
        await written;
      });
    });
    await otherIsConnected.promise;
    const task = pool.task(async (connection) => {
      const query = async () => {
        await insert(connection, 'late').finally(late.resolve);
      };
      await Promise.all([
        connection.tx(async () => {
          await end.promise;
        }),
        query(),
      ]);
    });
    await Promise.allSettled([task, other]);
    await settle();
    await pool.dispose();
    return database.rows;
  };

  test.serial(
    `${name}: the end of a task leaves no lock behind that drives another connection's`,
    async (t) => {
      t.deepEqual(await endTaskDuringItsTransaction(OURS), ['written']);
      t.deepEqual(await endTaskDuringItsTransaction(VERSION_2), [], 'what 2.1.0 makes of it');
    },
  );

  /** What "Check timeouts at start-up" in docs/migrating-from-2.md warns of. */
  for (const timeout of ['5000', NaN, null, -1]) {
    test.serial(`${name}: a transaction with a bad timeout, ${inspect(timeout)}`, async (t) => {
      const {database, pool} = connect(name, OURS, {
        poolSize: 1,
        acquireLockTimeoutMilliseconds: timeout,
      });
      await t.throwsAsync(
        pool.tx((tx) => insert(tx, 'never')),
        {message: /timeoutMilliseconds/},
      );
      await insert(pool, 'later');
      await pool.dispose();
      // `BEGIN` came before, and only @databases/mysql throws a connection away after an error.
      t.deepEqual(database.rows, name === '@databases/pg' ? [] : ['later']);
    });
  }
}
