import {host} from './host.js';

/**
 * Which of the things that a lock across threads needs this runtime lacks, if any.
 *
 * @param since from which of its versions on it has everything
 * @param needs what it needs there beside what the language has, by their names
 */
export function findLack(
  name: string,
  key: 'node' | 'bun' | 'deno',
  since: string,
  needs: Readonly<Record<string, unknown>> = {},
): string | undefined {
  const all: Readonly<Record<string, unknown>> = {
    SharedArrayBuffer: globalThis.SharedArrayBuffer,
    'Atomics.waitAsync': globalThis.Atomics.waitAsync,
    ...needs,
  };
  const missing = Object.keys(all).find((need) => typeof all[need] !== 'function');
  if (missing === undefined) return undefined;
  const version = host.process?.versions?.[key] ?? 'unknown';
  return (
    `A lock across threads needs ${missing}, which ${name} has from ${since} on. ` +
    `This is ${name} ${version}.`
  );
}
