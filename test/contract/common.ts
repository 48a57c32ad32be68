/** What the files of the contract have in common. */
import type {ExecutionContext, TestFn} from 'ava';
import type {AbortSignalLike, Lock, LockGuard} from '../../src/index.js';
import {settle} from '../support/async.js';

export type Test = TestFn['serial'];
export type CreateLock = (timeoutMilliseconds?: number) => Lock;

/** A lock of any reach: what some of them have to ask a server for is awaited. */
export interface TestedLock extends Omit<Lock, 'isLocked' | 'pool' | 'tryAcquire'> {
  readonly isLocked: boolean | Promise<boolean>;
  tryAcquire(): LockGuard | undefined | Promise<LockGuard | undefined>;
}
export type CreateTestedLock = (timeoutMilliseconds?: number) => TestedLock;

/** In what the reaches differ. */
export interface Reach {
  /** Whether whoever asks for a free lock has it when the call returns. */
  readonly isSynchronous: boolean;
  /** Everything that could happen without time passing has happened. */
  readonly settle: () => Promise<void>;
}

export interface LockErrorLike extends Error {
  code: string;
  timeoutMilliseconds: number;
}

export const timeoutOf50 = {
  name: 'LockTimeoutError',
  code: 'ERR_LOCK_TIMEOUT',
  message: 'Timed out waiting for lock after 50ms',
};
export const notHeld = {name: 'LockError', code: 'ERR_LOCK_NOT_HELD'};
export const pooled = {
  name: 'LockError',
  code: 'ERR_LOCK_POOLED',
  message: 'Cannot call Lock after returning the object to the pool.',
};

/** Of locks that ask no server. */
export const AT_HAND: Reach = {isSynchronous: true, settle};

/** Whether a test is one of a hundred thousand calls and more, by its title. */
export const isOfCrowds = (title: string) => /\d00,000/.test(title);

/** What the signals of these tests abort with. */
export const reason = new Error('the reason');

/** A signal that never aborts. */
export const inert: AbortSignalLike = {
  aborted: false,
  reason: undefined,
  addEventListener: () => undefined,
  removeEventListener: () => undefined,
};

/** Counts the holders inside, and fails the test when there is more than one. */
export function room(t: ExecutionContext) {
  let inside = 0;
  return async (work: () => Promise<unknown> | undefined) => {
    t.is(++inside, 1, 'two holders at once');
    await work();
    inside--;
  };
}

/** Whether nobody holds the lock. If somebody does, this releases it. */
export function isFree(lock: Pick<Lock, 'releaseLock'>): boolean {
  try {
    lock.releaseLock();
    return false;
  } catch (error) {
    return (error as LockErrorLike).code === 'ERR_LOCK_NOT_HELD';
  }
}
