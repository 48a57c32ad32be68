/** Every statement that is sent to the server. */

/**
 * What a process asks for one key: a letter, which the statement below tells apart. The session has
 * the lock, or shares the bell, or has neither.
 *
 * - `t`, try: has neither. Gets the lock, or else shares the bell.
 * - `a`, attempt: has neither. Gets the lock, or else nothing.
 * - `w`, wake: shares the bell. Gets the lock for it, if that is free.
 * - `o`, offer: has the lock, and a line. Keeps it if nobody else waits. Otherwise it frees the lock,
 *   shares the bell, and calls the next.
 * - `r`, release: has the lock. Frees it, and calls the next.
 * - `l`, leave: shares the bell. Gives it up, and calls the next if the lock is free: it may have been
 *   called itself.
 * - `q`, question: answers whether anybody has the lock.
 */
export type Ask = 't' | 'a' | 'w' | 'o' | 'r' | 'l' | 'q';

/**
 * What the session has afterwards: `L` the lock, followed by a token if there are tokens; `B` its share
 * of the bell; `N` neither. `?` means that it did not have what it was to give up. To a question, `L`
 * means that somebody has the lock, and `N` that nobody does.
 */
export type Answer = string;

export const TOKENS = 'databases_lock_tokens';

/** A process counts so many acquisitions by itself, before it takes the next number of the sequence. */
export const TOKENS_AT_ONCE = 65_536;

export const channelOf = (pid: string): string => `databases_lock_${pid}`;

/**
 * The advisory locks that sessions have, and the number of one. (Functions and tables are named with
 * their schema, because the `search_path` of a role may begin with another one. `unnest` of several
 * arrays is the server's own only without it.)
 *
 * The statements for locks read no table that all databases share: that would need an entry of the
 * server's lock table, and what gives up locks has to work while that is full.
 */
const ADVISORY_LOCKS = `
    pg_catalog.pg_locks l WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted`;
const NUMBER = '((l.classid::bigint << 32) | l.objid::bigint)';

/** What is asked: the three parameters of a statement. */
const ASKED = `unnest(
    pg_catalog.string_to_array($1::text, ' '),
    pg_catalog.string_to_array($2::text, ' ')::bigint[],
    pg_catalog.string_to_array($3::text, ' ')::bigint[]
  ) WITH ORDINALITY AS asked (ask, lock, bell, n)`;

/**
 * What follows once the lock is free. A waiter takes its share of the bell before it tries the lock
 * again. So either this finds the bell shared, or the waiter finds the lock free.
 */
const FREED = `CASE
      WHEN NOT pg_catalog.pg_try_advisory_lock(bell) THEN 'N!'
      WHEN pg_catalog.pg_advisory_unlock(bell) THEN 'N'
      ELSE '?' END`;

/** The bells of the keys for which somebody has to be called. */
const RUNG = `ARRAY(SELECT bell FROM done WHERE answer LIKE '_!')`;

/**
 * One statement for any number of keys, which never waits for a lock. The asks, the locks and the
 * bells are three texts, and the answers are one, because clients differ in how they read and write
 * arrays and numbers. `CASE` evaluates its branches in order, and no more of them than it needs.
 *
 * First all asks are done. Where a lock is free afterwards and others wait for it, the answer ends in
 * `!`. Only then, and only if there is such a key, the locks of the server are read, once for all keys.
 * (A condition on nothing that is read is tested before anything is read.) For each such key one of the
 * sessions that share its bell is called: the one whose process number comes next after this session's
 * own. So sessions take turns.
 *
 * @param database the number of the database, to which an advisory lock belongs
 */
