import {badTypeError} from '../errors.js';

/**
 * The property in which an object keeps itself. Its methods find it there when they are called on a
 * proxy.
 */
export const SELF = Symbol('self');

/**
 * Returns the object itself, for a method that was called on it or on a proxy of it, such as Vue's.
 *
 * @throws `TypeError` if the method was called on nothing, as after `const {withLock} = lock`
 */
export function unproxied<T extends {readonly [SELF]: T}>(receiver: T | undefined): T {
  const self = receiver?.[SELF];
  if (self === undefined) {
    const expected = 'a method of a lock to be called on the lock, as in lock.withLock(fn)';
    throw badTypeError(expected, receiver);
  }
  return self;
}

/** The method that `util.inspect` and `console.log` call in Node.js, Deno and Bun. */
export const INSPECT = Symbol.for('nodejs.util.inspect.custom');
