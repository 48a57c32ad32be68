// What every lock promises, of the locks on PostgreSQL. What only the server can tell is awaited.
import test, {type Implementation, type ImplementationFn, type TestFn} from 'ava';
import {
  createPostgresLocks,
  type PostgresLock,
  type PostgresLocks,
} from '../../src/postgres/index.js';
import {isOfCrowds, type TestedLock} from '../contract/common.js';
import {serverContract} from '../contract/lockContract.js';
import {settle} from '../support/async.js';
import {startServers} from './support/servers.js';

const servers = await startServers(test);

for (const [index, server] of servers.entries()) {
  const serial = ((title: string, run: Implementation<[]>) => {
    // The crowds wait in this process, whatever the server.
    if (isOfCrowds(title) && index > 0) return;
    test.serial(`${server.name}: ${title}`, (t) => (run as ImplementationFn<[]>)(t));
  }) as TestFn['serial'];

  const byTimeout = new Map<number | undefined, PostgresLocks>();
  const findLocks = (timeoutMilliseconds: number | undefined) => {
    const existing = byTimeout.get(timeoutMilliseconds);
    if (existing !== undefined) return existing;
    const locks = createPostgresLocks({
      connect: () => server.client(),
      namespace: 'contract',
      timeoutMilliseconds,
    });
    byTimeout.set(timeoutMilliseconds, locks);
    return locks;
  };

  // Those of short timeouts have their connections before anybody waits.
  test.serial.before(async () => {
    const short = [50, 100, 200, 1000];
    await Promise.all(short.map((timeout) => findLocks(timeout).isLocked('nobody')));
  });

  let keys = 0;
  const createLock = (timeoutMilliseconds?: number) =>
    withoutKey(findLocks(timeoutMilliseconds).lock(`key ${keys++}`));

  /** A question is answered after all that was asked before. */
  const settleServer = async () => {
    for (let round = 0; round < 3; round++) {
      await settle();
      for (const locks of byTimeout.values()) await locks.isLocked('nobody');
    }
  };

  serverContract({serial} as TestFn, createLock, settleServer);
}

/** The methods alone: a lock on PostgreSQL tells by a promise whether it is taken. */
function withoutKey(lock: PostgresLock): TestedLock {
  return {
    withLock: lock.withLock.bind(lock),
    acquireLock: lock.acquireLock.bind(lock),
    releaseLock: () => lock.releaseLock(),
    acquire: (options) => lock.acquire(options),
    tryAcquire: () => lock.tryAcquire(),
    get isLocked() {
      return lock.isLocked();
    },
    get pendingCount() {
      return lock.pendingCount();
    },
  };
}
