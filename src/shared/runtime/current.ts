import {LockError} from '../../errors.js';
import {bun} from './bun.js';
import {deno} from './deno.js';
import {elsewhere} from './elsewhere.js';
import {host} from './host.js';
import {node} from './node.js';
import type {Runtime} from './runtime.js';

const versions: Partial<NodeJS.ProcessVersions> = host.process?.versions ?? {};

/** The runtime that runs this code. (Bun and Deno also claim a version of Node.js.) */
export const runtime: Runtime =
  versions.bun !== undefined
    ? bun
    : versions.deno !== undefined
      ? deno
      : versions.node !== undefined
        ? node
        : elsewhere;

/** @throws `LockError` (`ERR_LOCK_UNSUPPORTED`) where a lock across threads cannot work. */
export function assertSupported(): void {
  const obstacle = runtime.obstacle();
  if (obstacle !== undefined) throw new LockError('ERR_LOCK_UNSUPPORTED', obstacle);
}
