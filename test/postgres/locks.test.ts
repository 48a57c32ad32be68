// Locks on PostgreSQL: what is their own beside the contract of every lock.
import test, {type ExecutionContext} from 'ava';
import type pg from 'pg';
import {
  createPostgresLocks,
  type LockHold,
  type PostgresLocks,
  type PostgresLocksOptions,
} from '../../src/postgres/index.js';
import {hashKey} from '../../src/postgres/keyHash.js';
import {deferred, settle, until, watch} from '../support/async.js';
import {
  advisoryLocks,
  createLocks,
  newApplication,
  newNamespace,
  sessions,
  unlike,
} from './support/locks.js';
import type {Server} from './support/server.js';
import {startServers} from './support/servers.js';

const servers = await startServers(test);

/** Declares a test for each server. Its locks have a name by which the server can be asked. */
function onEach(
  title: string,
  run: (
    t: ExecutionContext,
    server: Server,
    create: (options?: Partial<PostgresLocksOptions>) => PostgresLocks,
    application: string,
  ) => Promise<void>,
): void {
  for (const server of servers) {
    test(`${server.name}: ${title}`, async (t) => {
      const {namespace, connect} = newApplication(server);
      await run(
        t,
        server,
        (options) => createLocks(t, server, {connect, namespace, ...options}),
        namespace,
      );
    });
  }
}

// Keys

test('a key is hashed with its namespace, and both of its numbers are signed ones of 64 bits', (t) => {
  // printf 'billing\0invoices' | sha256sum
  t.deepEqual(hashKey('billing', 'invoices'), {
    lock: String(0x33984f2d09acb73dn),
    bell: String(0x4a63da050c0f2785n),
  });
  t.notDeepEqual(hashKey('a', 'bc'), hashKey('ab', 'c'));
  const highest = Array.from({length: 100}, (_, n) => BigInt(hashKey('a', String(n)).lock));
  t.true(highest.some((lock) => lock < 0n) && highest.some((lock) => lock > 2n ** 62n));
});

onEach(
  'keys, and the same key in other namespaces, never wait for each other',
  async (t, _, create) => {
    const [locks, same, other] = [create(), create(), create({namespace: newNamespace()})];
    using guard = await locks.acquire('a');
    t.truthy(guard);
    using b = await same.tryAcquire('b');
    using elsewhere = await other.tryAcquire('a');
    t.truthy(b);
    t.truthy(elsewhere);
    t.is(await same.tryAcquire('a'), undefined);
    t.deepEqual([await same.isLocked('a'), await same.isLocked('c')], [true, false]);
  },
);

onEach('any text is a key, and only a text', async (t, _, create) => {
  const locks = create();
  for (const key of ['', ' ', '\0', '\ud800', 'ünïcödé', 'x'.repeat(100_000), '{1,2}']) {
    t.is(await locks.withLock(key, () => 'inside'), 'inside');
  }
  for (const key of [1, 1n, null, undefined, {}, Symbol('key')] as unknown as string[]) {
    const error = {instanceOf: TypeError, message: /^Expected a key to be a string, but got /};
    await t.throwsAsync(
      locks.withLock(key, () => t.fail()),
      error,
    );
    await t.throwsAsync(locks.acquire(key), error);
    await t.throwsAsync(locks.isLocked(key), error);
    t.throws(() => locks.lock(key), error);
    t.throws(() => locks.releaseLock(key), error);
  }
});

onEach(
  'more keys than maxKeys at one time are refused, and none is left over',
  async (t, _, create) => {
    const locks = create({maxKeys: 2});
    const [a, b] = [await locks.acquire('a'), await locks.acquire('b')];
    const full = {code: 'ERR_LOCK_FULL', message: /^Expected at most 2 keys .+ maxKeys/};
    await t.throwsAsync(locks.acquire('c'), full);
    await t.throwsAsync(
      locks.withLock('d', () => t.fail()),
      full,
    );
    const waiter = locks.acquire('a');
    a.release();
    (await waiter).release();
    b.release();
    await until(async () => (await locks.tryAcquire('c').catch(() => undefined)) !== undefined);
  },
);

