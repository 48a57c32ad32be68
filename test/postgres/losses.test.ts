// Connections that are lost, or cannot be had.
import {spawn} from 'node:child_process';
import {setTimeout as sleep} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import pg from 'pg';
import type {LockHold, PostgresLocks, PostgresLocksOptions} from '../../src/postgres/index.js';
import {deferred, until, watch} from '../support/async.js';
import {compiledUrl} from '../support/compiled.js';
import {
  advisoryLocks,
  createLocks,
  newApplication,
  newNamespace,
  sessions,
  unlike,
} from './support/locks.js';
import {startPooler} from './support/pooler.js';
import {Proxy} from './support/proxy.js';
import {Server} from './support/server.js';
import {startServers} from './support/servers.js';

const servers = await startServers(test);

const lost = {name: 'LockError', code: 'ERR_LOCK_LOST'};
const unavailable = {name: 'LockError', code: 'ERR_LOCK_UNAVAILABLE'};

interface ErrorLike extends Error {
  code?: string;
  cause?: unknown;
  unavailable?: string;
}

type Create = (options?: Partial<PostgresLocksOptions>) => PostgresLocks;

function onEach(
  title: string,
  run: (
    t: ExecutionContext,
    server: Server,
    create: Create,
    terminate: () => Promise<void>,
    connect: () => pg.Client,
  ) => Promise<void>,
): void {
  for (const server of servers) {
    test(`${server.name}: ${title}`, async (t) => {
      const {namespace, connect} = newApplication(server);
      const create: Create = (options) => createLocks(t, server, {connect, namespace, ...options});
      const terminate = async () => {
        for (const {pid} of await sessions(server, namespace)) {
          await server.query('SELECT pg_terminate_backend($1)', [pid]);
        }
      };
      await run(t, server, create, terminate, connect);
    });
  }
}

function notTested(t: ExecutionContext, why: string): void {
  t.log(`NOT TESTED: ${why}`);
  t.pass();
}

/** Starts a section that goes on until the test says so, and waits until it has begun. */
async function begin(locks: PostgresLocks, key = 'key') {
  const work = deferred();
  const begun = deferred<AbortSignal>();
  const call = locks.withLock(key, async ({signal}: LockHold) => {
    begun.resolve(signal);
    await work.promise;
  });
  return {call, signal: await begun.promise, end: work.resolve, fail: work.reject};
}

// Being told

onEach(
  'a holder whose session is terminated is told by its signal, by onLost and by its call',
  async (t, _, create, terminate) => {
    const losses: Array<{key: string; error: Error}> = [];
    const locks = create({onLost: (loss) => losses.push(loss), name: 'mine'});
    const section = await begin(locks);
    const guard = await locks.acquire('another');
    await locks.acquireLock('third');
    await terminate();
    await until(() => section.signal.aborted && guard.signal.aborted);
    const reason = section.signal.reason as ErrorLike;
    t.is(reason.code, 'ERR_LOCK_LOST');
    t.true(reason.cause instanceof Error);
    t.regex(
      reason.message,
      /^The lock was lost while it was held, and another process may have it by now: .+ \(lock "mine", key "key"\)$/,
    );
    t.deepEqual(losses.map(({key}) => key).sort(), ['another', 'key', 'third']);
    t.is(losses.find(({key}) => key === 'key')?.error, reason);
    section.end();
    t.is(await t.throwsAsync(section.call), reason);
    t.throws(() => guard.release(), lost);
    guard.release();
    t.throws(() => locks.releaseLock('third'), lost);
    t.throws(() => locks.releaseLock('third'), {code: 'ERR_LOCK_NOT_HELD'});
  },
);

onEach(
  'what fn throws comes first, and a lock that was released in time is none that is lost',
  async (t, _, create, terminate) => {
    const losses: string[] = [];
    const locks = create({onLost: ({key}) => losses.push(key)});
    const released = await locks.acquire('released');
    const section = await begin(locks);
    released.release();
    await terminate();
    await until(() => section.signal.aborted);
    section.fail(new Error('mine'));
    await t.throwsAsync(section.call, {message: 'mine'});
    t.false(released.signal.aborted);
    t.deepEqual(losses, ['key']);
  },
);

