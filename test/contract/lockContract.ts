/** The contract of every lock. Each file beside this one tests one subject of it. */
import type {TestFn} from 'ava';
import {acquire} from './acquire.js';
import {callOptions} from './callOptions.js';
import {AT_HAND, type CreateLock, type CreateTestedLock} from './common.js';
import {contexts} from './contexts.js';
import {misuse} from './misuse.js';
import {order} from './order.js';
import {pool} from './pool.js';
import {signals} from './signals.js';
import {timeouts} from './timeouts.js';
import {withLock} from './withLock.js';

interface Options {
  /** Whether the runtime has async contexts. */
  readonly hasContexts?: boolean;
}

/**
 * Declares the tests of the contract for the locks that `createLock` makes, wherever their state
 * is. The tests run one at a time, because many of them depend on how much time passes.
 */
export function lockContract(
  {serial: test}: TestFn,
  createLock: CreateLock,
  {hasContexts = true}: Options = {},
): void {
  for (const subject of [...ofEveryLock, misuse]) subject(test, createLock, AT_HAND);
  pool(test, createLock);
  if (hasContexts) contexts(test, createLock, AT_HAND);
}

/** The same for the locks of keys, which nobody can retire. */
export function keyContract({serial: test}: TestFn, createLock: CreateTestedLock): void {
  for (const subject of [...ofEveryLock, contexts]) subject(test, createLock, AT_HAND);
}

/** The same for the locks that a server has. */
export function serverContract(
  {serial: test}: TestFn,
  createLock: CreateTestedLock,
  settleServer: () => Promise<void>,
): void {
  const reach = {isSynchronous: false, settle: settleServer};
  for (const subject of [...ofEveryLock, contexts, misuse]) subject(test, createLock, reach);
}

const ofEveryLock = [order, withLock, acquire, timeouts, signals, callOptions];