onEach(
  'thousands of keys at once take few statements, none of them long, and leave nothing',
  async (t, server, create, application) => {
    const counts: number[] = [];
    const connect = () => {
      const client = server.client({application_name: application});
      return unlike(client, {
        query: (statement: pg.QueryConfig) => {
          const [asks] = (statement.values ?? []) as string[];
          if (asks !== undefined) counts.push(asks.split(' ').length);
          return client.query(statement);
        },
      });
    };
    const locks = create({connect});
    const guards = await Promise.all(
      Array.from({length: 2000}, (_, n) => locks.acquire(`key ${n}`)),
    );
    t.is(await advisoryLocks(server, application), 2000);
    t.is((await sessions(server, application)).length, 1);
    t.deepEqual(counts, new Array(10).fill(200));
    for (const guard of guards) guard.release();
    await until(async () => (await advisoryLocks(server, application)) === 0);
  },
);

// Between processes

onEach(
  'one caller at a time is inside, whichever locks it came by, and each has one connection',
  async (t, server, create, application) => {
    const all = [create(), create(), create()];
    let inside = 0;
    let most = 0;
    const order: number[] = [];
    const section = async (process: number) => {
      most = Math.max(most, ++inside);
      order.push(process);
      await settle();
      inside--;
    };
    const calls = all.flatMap((locks, process) =>
      Array.from({length: 100}, () => locks.withLock('key', section, process)),
    );
    await Promise.all(calls);
    t.is(most, 1);
    t.is(order.length, 300);
    t.is((await sessions(server, application)).length, 3);
    await until(async () => (await advisoryLocks(server, application)) === 0);
  },
);

onEach('those who wait are called in turn', async (t, server, create, application) => {
  const all = [create(), create(), create()];
  const pids = new Map<number, number>();
  for (const [n, locks] of all.entries()) {
    using _guard = await locks.acquire('own');
    const [row] = (await sessions(server, application)).filter(
      ({pid}) => ![...pids.values()].includes(pid),
    );
    pids.set(n, row?.pid ?? 0);
  }
  const counts = [0, 0, 0];
  const entered = async (n: number) => {
    counts[n] = (counts[n] ?? 0) + 1;
    // As long as a process keeps a lock for itself.
    await new Promise((resolve) => setTimeout(resolve, 12));
  };
  const isDone = () => counts.reduce((sum, count) => sum + count) > 60;
  const work = async (n: number) => {
    const locks = all[n] as PostgresLocks;
    while (!isDone()) await locks.withLock('key', entered, n);
  };
  await Promise.all([0, 1, 2].flatMap((n) => [work(n), work(n)]));
  t.true(Math.max(...counts) - Math.min(...counts) <= 4, counts.join());
});

onEach(
  'each key that is released is called, however many are released at once',
  async (t, server, create) => {
    const holder = create();
    const keys = Array.from({length: 300}, (_, n) => `key ${n}`);
    const guards = await Promise.all(keys.map((key) => holder.acquire(key)));
    let calls = 0;
    let areReleased = false;
    const connect = () => {
      const client = server.client();
      client.on('notification', () => calls++);
      return unlike(client, {
        query: async (statement: pg.QueryConfig) => {
          // A poll could come first.
          if (areReleased) await until(() => calls === keys.length);
          return client.query(statement);
        },
      });
    };
    const others = create({connect});
    const waits = keys.map((key) => others.acquire(key));
    // Its answer comes after those of all others, and after LISTEN.
    t.false(await others.isLocked('another'));
    areReleased = true;
    for (const guard of guards) guard.release();
    for (const wait of waits) (await wait).release();
    t.is(calls, keys.length);
  },
);

onEach(
  'no waiter pins backend_xmin, and none blocks its session',
  async (t, server, create, application) => {
    const holder = create();
    const waiting = [create(), create()];
    const guard = await holder.acquire('key');
    const waits = waiting.map((locks) => locks.acquire('key'));
    await until(async () => (await advisoryLocks(server, application)) === 3);
    for (const {backend_xmin, query} of await sessions(server, application)) {
      t.is(backend_xmin, null, query);
    }
    const [row] = await server.query<{count: string}>(
      `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`,
    );
    t.is(row?.count, '0');
    guard.release();
    // Which of the two is called first depends on the numbers of their processes.
    await Promise.all(waits.map(async (wait) => (await wait).release()));
  },
);

onEach(
  'a token comes once, even if the role would not wait for the disk',
  async (t, server, create) => {
    const role = `hasty_${server.port}`;
    await server.query(`CREATE ROLE ${role} LOGIN SUPERUSER`);
    await server.query(`ALTER ROLE ${role} SET synchronous_commit = off`);
    let client: pg.Client | undefined;
    const connectionString = server.urlOf(role);
    const locks = create({
      connect: () => (client = server.client({connectionString})),
      tokens: true,
    });
    await locks.isLocked('key');
    t.deepEqual((await client?.query('SHOW synchronous_commit'))?.rows, [
      {synchronous_commit: 'on'},
    ]);
  },
);