onEach(
  'another process gets the lost lock, and this one only once its old holder is done',
  async (t, _, create, terminate) => {
    const [locks, other] = [create(), create()];
    const section = await begin(locks);
    const next = watch(locks.withLock('key', () => 'next'));
    await terminate();
    await until(() => section.signal.aborted);
    // It has to connect again, too.
    t.is(await other.withLock('key', () => 'other'), 'other');
    t.is(await locks.withLock('another', () => 'connected again'), 'connected again');
    t.deepEqual(next, []);
    section.end();
    await t.throwsAsync(section.call, lost);
    await until(() => next.length === 1);
    t.deepEqual(next, [{value: 'next'}]);
  },
);

onEach('a call whose lock is lost before fn begins never calls it', async (t, server, create) => {
  let microtasks: number | undefined;
  const connect = () => {
    const client = server.client();
    return unlike(client, {
      query: async (statement: pg.QueryConfig) => {
        const answer = await client.query<{answers?: string}>(statement);
        if (microtasks !== undefined && answer.rows[0]?.answers === 'L') {
          void loseAfter(microtasks, client);
          microtasks = undefined;
        }
        return answer;
      },
    });
  };
  const loseAfter = async (microtasks: number, client: pg.Client) => {
    for (let n = 0; n < microtasks; n++) await Promise.resolve();
    client.emit('error', new Error('cut'));
  };
  const locks = create({connect});
  const outcomes = new Set<string>();
  // Before the lock is the caller's, in between, and after fn has begun.
  for (let n = 0; n < 30; n++) {
    microtasks = n;
    let begun = '';
    const call = locks.withLock('key', ({signal}: LockHold) => {
      begun = signal.aborted ? 'told late' : 'told in time';
    });
    const error = await call.then(
      () => undefined,
      (thrown: unknown) => thrown as ErrorLike,
    );
    outcomes.add(`${error?.code ?? 'resolved'} ${begun}`);
  }
  t.log([...outcomes].join(', '));
  t.true(outcomes.has('ERR_LOCK_LOST '));
  t.false([...outcomes].some((outcome) => outcome.endsWith('told late')));
});

// Alone, because nobody else may fail meanwhile.
for (const server of servers) {
  test.serial(
    `${server.name}: what onLost throws is an uncaught error, and changes nothing`,
    async (t) => {
      const uncaught: unknown[] = [];
      const previous = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.on('uncaughtException', (thrown) => uncaught.push(thrown));
      t.teardown(() => {
        process.removeAllListeners('uncaughtException');
        for (const listener of previous) process.on('uncaughtException', listener);
      });
      const error = new Error('thrown by onLost');
      const locks = createLocks(t, server, {
        namespace: newNamespace(),
        connect: () => (client = server.client()),
        onLost: () => {
          throw error;
        },
      });
      let client: pg.Client | undefined;
      const [a, b] = [await begin(locks, 'a'), await begin(locks, 'b')];
      await client?.end();
      await until(() => a.signal.aborted && b.signal.aborted && uncaught.length === 2);
      t.deepEqual(uncaught, [error, error]);
      a.end();
      b.end();
      await t.throwsAsync(a.call, lost);
      await t.throwsAsync(b.call, lost);
    },
  );
}

// Connecting again

onEach(
  'those in line keep their order and their waits while the connection is lost and made again',
  async (t, _, create, terminate) => {
    const [locks, other] = [create(), create()];
    const guard = await other.acquire('key');
    const order: number[] = [];
    const calls = [1, 2, 3].map((n) => locks.withLock('key', () => order.push(n)));
    await locks.isLocked('another');
    await terminate();
    await until(() => guard.signal.aborted);
    t.throws(() => guard.release(), lost);
    await Promise.all(calls);
    t.deepEqual(order, [1, 2, 3]);
  },
);

