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
 * The holders of an advisory lock whose number is in that column. (Functions and tables are named with
 * their schema, because the `search_path` of a role may begin with another one. `unnest` of several
 * arrays is the server's own only without it.)
 */
const inLockTable = (column: string): string => `
  FROM pg_catalog.pg_locks l
  WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
    AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
    AND l.classid = ((${column} >> 32) & 4294967295)::oid
    AND l.objid = (${column} & 4294967295)::oid`;

/**
 * Calls one of the sessions that share the bell: the one whose process number comes next after this
 * session's own. So sessions take turns.
 */
const CALL_NEXT = `(
  SELECT pg_catalog.pg_notify('databases_lock_' || next.pid, lock::text)::text FROM (
    SELECT l.pid ${inLockTable('bell')} AND l.pid <> pg_catalog.pg_backend_pid()
    ORDER BY l.pid <= pg_catalog.pg_backend_pid(), l.pid LIMIT 1
  ) next)`;

/**
 * What follows once the lock is free. A waiter takes its share of the bell before it tries the lock
 * again. So either this finds the bell shared, or the waiter finds the lock free.
 */
const FREED = `CASE
  WHEN NOT pg_catalog.pg_try_advisory_lock(bell) THEN pg_catalog.concat('N', ${CALL_NEXT})
  WHEN pg_catalog.pg_advisory_unlock(bell) THEN 'N'
  ELSE '?' END`;

/**
 * One statement for any number of keys, which never waits for a lock. The asks, the locks and the
 * bells are three texts, and the answers are one, because clients differ in how they read and write
 * arrays and numbers. `CASE` evaluates its branches in order, and no more of them than it needs.
 */
export const exchangeStatement = (hasTokens: boolean): string => {
  // A product, whatever the increment of the sequence is: somebody else may have created it.
  const token = `pg_catalog.nextval('${TOKENS}')::numeric * ${TOKENS_AT_ONCE}`;
  const lock = hasTokens ? `pg_catalog.concat('L', ${token})` : `'L'`;
  return `
SELECT pg_catalog.pg_backend_pid()::text AS pid, coalesce(pg_catalog.string_agg(
  CASE ask
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
      WHEN pg_catalog.pg_try_advisory_lock_shared(bell) THEN pg_catalog.concat('B', ${CALL_NEXT})
      ELSE pg_catalog.concat('N', ${CALL_NEXT}) END
    WHEN 'r' THEN CASE WHEN pg_catalog.pg_advisory_unlock(lock) THEN ${FREED} ELSE '?' END
    WHEN 'l' THEN CASE
      WHEN NOT pg_catalog.pg_advisory_unlock_shared(bell) THEN '?'
      WHEN NOT pg_catalog.pg_try_advisory_lock(lock) THEN 'N'
      WHEN pg_catalog.pg_advisory_unlock(lock) THEN ${FREED}
      ELSE '?' END
    WHEN 'q' THEN CASE WHEN EXISTS (SELECT ${inLockTable('lock')}) THEN 'L' ELSE 'N' END
  END, ' ' ORDER BY n), '') AS answers
FROM unnest(
  pg_catalog.string_to_array($1::text, ' '),
  pg_catalog.string_to_array($2::text, ' ')::bigint[],
  pg_catalog.string_to_array($3::text, ' ')::bigint[]
) WITH ORDINALITY AS asked (ask, lock, bell, n)`;
};

/** The answer tells whether a new session can be used for locks. This comes before any setting. */
export const CHECK =
  'SELECT pg_catalog.pg_backend_pid()::text AS pid, pg_catalog.pg_is_in_recovery()::text AS in_recovery';

/**
 * The server notices within 30 seconds that the machine of a client is gone, even while data that it
 * sent is not acknowledged. Nothing else may end the session or a statement. And a statement is never
 * read-only, nor does it wait for a snapshot, whatever the defaults of the role are.
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
  ('default_transaction_isolation', 'read committed')
) v (name, value) JOIN pg_catalog.pg_settings s ON s.name = v.name`;

/** No row where there is no such sequence. */
export const FIND_TOKENS = `
SELECT (seqincrement > 0 AND seqcache = 1 AND NOT seqcycle)::text AS grow
FROM pg_catalog.pg_sequence WHERE seqrelid = pg_catalog.to_regclass('${TOKENS}')`;
export const CREATE_TOKENS = `CREATE SEQUENCE IF NOT EXISTS ${TOKENS}`;
