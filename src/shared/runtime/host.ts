/**
 * What the platform gives to the files of this folder.
 *
 * All of it is taken when the package is loaded, and from Node.js rather than from `globalThis`: in
 * a test, globals may be fake, or belong to a realm that is gone before its memory is.
 */
import type workerThreads from 'node:worker_threads';
import {LockError} from '../../errors.js';

const host: {process?: Partial<typeof process>} = globalThis;

/**
 * A module of Node.js, or what else of that name there is. Not by `import`: a platform that lacks a
 * module, or a name in it, must still be able to load this package.
 */
export const builtin = <T extends object>(name: string): Partial<T> =>
  host.process?.getBuiltinModule?.(name) ?? {};

/** @throws `LockError`, `code: 'ERR_LOCK_UNSUPPORTED'`, if a lock across threads cannot work. */
export function assertSupported(): void {
  const {postMessageToThread} = builtin<typeof workerThreads>('node:worker_threads');
  const missing =
    typeof SharedArrayBuffer !== 'function'
      ? 'SharedArrayBuffer'
      : typeof globalThis.Atomics.waitAsync !== 'function'
        ? 'Atomics.waitAsync'
        : typeof postMessageToThread !== 'function'
          ? 'worker_threads.postMessageToThread'
          : undefined;
  if (missing !== undefined) {
    throw new LockError(
      'ERR_LOCK_UNSUPPORTED',
      `A lock across threads needs ${missing}, which Node.js has from 20.19 and 22.5 on.`,
    );
  }
}