export const exchangeStatement = (hasTokens: boolean, database: string): string => {
  // A product, whatever the increment of the sequence is: somebody else may have created it.
  const token = `pg_catalog.nextval('${TOKENS}')::numeric * ${TOKENS_AT_ONCE}`;
  const lock = hasTokens ? `pg_catalog.concat('L', ${token})` : `'L'`;
  const inDatabase = `${ADVISORY_LOCKS} AND l.database = ${database}`;
  return `
WITH done AS MATERIALIZED (
  SELECT n, lock, bell, CASE ask
    WHEN 't' THEN CASE
      WHEN pg_catalog.pg_try_advisory_lock(lock) THEN ${lock}
      WHEN NOT pg_catalog.pg_try_advisory_lock_shared(bell) THEN 'N'
      WHEN NOT pg_catalog.pg_try_advisory_lock(lock) THEN 'B'
      WHEN pg_catalog.pg_advisory_unlock_shared(bell) THEN ${lock}
      ELSE '?' END
    WHEN 'a' THEN CASE WHEN pg_catalog.pg_try_advisory_lock(lock) THEN ${lock} ELSE 'N' END
    WHEN 'w' THEN CASE
      WHEN NOT pg_catalog.pg_try_advisory_lock(lock) THEN 'B'
      WHEN pg_catalog.pg_advisory_unlock_shared(bell) THEN ${lock}
      ELSE '?' END
    WHEN 'o' THEN CASE
      WHEN pg_catalog.pg_try_advisory_lock(bell) THEN
        CASE WHEN pg_catalog.pg_advisory_unlock(bell) THEN ${lock} ELSE '?' END
      WHEN NOT pg_catalog.pg_advisory_unlock(lock) THEN '?'
      WHEN pg_catalog.pg_try_advisory_lock_shared(bell) THEN 'B!'
      ELSE 'N!' END
    WHEN 'r' THEN CASE WHEN pg_catalog.pg_advisory_unlock(lock) THEN ${FREED} ELSE '?' END
    WHEN 'l' THEN CASE
      WHEN NOT pg_catalog.pg_advisory_unlock_shared(bell) THEN '?'
      WHEN NOT pg_catalog.pg_try_advisory_lock(lock) THEN 'N'
      WHEN pg_catalog.pg_advisory_unlock(lock) THEN ${FREED}
      ELSE '?' END
    WHEN 'q' THEN CASE
      WHEN EXISTS (SELECT FROM ${inDatabase} AND ${NUMBER} = lock) THEN 'L'
      ELSE 'N' END
    END AS answer
  FROM ${ASKED}
), waiting AS MATERIALIZED (
  SELECT ${NUMBER} AS number, l.pid FROM ${inDatabase}
    AND pg_catalog.cardinality(${RUNG}) > 0
    AND ${NUMBER} = ANY (${RUNG})
    AND l.pid <> pg_catalog.pg_backend_pid()
)
SELECT pg_catalog.pg_backend_pid()::text AS pid, coalesce(pg_catalog.string_agg(
  CASE WHEN answer LIKE '_!' THEN pg_catalog.concat(pg_catalog.left(answer, 1), (
    SELECT pg_catalog.pg_notify('databases_lock_' || next.pid, lock::text)::text FROM (
      SELECT pid FROM waiting WHERE number = bell
      ORDER BY pid <= pg_catalog.pg_backend_pid(), pid LIMIT 1
    ) next
  )) ELSE answer END, ' ' ORDER BY n), '') AS answers
FROM done`;
};

/**
 * Gives up whatever the session has of the keys of a statement that failed: it may have taken locks
 * before it did, and the session keeps those. A question takes nothing, and its key may be held.
 */
export const GIVE_UP = `
SELECT pg_catalog.count(CASE l.mode
  WHEN 'ShareLock' THEN pg_catalog.pg_advisory_unlock_shared(${NUMBER})
  ELSE pg_catalog.pg_advisory_unlock(${NUMBER}) END)::text AS given_up
FROM ${ADVISORY_LOCKS} AND l.pid = pg_catalog.pg_backend_pid()
  AND ${NUMBER} IN (SELECT pg_catalog.unnest(ARRAY[lock, bell]) FROM ${ASKED} WHERE ask <> 'q')`;

/** The answer tells whether a new session can be used for locks. This comes before any setting. */
export const CHECK = `
SELECT pg_catalog.pg_backend_pid()::text AS pid, pg_catalog.pg_is_in_recovery()::text AS in_recovery, (
  SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
)::text AS database`;

/**
 * The server notices within 30 seconds that the machine of a client is gone, even while data that it
 * sent is not acknowledged. Nothing else may end the session or a statement. And a statement is never
 * read-only, nor does it wait for a snapshot, whatever the defaults of the role are.
 *
 * It is planned once: the server would do so each time, because its plan for all numbers of keys seems
 * more costly than one for the number at hand. Then a hand-over takes half as long again (the row
 * "4 × 8, one key" of the benchmarks across processes). And no token comes again after a crash.
 */
export const SETTINGS = `
SELECT pg_catalog.count(pg_catalog.set_config(s.name, v.value, false))::text AS settings
FROM (VALUES
  ('tcp_keepalives_idle', '10'),
  ('tcp_keepalives_interval', '5'),
  ('tcp_keepalives_count', '4'),
  ('tcp_user_timeout', '30000'),
  ('idle_session_timeout', '0'),
  ('idle_in_transaction_session_timeout', '0'),
  ('transaction_timeout', '0'),
  ('statement_timeout', '0'),
  ('lock_timeout', '0'),
  ('default_transaction_read_only', 'off'),
  ('default_transaction_deferrable', 'off'),
  ('default_transaction_isolation', 'read committed'),
  ('plan_cache_mode', 'force_generic_plan'),
  ('jit', 'off'),
  ('synchronous_commit', CASE pg_catalog.current_setting('synchronous_commit') WHEN 'off' THEN 'on'
    ELSE pg_catalog.current_setting('synchronous_commit') END)
) v (name, value) JOIN pg_catalog.pg_settings s ON s.name = v.name`;

/** No row where there is no such sequence. */
export const FIND_TOKENS = `
SELECT (seqincrement > 0 AND seqcache = 1 AND NOT seqcycle)::text AS grow
FROM pg_catalog.pg_sequence WHERE seqrelid = pg_catalog.to_regclass('${TOKENS}')`;
export const CREATE_TOKENS = `CREATE SEQUENCE IF NOT EXISTS ${TOKENS}`;
