import {badTypeError} from '../errors.js';

/** Where an object keeps itself, so that its methods find it when called on a proxy of it. */
export const SELF = Symbol('self');

/**
 * The object itself, for a method that was called on it or on a proxy of it, such as Vue's.
 *
 * @throws `TypeError` if there is none, as after `const {withLock} = lock`
 */
export function unproxied<T extends {readonly [SELF]: T}>(receiver: T | undefined): T {
  const self = receiver?.[SELF];
  if (self === undefined) {
    const expected = 'a method of a lock to be called on the lock, as in lock.withLock(fn)';
    throw badTypeError(expected, receiver);
  }
  return self;
}

/** What `util.inspect` and `console.log` call, in Node.js, Deno and Bun. */
export const INSPECT = Symbol.for('nodejs.util.inspect.custom');