onEach(
  'waits that are aborted or timed out leave nothing on the server',
  async (t, server, create, application) => {
    const [holder, others] = [create(), create()];
    const guard = await holder.acquire('key');
    const controller = new AbortController();
    const aborted = t.throwsAsync(others.acquire('key', {signal: controller.signal}), {
      message: 'mine',
    });
    const hasty = t.throwsAsync(others.acquire('key', {timeoutMilliseconds: 50}), {
      code: 'ERR_LOCK_TIMEOUT',
    });
    const attempts = [
      others.tryAcquire('key'),
      others.acquire('key', {timeoutMilliseconds: 0}).catch(() => undefined),
    ];
    await hasty;
    controller.abort(new Error('mine'));
    await aborted;
    t.deepEqual(await Promise.all(attempts), [undefined, undefined]);
    await until(async () => (await advisoryLocks(server, application)) === 1);
    guard.release();
    // Whoever left was not called instead of somebody else.
    (await others.acquire('key')).release();
    await until(async () => (await advisoryLocks(server, application)) === 0);
  },
);

onEach(
  'a caller that comes just as the answer to one who gave up is there gets the lock',
  async (t, server, create) => {
    const holder = create();
    for (const method of ['acquire', 'tryAcquire'] as const) {
      const guard = await holder.acquire(method);
      const controller = new AbortController();
      const answered = deferred();
      const connect = () => {
        const client = server.client();
        return unlike(client, {
          query: (statement: pg.QueryConfig) => {
            const sent = client.query(statement);
            if (statement.values?.[0] !== 't') return sent;
            controller.abort(new Error('mine'));
            // After those who were waiting for it, and in the same turn of the event loop.
            void sent.then(async () => {
              for (let n = 0; n < 20; n++) await Promise.resolve();
              answered.resolve();
            });
            return sent;
          },
        });
      };
      const locks = create({connect});
      await locks.isLocked('connects');
      const first = t.throwsAsync(locks.acquire(method, {signal: controller.signal}));
      await answered.promise;
      const second = locks[method](method);
      await first;
      if (method === 'tryAcquire') t.is(await second, undefined);
      guard.release();
      (await second)?.release();
    }
  },
);

onEach(
  'a lock that was just released can be tried, whatever is on its way',
  async (t, _, create) => {
    const locks = create();
    for (let n = 0; n < 20; n++) {
      (await locks.acquire('key')).release();
      for (let turn = 0; turn < n; turn++) await new Promise(setImmediate);
      t.false(await locks.isLocked('key'));
      (await locks.acquire('key')).release();
      for (let turn = 0; turn < n; turn++) await new Promise(setImmediate);
      using guard = await locks.tryAcquire('key');
      t.truthy(guard);
      t.is(await locks.tryAcquire('key'), undefined);
      t.true(await locks.isLocked('key'));
    }
  },
);

onEach(
  'a lock that is granted to a caller who is gone is released',
  async (t, server, create, application) => {
    const locks = create();
    await locks.isLocked('key');
    for (let n = 0; n < 20; n++) {
      const controller = new AbortController();
      const aborted = watch(locks.acquire('key', {signal: controller.signal}));
      // At any moment of the way to the server and back.
      for (let turn = 0; turn < n; turn++) await new Promise(setImmediate);
      controller.abort();
      await until(() => aborted.length === 1);
      for (const outcome of aborted) if ('value' in outcome) outcome.value.release();
    }
    await until(async () => (await advisoryLocks(server, application)) === 0);
    (await locks.acquire('key')).release();
    t.pass();
  },
);

// Before the others, which keep the process busy.
for (const server of servers) {
  test.serial(`${server.name}: who waits is called by who releases`, async (t) => {
    const namespace = newNamespace();
    const all = [createLocks(t, server, {namespace}), createLocks(t, server, {namespace})];
    const start = performance.now();
    let entered = 0;
    // Each is longer than a process keeps a lock for itself.
    const enter = () => new Promise((resolve) => setTimeout(resolve, 11)).then(() => entered++);
    const work = async (locks: PostgresLocks) => {
      while (entered < 30) await locks.withLock('key', enter);
    };
    await Promise.all(all.map(work));
    // Whoever is not called polls after half a second.
    const milliseconds = performance.now() - start;
    t.log(`${Math.round(milliseconds / entered)} ms each`);
    t.true(milliseconds < 30 * 100, `${milliseconds} ms`);
  });
}

