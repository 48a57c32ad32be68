/** What is measured across processes, and by which names it is found in a report. */

/** So many processes of so many callers, for so many keys. */
export interface Size {
  readonly processes: number;
  readonly callers: number;
  readonly keys: number;
}

export const SIZES: readonly Size[] = [
  ...[1, 2, 4, 8].map((processes) => ({processes, callers: 8, keys: 1})),
  {processes: 2, callers: 16, keys: 16},
];

export const machinesRow = ({processes, callers, keys}: Size) =>
  `${processes} × ${callers}, ${keys === 1 ? 'one key' : `${keys} keys`}`;

/** So many callers wait for one that holds the lock, and nothing else happens. */
export const IDLE: Size = {processes: 4, callers: 12, keys: 1};
export const IDLE_ROW = `${IDLE.processes} × ${IDLE.callers} that wait`;

export const BLOCKING_QUERY = 'pg, pg_advisory_lock';
export const ADVISORY_LOCK = 'advisory-lock';
export const PG_MUTEX_LOCK = 'pg-mutex-lock';
export const VERROU = '@verrou/core';