test('callers wait while the server is restarted, and are told if it takes longer than they do', async (t) => {
  const server = await Server.start(18);
  if (typeof server === 'string') return notTested(t, server);
  t.teardown(() => server.end());
  const locks = createLocks(t, server, {namespace: newNamespace()});
  const section = await begin(locks);
  await server.stop('SIGQUIT');
  await until(() => section.signal.aborted);
  section.end();
  await t.throwsAsync(section.call, lost);
  const patient = locks.withLock('key', () => 'patient');
  const hasty = locks.acquire('another', {timeoutMilliseconds: 200});
  const error = await t.throwsAsync<ErrorLike>(hasty, {code: 'ERR_LOCK_TIMEOUT'});
  t.regex(String(error.unavailable), /ECONNREFUSED|terminat/);
  t.is(await locks.tryAcquire('third'), undefined);
  await t.throwsAsync(locks.isLocked('key'), unavailable);
  await server.start();
  t.is(await patient, 'patient');
  using guard = await locks.tryAcquire('third');
  t.truthy(guard);
});

/** A server, and a way to it that the test can block. */
async function startBehindProxy(t: ExecutionContext) {
  const server = servers.at(-1);
  if (server === undefined) return undefined;
  const proxy = await Proxy.start(server.port);
  t.teardown(() => proxy.end());
  return {server, proxy, url: server.url.replace(String(server.port), String(proxy.port))};
}

test('a partition is noticed by a holder long before the server gives its lock away', async (t) => {
  const way = await startBehindProxy(t);
  if (way === undefined) return notTested(t, 'no server');
  const {server, proxy, url} = way;
  const namespace = newNamespace();
  const connect = () => new pg.Client(url);
  const locks = createLocks(t, server, {namespace, connect});
  const section = await begin(locks);
  proxy.stall();
  const start = performance.now();
  await until(() => section.signal.aborted);
  const milliseconds = performance.now() - start;
  t.log(`told after ${Math.round(milliseconds)} ms`);
  t.true(milliseconds < 15_000);
  t.regex((section.signal.reason as Error).message, /did not answer within 5000 ms/);
  section.end();
  await t.throwsAsync(section.call, lost);
  proxy.cut();
  proxy.resume();
  t.is(await locks.withLock('key', () => 'again'), 'again');
});

test('a process that is suspended while its network is cut is told as soon as it goes on', async (t) => {
  const way = await startBehindProxy(t);
  if (way === undefined) return notTested(t, 'no server');
  const {proxy, url} = way;
  const what = 'holds a lock until it is lost';
  const file = fileURLToPath(new URL('programs/locks.js', import.meta.url));
  const child = spawn(process.execPath, [file, compiledUrl('src/postgres/index'), url, what]);
  t.teardown(() => child.kill('SIGKILL'));
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  await until(() => printed === 'inside\n');
  proxy.stall();
  child.kill('SIGSTOP');
  // Nearly as long as the server waits before it gives the lock away.
  await sleep(26_000);
  const start = performance.now();
  child.kill('SIGCONT');
  await until(() => printed !== 'inside\n');
  t.log(`told after ${Math.round(performance.now() - start)} ms`);
  t.is(printed, 'inside\nThe server did not answer within 500 ms.\n');
});

onEach(
  'a connection that nobody needed for long has its time to answer',
  async (t, server, create) => {
    let connections = 0;
    let isSlow = false;
    const connect = () => {
      connections++;
      const client = server.client();
      return unlike(client, {
        query: async (statement: pg.QueryConfig) => {
          if (isSlow) await sleep(1000);
          return client.query(statement);
        },
      });
    };
    const locks = create({connect});
    t.false(await locks.isLocked('key'));
    await sleep(26_000);
    isSlow = true;
    t.is(await locks.withLock('key', () => 'inside'), 'inside');
    t.is(connections, 1);
  },
);

test('close ends also where nobody answers any more', async (t) => {
  const way = await startBehindProxy(t);
  if (way === undefined) return notTested(t, 'no server');
  const {server, proxy, url} = way;
  const locks = createLocks(t, server, {
    namespace: newNamespace(),
    connect: () => new pg.Client(url),
  });
  t.false(await locks.isLocked('key'));
  proxy.stall();
  const start = performance.now();
  await locks.close();
  const milliseconds = performance.now() - start;
  t.log(`closed after ${Math.round(milliseconds)} ms`);
  t.true(milliseconds < 4000);
});

