// The client that postgres.js makes.
import test from 'ava';
import postgres from 'postgres';
import {createPostgresLocks, fromPostgresJs, type LockHold} from '../../src/postgres/index.js';
import {until} from '../support/async.js';
import {createLocks, newNamespace} from './support/locks.js';
import {startServers} from './support/servers.js';

for (const server of await startServers(test)) {
  const connect = (application_name: string) => () =>
    fromPostgresJs((options) =>
      postgres(server.url, {...options, connection: {application_name}, onnotice: () => undefined}),
    );

  test(`${server.name}: it takes turns with pg`, async (t) => {
    const namespace = newNamespace();
    const all = [
      createLocks(t, server, {namespace}),
      createLocks(t, server, {namespace, connect: connect(namespace), tokens: true}),
    ];
    let inside = 0;
    const start = performance.now();
    const enter = async ({signal}: LockHold) => {
      t.is(++inside, 1);
      t.false(signal.aborted);
      await new Promise((resolve) => setTimeout(resolve, 5));
      inside--;
    };
    await Promise.all(
      Array.from({length: 30}, () => all.map((locks) => locks.withLock('key', enter))).flat(),
    );
    t.log(`${Math.round(performance.now() - start)} ms`);
    const guard = await all[1]?.acquire('key');
    t.is(typeof guard?.token, 'bigint');
    guard?.release();
    t.false(await all[1]?.isLocked('key'));
  });

  test(`${server.name}: its holder is told of a loss, and it connects again`, async (t) => {
    const namespace = newNamespace();
    const locks = createPostgresLocks({connect: connect(namespace), namespace});
    const guard = await locks.acquire('key');
    await server.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1',
      [namespace],
    );
    await until(() => guard.signal.aborted);
    t.throws(() => guard.release(), {code: 'ERR_LOCK_LOST'});
    t.is(await locks.withLock('key', () => 'again'), 'again');
    await locks.close();
  });

  test(`${server.name}: its connection ends when nobody needs it`, async (t) => {
    const namespace = newNamespace();
    const locks = createPostgresLocks({connect: connect(namespace), namespace});
    await locks.withLock('key', () => undefined);
    const count = async () =>
      (
        await server.query('SELECT 1 FROM pg_stat_activity WHERE application_name = $1', [
          namespace,
        ])
      ).length;
    t.is(await count(), 1);
    while ((await count()) > 0) await new Promise((resolve) => setTimeout(resolve, 50));
    t.is(await locks.withLock('key', () => 'again'), 'again');
    await locks.close();
  });
}
