// `locks.js ENTRY URL WHAT`: a process with locks on PostgreSQL, which prints what it does.
import {createRequire} from 'node:module';
import process from 'node:process';

const [entry, url, what] = process.argv.slice(2);
const load = async (file) =>
  file.includes('commonjs') ? createRequire(import.meta.url)(file) : import(file);
if (what === 'has no setImmediate, as in jsdom') delete globalThis.setImmediate;
const {createPostgresLocks} = await load(entry);
const {default: pg} = await import('pg');

const create = (options = {}) =>
  createPostgresLocks({connect: () => new pg.Client(url), namespace: 'programs', ...options});

const terminate = async () => {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  await client.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()`,
  );
  await client.end();
};

const programs = {
  async 'releases and does nothing more'() {
    await create().withLock('key', () => console.log('inside'));
  },

  async 'has waited, and does nothing more'() {
    const [locks, other] = [create(), create()];
    const guard = await locks.acquire('key');
    const waiting = other.withLock('key', () => console.log('inside'));
    setTimeout(() => guard.release(), 50);
    await waiting;
  },

  async 'gives up, and does nothing more'() {
    const locks = create({
      connect: () => new pg.Client('postgres://postgres@127.0.0.1:1/postgres'),
    });
    await locks.acquire('key').catch(({code}) => console.log(code));
  },

  // The promise settles: the process does not end before.
  async 'waits, and does nothing else'() {
    const [locks, other] = [create(), create()];
    const guard = await locks.acquire('key');
    setTimeout(() => guard.release(), 300).unref();
    void other.withLock('key', () => console.log('inside'));
  },

  async 'has no setImmediate, as in jsdom'() {
    await create().withLock('key', () => console.log('inside'));
  },

  async 'holds a lock until it is lost'() {
    const locks = create({onLost: ({error}) => console.log(error.cause.message)});
    await locks.withLock('key', ({signal}) => {
      console.log('inside');
      return new Promise((resolve) => signal.addEventListener('abort', resolve));
    });
  },

  async 'loses its connection again and again'() {
    const locks = create({onLost: () => console.log('lost')});
    await locks.withLock('key', () => console.log('inside'));
    // Nobody holds or awaits anything.
    await terminate();
    const guard = await locks.acquire('key');
    await terminate();
    if (!guard.signal.aborted) {
      await new Promise((resolve) => guard.signal.addEventListener('abort', resolve));
    }
    await locks.withLock('another', () => console.log('inside'));
  },
};

await programs[what]();
console.log('done');