onEach(
  'the session is set such that the server notices within 30 seconds that a client is gone',
  async (t, _, create, _terminate, connect) => {
    const client = connect();
    const locks = create({connect: () => client});
    const guard = await locks.acquire('key');
    const {rows} = await client.query<{name: string; setting: string}>(
      `SELECT name, setting FROM pg_settings WHERE name ~ 'tcp_|_timeout$|default_transaction'`,
    );
    t.like(Object.fromEntries(rows.map(({name, setting}) => [name, setting])), {
      tcp_keepalives_idle: '10',
      tcp_keepalives_interval: '5',
      tcp_keepalives_count: '4',
      tcp_user_timeout: '30000',
      idle_session_timeout: '0',
      statement_timeout: '0',
      lock_timeout: '0',
      default_transaction_read_only: 'off',
      default_transaction_deferrable: 'off',
      default_transaction_isolation: 'read committed',
    });
    guard.release();
  },
);

// Connections that cannot be had

onEach(
  'without any connection so far, a call is told at once why there is none',
  async (t, server, create) => {
    for (const [connect, cause] of [
      [
        () => server.client({connectionString: 'postgres://postgres@127.0.0.1:1/postgres'}),
        /ECONNREFUSED/,
      ],
      [() => server.client({connectionString: server.url + '_nowhere'}), /does not exist/],
      [() => Promise.reject(new Error('mine')), /^mine$/],
      [
        () => undefined,
        /^Expected connect to return a client with a method "connect", but got undefined\. Write/,
      ],
      [() => ({...{connect: () => undefined}}), /a method "query"/],
      [() => unlike(server.client(), {processID: undefined}), /has no processID/],
    ] as ReadonlyArray<readonly [PostgresLocksOptions['connect'], RegExp]>) {
      const locks = create({connect});
      const calls = [
        locks.withLock('key', () => t.fail()),
        locks.withLock('key', () => t.fail()),
        locks.acquireLock('another'),
        locks.tryAcquire('third'),
        locks.isLocked('key'),
      ];
      for (const call of calls) {
        const error = await t.throwsAsync<ErrorLike>(call, unavailable);
        t.regex((error.cause as Error).message, cause);
        t.true(error.message.includes((error.cause as Error).message));
      }
      t.is(locks.pendingCount('key'), 0);
    }
  },
);

onEach(
  'a connection through a pooler is refused, also one that is made later',
  async (t, _, create, terminate, connect) => {
    let isPooler = false;
    const locks = create({
      connect: () => (isPooler ? unlike(connect(), {processID: 1}) : connect()),
    });
    const section = await begin(locks);
    isPooler = true;
    await terminate();
    await until(() => section.signal.aborted);
    const refused = {...unavailable, message: /pooler/};
    // One waits for the old holder, and the other for nobody.
    const waiting = t.throwsAsync(
      locks.withLock('key', () => t.fail()),
      refused,
    );
    await t.throwsAsync(
      locks.withLock('another', () => t.fail()),
      refused,
    );
    section.end();
    await t.throwsAsync(section.call, lost);
    await waiting;
    isPooler = false;
    t.is(await locks.withLock('key', () => 'direct'), 'direct');
  },
);

for (const server of servers) {
  test(`${server.name}: PgBouncer is refused before anything is locked`, async (t) => {
    const pooler = await startPooler(server);
    if (pooler === undefined) return notTested(t, 'PgBouncer is not installed here');
    t.teardown(pooler.end);
    const locks = createLocks(t, server, {
      namespace: newNamespace(),
      connect: () => new pg.Client(pooler.url),
    });
    const error = await t.throwsAsync<ErrorLike>(locks.acquire('key'), unavailable);
    t.regex(error.message, /leads through a pooler/);
    const rows = await server.query(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid IN
      (SELECT pid FROM pg_stat_activity WHERE application_name = 'pooled')`);
    t.deepEqual(rows, []);
  });
}

test('a standby is refused before anything is locked', async (t) => {
  const primary = await Server.start(18);
  if (typeof primary === 'string') return notTested(t, primary);
  t.teardown(() => primary.end());
  const standby = await primary.startStandby();
  t.teardown(() => standby.end());
  const locks = createLocks(t, standby, {namespace: newNamespace()});
  const error = await t.throwsAsync<ErrorLike>(locks.acquire('key'), unavailable);
  t.regex(error.message, /The server is a standby/);
  t.deepEqual(await standby.query(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory'`), []);

  // A failover: what was the primary leads to a standby for a moment.
  let current = primary;
  const connected: number[] = [];
  const others = createLocks(t, primary, {
    namespace: newNamespace(),
    connect: () => {
      connected.push(current.port);
      return current.client();
    },
  });
  const section = await begin(others);
  const waiting = others.withLock('key', () => 'waited');
  const attempt = () => others.tryAcquire('another');
  current = standby;
  await primary.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()',
  );
  await until(() => section.signal.aborted);
  section.end();
  await t.throwsAsync(section.call, lost);
  await until(() => connected.filter((port) => port === standby.port).length >= 2);
  t.is(await attempt(), undefined);
  current = primary;
  t.is(await waiting, 'waited');
});

