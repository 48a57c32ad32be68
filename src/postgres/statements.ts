/** All that is said to the server. */

/**
 * What a process asks for one key, as a letter of the statement below. The session has the lock, or
 * shares the bell, or has neither.
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
 * What the session has then: `L` the lock, followed by a token if there are tokens; `B` the bell; `N`
 * neither; `?` what it did not have to begin with. (To a question, `L` and `N`.)
 */
export type Answer = string;

export const TOKENS = 'databases_lock_tokens';

/** So many acquisitions have the same number of the sequence, and count on by themselves. */
export const TOKENS_AT_ONCE = 65_536;

export const channelOf = (pid: string): string => `databases_lock_${pid}`;

/** The holders of an advisory lock whose number is in that column. */
const inLockTable = (column: string): string => `
  FROM pg_locks l
  WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.classid = ((${column} >> 32) & 4294967295)::oid
    AND l.objid = (${column} & 4294967295)::oid`;

/**
 * Calls the one session that is next among those that share the bell: by the number of its process,
 * the one after this session's own. So sessions take turns.
 */
const CALL_NEXT = `(
  SELECT pg_notify('databases_lock_' || next.pid, lock::text)::text FROM (
    SELECT l.pid ${inLockTable('bell')} AND l.pid <> pg_backend_pid()
    ORDER BY l.pid <= pg_backend_pid(), l.pid LIMIT 1
  ) next)`;

/**
 * After the lock was freed. Whoever waits shares the bell first and tries the lock then. So either
 * this sees the bell, or the other sees that the lock is free.
 */
const FREED = `CASE
  WHEN NOT pg_try_advisory_lock(bell) THEN concat('N', ${CALL_NEXT})
  WHEN pg_advisory_unlock(bell) THEN 'N'
  ELSE '?' END`;

/**
 * One statement for any number of keys, which never waits for a lock. It takes texts with the asks,
 * the locks and the bells, and returns the answers as one text, because clients differ in what they
 * make of arrays and numbers. `CASE` calls no more than it needs, one after the other.
 */
export const exchangeStatement = (hasTokens: boolean): string => {
  const lock = hasTokens ? `concat('L', nextval('${TOKENS}'))` : `'L'`;
  return `
SELECT pg_backend_pid()::text AS pid, coalesce(string_agg(
  CASE ask
    WHEN 't' THEN CASE
      WHEN pg_try_advisory_lock(lock) THEN ${lock}
      WHEN NOT pg_try_advisory_lock_shared(bell) THEN 'N'
      WHEN NOT pg_try_advisory_lock(lock) THEN 'B'
      WHEN pg_advisory_unlock_shared(bell) THEN ${lock}
      ELSE '?' END
    WHEN 'a' THEN CASE WHEN pg_try_advisory_lock(lock) THEN ${lock} ELSE 'N' END
    WHEN 'w' THEN CASE
      WHEN NOT pg_try_advisory_lock(lock) THEN 'B'
      WHEN pg_advisory_unlock_shared(bell) THEN ${lock}
      ELSE '?' END
    WHEN 'o' THEN CASE
      WHEN pg_try_advisory_lock(bell) THEN
        CASE WHEN pg_advisory_unlock(bell) THEN ${lock} ELSE '?' END
      WHEN NOT pg_advisory_unlock(lock) THEN '?'
      WHEN pg_try_advisory_lock_shared(bell) THEN concat('B', ${CALL_NEXT})
      ELSE concat('N', ${CALL_NEXT}) END
    WHEN 'r' THEN CASE WHEN pg_advisory_unlock(lock) THEN ${FREED} ELSE '?' END
    WHEN 'l' THEN CASE
      WHEN NOT pg_advisory_unlock_shared(bell) THEN '?'
      WHEN NOT pg_try_advisory_lock(lock) THEN 'N'
      WHEN pg_advisory_unlock(lock) THEN ${FREED}
      ELSE '?' END
    WHEN 'q' THEN CASE WHEN EXISTS (SELECT ${inLockTable('lock')}) THEN 'L' ELSE 'N' END
  END, ' ' ORDER BY n), '') AS answers
FROM unnest(
  string_to_array($1::text, ' '),
  string_to_array($2::text, ' ')::bigint[],
  string_to_array($3::text, ' ')::bigint[]
) WITH ORDINALITY AS asked (ask, lock, bell, n)`;
};

/** Says of a new session whether it can be had for locks. To be asked before anything is set. */
export const CHECK =
  'SELECT pg_backend_pid()::text AS pid, pg_is_in_recovery()::text AS in_recovery';

/**
 * The server finds out within 30 seconds that the machine of a client is gone, also while it has sent
 * something that nobody acknowledges. And nothing but that may end a session, or a statement.
 */
export const SETTINGS = `
SELECT count(set_config(s.name, v.value, false))::text AS settings
FROM (VALUES
  ('tcp_keepalives_idle', '10'),
  ('tcp_keepalives_interval', '5'),
  ('tcp_keepalives_count', '4'),
  ('tcp_user_timeout', '30000'),
  ('idle_session_timeout', '0'),
  ('idle_in_transaction_session_timeout', '0'),
  ('transaction_timeout', '0'),
  ('statement_timeout', '0'),
  ('lock_timeout', '0')
) v (name, value) JOIN pg_settings s ON s.name = v.name`;

export const FIND_TOKENS = `SELECT (to_regclass('${TOKENS}') IS NOT NULL)::text AS exists`;
export const CREATE_TOKENS = `CREATE SEQUENCE IF NOT EXISTS ${TOKENS} INCREMENT ${TOKENS_AT_ONCE}`;
