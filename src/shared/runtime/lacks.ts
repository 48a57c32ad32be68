import {host} from './host.js';

/**
 * Tells what this runtime lacks that a lock across threads needs, if anything.
 *
 * @param since the versions of the runtime since which it has everything
 * @param needs what the lock needs of this runtime, apart from the language, by name
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
    `A lock across threads needs ${missing}, which ${name} has since ${since}. ` +
    `This is ${name} ${version}.`
  );
}