onEach('a client that connects again by itself is not trusted', async (t, server, create) => {
  let client = server.client();
  const connections: pg.Client[] = [];
  const locks = create({
    connect: async () => {
      client = server.client();
      connections.push(client);
      return unlike(client, {
        query: async (statement: pg.QueryConfig) => connections.at(-1)?.query(statement),
      });
    },
  });
  const section = await begin(locks);
  const replacement = server.client();
  replacement.on('error', () => undefined);
  await replacement.connect();
  connections.push(replacement);
  await t
    .throwsAsync(
      locks.acquire('another', {timeoutMilliseconds: 300}).then((guard) => guard.release()),
    )
    .catch(() => undefined);
  await until(() => section.signal.aborted);
  t.regex((section.signal.reason as Error).message, /has reconnected by itself/);
  section.end();
  await t.throwsAsync(section.call, lost);
  await replacement.end();
});

onEach(
  'a statement that fails ends the session, because nobody knows what it locked',
  async (t, server, create, _terminate) => {
    let fails = false;
    const locks = create({
      connect: () => {
        const client = server.client();
        return unlike(client, {
          query: (statement: pg.QueryConfig) =>
            fails ? Promise.reject(new Error('cancelled')) : client.query(statement),
        });
      },
    });
    const section = await begin(locks);
    fails = true;
    const another = locks.withLock('another', () => 'another');
    await until(() => section.signal.aborted);
    fails = false;
    section.end();
    await t.throwsAsync(section.call, lost);
    t.is(await another, 'another');
  },
);

onEach(
  'where each statement fails, attempts become fewer, and the first caller of all is told why',
  async (t, server, create) => {
    let fails = true;
    const connected: number[] = [];
    const locks = create({
      connect: () => {
        connected.push(performance.now());
        const client = server.client();
        return unlike(client, {
          query: (statement: pg.QueryConfig) =>
            fails && statement.values !== undefined
              ? Promise.reject(new Error('mine'))
              : client.query(statement),
        });
      },
    });
    const error = await t.throwsAsync<ErrorLike>(locks.acquire('key'), unavailable);
    t.is((error.cause as Error).message, 'mine');
    t.is(connected.length, 1);
    fails = false;
    const section = await begin(locks);
    fails = true;
    const waiting = locks.withLock('another', () => 'another');
    await until(() => connected.length === 8);
    // At least 0.05, 0.1, 0.2, 0.4 and 0.8 s lie between the last six.
    const milliseconds = (connected[7] ?? 0) - (connected[2] ?? 0);
    t.true(milliseconds > 1500, `${milliseconds} ms`);
    fails = false;
    t.is(await waiting, 'another');
    section.end();
    await t.throwsAsync(section.call, lost);
  },
);

onEach(
  'who has no right to the tokens is told so, and a role that is read-only has them',
  async (t, server, create) => {
    const role = `app_${process.pid}`;
    await server.query(`CREATE ROLE ${role} LOGIN`);
    const connect = () => server.client({connectionString: server.urlOf(role)});
    await create({tokens: true}).withLock('key', () => undefined);
    const error = await t.throwsAsync<ErrorLike>(
      create({tokens: true, connect}).acquire('key'),
      unavailable,
    );
    t.regex(error.message, /permission denied for sequence/);
    await server.query(`GRANT ALL ON SEQUENCE databases_lock_tokens TO ${role}`);
    await server.query(`ALTER ROLE ${role} SET default_transaction_read_only = on`);
    const guard = await create({tokens: true, connect}).acquire('key');
    t.is(typeof guard.token, 'bigint');
    guard.release();
  },
);