// What a holder is given

onEach('fn gets its arguments, and then a hold with a signal', async (t, _, create) => {
  const locks = create();
  const fn = (a: number, b: string, {signal, token}: LockHold) => [a, b, signal.aborted, token];
  t.deepEqual(await locks.withLock('key', fn, 1, 'b'), [1, 'b', false, undefined]);
  t.deepEqual(await locks.withLock('key', {}, fn, 2, 'c'), [2, 'c', false, undefined]);
  t.deepEqual(await locks.lock('key').withLock(fn, 3, 'd'), [3, 'd', false, undefined]);
  const guard = await locks.acquire('key');
  t.deepEqual([guard.signal.aborted, guard.token], [false, undefined]);
  guard.release();
});

onEach(
  'each acquisition has a greater token than those before it, whichever process they were of',
  async (t, _, create) => {
    const all = [create({tokens: true}), create({tokens: true})];
    const tokens: bigint[] = [];
    const enter = ({token}: LockHold) => {
      tokens.push(token ?? -1n);
    };
    await Promise.all(
      all.flatMap((locks) => Array.from({length: 200}, () => locks.withLock('key', enter))),
    );
    const guard = await all[0]?.acquire('key');
    tokens.push(guard?.token ?? -1n);
    guard?.release();
    t.is(tokens.length, 401);
    t.true(tokens.every((token, n) => n === 0 || token > (tokens[n - 1] ?? 0n)));
  },
);

for (const server of servers) {
  // It replaces the sequence, which belongs to all tests of the server.
  test.serial(`${server.name}: a sequence that others created has to grow`, async (t) => {
    const use = async (sequence: string): Promise<bigint[]> => {
      await server.query('DROP SEQUENCE IF EXISTS databases_lock_tokens');
      await server.query(`CREATE SEQUENCE databases_lock_tokens ${sequence}`);
      const namespace = newNamespace();
      const create = () => createLocks(t, server, {namespace, tokens: true});
      const [first, second] = [create(), create()];
      const tokens: bigint[] = [];
      const enter = ({token}: LockHold) => void tokens.push(token ?? -1n);
      await second.withLock('connects', () => undefined);
      await Promise.all([1, 2, 3].map(() => first.withLock('key', enter)));
      await second.withLock('key', enter);
      return tokens;
    };
    for (const sequence of ['', 'INCREMENT 1', 'INCREMENT 65536', 'INCREMENT 7 START 3']) {
      const tokens = await use(sequence);
      t.is(tokens.length, 4);
      t.true(
        tokens.every((token, n) => n === 0 || token > (tokens[n - 1] ?? 0n)),
        `${sequence}: ${tokens.join()}`,
      );
    }
    for (const sequence of ['INCREMENT -1', 'CACHE 2', 'CYCLE']) {
      await t.throwsAsync(
        use(sequence),
        {code: 'ERR_LOCK_UNAVAILABLE', message: /no sequence whose numbers always grow/},
        sequence,
      );
    }
    await server.query('DROP SEQUENCE databases_lock_tokens');
  });

  test(`${server.name}: functions of the same names in another schema change nothing`, async (t) => {
    const role = `shadowed_${process.pid}`;
    await server.query(`CREATE ROLE ${role} LOGIN`);
    await server.query(`CREATE SCHEMA ${role} AUTHORIZATION ${role}`);
    await server.query(`ALTER ROLE ${role} SET search_path = ${role}, pg_catalog`);
    await server.query(
      `CREATE FUNCTION ${role}.pg_try_advisory_lock(bigint) RETURNS boolean
       LANGUAGE sql AS 'SELECT true'`,
    );
    const namespace = newNamespace();
    const connect = () => server.client({connectionString: server.urlOf(role)});
    const [first, second] = [0, 1].map(() => createLocks(t, server, {namespace, connect}));
    const guard = await first?.acquire('key');
    t.is(await second?.tryAcquire('key'), undefined);
    guard?.release();
  });
}

// Misuse, and the end

const connect = () => {
  throw new Error('never called');
};