onEach(
  'whatever a holder does when it is told, no other lock of the session counts as held',
  async (t, _, create, terminate) => {
    const losses: string[] = [];
    const locks = create({onLost: ({key}) => losses.push(key)});
    const guards = [await locks.acquire('a'), await locks.acquire('b')];
    const errors: Array<string | undefined> = [];
    for (const {signal} of guards) {
      signal.addEventListener('abort', () => {
        for (const guard of guards) {
          try {
            guard.release();
          } catch (error) {
            errors.push((error as ErrorLike).code);
          }
        }
      });
    }
    await terminate();
    await until(() => losses.length === 2);
    t.deepEqual(errors, ['ERR_LOCK_LOST', 'ERR_LOCK_LOST']);
    t.true(guards.every(({signal}) => signal.aborted));
  },
);

test('where the lock table of the server is full, calls are told so, and all else stays held', async (t) => {
  const server = await Server.start(18);
  if (typeof server === 'string') return notTested(t, server);
  t.teardown(() => server.end());
  const {namespace, connect} = newApplication(server);
  const locks = createLocks(t, server, {namespace, connect});
  const section = await begin(locks);
  const waited = await createLocks(t, server, {namespace}).acquire('waited');
  const wait = locks.acquire('waited');
  await until(async () => (await advisoryLocks(server, namespace)) === 2);
  const filler = server.client();
  await filler.connect();
  t.teardown(() => filler.end());
  const fill = `SELECT count(pg_advisory_lock(n)) FROM generate_series(1, 1e6::int) n`;
  await t.throwsAsync(filler.query(fill), {code: '53200'});
  // Room for some of the calls below, so that the statement fails halfway.
  await filler.query(`SELECT count(pg_advisory_unlock(n)) FROM generate_series(1, 50) n`);
  const calls = Array.from({length: 100}, (_, n) => locks.acquire(`key ${n}`));
  // A question of a key takes nothing from whoever holds it or waits for it.
  const questions = ['another', 'waited'].map((key) => locks.isLocked(key));
  for (const call of [...calls, ...questions]) {
    const error = await t.throwsAsync<ErrorLike>(call as Promise<unknown>, {code: 'ERR_LOCK_FULL'});
    t.is((error.cause as ErrorLike).code, '53200');
  }
  t.false(section.signal.aborted);
  await filler.query('SELECT pg_advisory_unlock_all()');
  t.is(await advisoryLocks(server, namespace), 2);
  t.is(await locks.withLock('key 0', () => 'room again'), 'room again');
  waited.release();
  (await wait).release();
  t.false(section.signal.aborted);
  section.end();
  await section.call;
  await until(async () => (await advisoryLocks(server, namespace)) === 0);
});

onEach('a client that was used before is refused', async (t, _, create, terminate, connect) => {
  const client = connect();
  const locks = create({connect: () => client});
  const section = await begin(locks);
  await terminate();
  await until(() => section.signal.aborted);
  section.end();
  await t.throwsAsync(section.call, lost);
  await t.throwsAsync(locks.acquire('key'), {...unavailable, message: /was used before/});
});

onEach('an answer that is not complete ends the session', async (t, server, create) => {
  let isCut = false;
  const locks = create({
    connect: () => {
      const client = server.client();
      return unlike(client, {
        query: async (statement: pg.QueryConfig) => {
          const {rows} = await client.query<{answers?: string}>(statement);
          const [row] = rows;
          if (isCut && row?.answers !== undefined) row.answers = '';
          return {rows};
        },
      });
    },
  });
  const section = await begin(locks);
  isCut = true;
  const another = locks.withLock('another', () => 'another');
  await until(() => section.signal.aborted);
  t.regex((section.signal.reason as Error).message, /not complete/);
  isCut = false;
  section.end();
  await t.throwsAsync(section.call, lost);
  t.is(await another, 'another');
});