test('what is no option is refused at once, in words that say what to do', (t) => {
  for (const [options, message, Type] of [
    [undefined, /^Expected options to be an object, but got undefined\.$/, TypeError],
    [
      {},
      /^Expected connect to be a function that returns a new client, but got undefined\.$/,
      TypeError,
    ],
    [{connect: {}}, /^Expected connect to be a function .+, but got object\.$/, TypeError],
    [{connect}, /^Expected namespace to be a string, but got undefined\.$/, TypeError],
    [{connect, namespace: ''}, /^Expected namespace .+, but got an empty one\.$/, TypeError],
    [{connect, namespace: 'a\0b'}, /^Expected namespace .+, but got one with a NUL\.$/, TypeError],
    [
      {connect, namespace: 'a', timeout: 5},
      /^Unknown option "timeout"\. Write createPostgresLocks/,
      TypeError,
    ],
    [{connect, namespace: 'a', timeoutMilliseconds: -1}, /0 or more, but got -1\.$/, RangeError],
    [{connect, namespace: 'a', onLost: 'log'}, /^Expected onLost to be a function/, TypeError],
    [{connect, namespace: 'a', tokens: 1}, /^Expected tokens to be a boolean/, TypeError],
    [{connect, namespace: 'a', name: 1}, /^Expected name to be a string/, TypeError],
    [
      {connect, namespace: 'a', maxKeys: 1.5},
      /whole number from 1 on, but got 1\.5\.$/,
      RangeError,
    ],
    [{connect, namespace: 'a', maxKeys: '5'}, /whole number from 1 on, but got string/, TypeError],
  ] as const) {
    const create = () => createPostgresLocks(options as unknown as PostgresLocksOptions);
    t.throws(create, {message, instanceOf: Type}, String(message));
  }
});

onEach(
  'close serves those who came before, ends the connection, and refuses all others',
  async (t, server, create, application) => {
    const locks = create();
    const guard = await locks.acquire('key');
    const earlier = locks.withLock('key', () => 'earlier');
    const closing = watch(locks.close());
    const pooled = {code: 'ERR_LOCK_POOLED', message: 'These locks cannot be used after close().'};
    await t.throwsAsync(locks.acquire('key'), pooled);
    await t.throwsAsync(locks.isLocked('key'), pooled);
    await t.throwsAsync(locks.close(), pooled);
    t.deepEqual(closing, []);
    guard.release();
    t.is(await earlier, 'earlier');
    await until(() => closing.length === 1);
    t.deepEqual(closing, [{value: undefined}]);
    await until(async () => (await sessions(server, application)).length === 0);
    t.throws(() => locks.releaseLock('key'), pooled);
    await t.throwsAsync(locks.tryAcquire('key'), pooled);
  },
);

onEach(
  'close waits for isLocked, and no connection is made or left after it',
  async (t, server, create, application) => {
    const inFlight = create();
    await inFlight.isLocked('connects');
    const unsent = inFlight.isLocked('key');
    const sent = inFlight.isLocked('another');
    await new Promise(setImmediate);
    const late = inFlight.isLocked('third');
    const closing = inFlight.close();
    t.deepEqual(await Promise.all([unsent, sent, late]), [false, false, false]);
    await closing;

    const connected = deferred();
    const connecting = create({
      connect: () => {
        const client = server.client({application_name: application});
        return unlike(client, {connect: () => client.connect().finally(connected.resolve)});
      },
    });
    const controller = new AbortController();
    const aborted = t.throwsAsync(connecting.acquire('key', {signal: controller.signal}));
    await new Promise(setImmediate);
    controller.abort(new Error('mine'));
    await aborted;
    await connecting.close();
    await connected.promise;
    await until(async () => (await sessions(server, application)).length === 0);
  },
);

onEach('a close that times out leaves the locks usable', async (t, _, create) => {
  const locks = create({timeoutMilliseconds: 500, name: 'mine'});
  await locks.isLocked('key');
  const guard = await locks.acquire('key', {timeoutMilliseconds: 10_000});
  await t.throwsAsync(locks.close(), {code: 'ERR_LOCK_TIMEOUT', message: /\(lock "mine"\)/});
  guard.release();
  t.is(await locks.withLock('key', {timeoutMilliseconds: 10_000}, () => 'usable'), 'usable');
  // The server may take longer to learn of the release than this close waits.
  await until(() =>
    locks.close().then(
      () => true,
      () => false,
    ),
  );
});

onEach('errors name the locks and the key', async (t, _, create) => {
  const locks = create({name: 'accounts'});
  const work = deferred();
  const holder = locks.withLock('a', () => work.promise);
  await until(() => locks.isLocked('a'));
  await t.throwsAsync(locks.acquire('a', {timeoutMilliseconds: 0}), {
    message: 'Timed out waiting for lock after 0ms (lock "accounts", key "a")',
  });
  work.resolve();
  await holder;
});
