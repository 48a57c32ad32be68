// The entry for PostgreSQL on another runtime: prints a line for each promise that was kept, and then
// ends by itself.
import process from 'node:process';
import {setTimeout as sleep} from 'node:timers/promises';
import {createPostgresLocks} from '@databases/lock/postgres';
import pg from 'pg';

// Another runtime may use the same server.
const namespace = `runtimes ${process.pid}`;
const connect = () =>
  new pg.Client({connectionString: process.env.DATABASE_URL, application_name: namespace});
const create = (options) => createPostgresLocks({connect, namespace, tokens: true, ...options});
const [locks, others] = [create(), create({onLost: ({key}) => console.log(`onLost ${key}`)})];

let inside = 0;
let overlaps = 0;
const tokens = [];
const section = async ({token}) => {
  tokens.push(token);
  if (inside++ > 0) overlaps++;
  await sleep(1);
  inside--;
};
const calls = Array.from({length: 60}, (_, n) => (n % 2 ? locks : others).withLock('key', section));
await Promise.all(calls);
console.log(`${tokens.length} calls, ${overlaps} overlaps`);
console.log(tokens.every((token, n) => n === 0 || token > tokens[n - 1]) ? 'tokens grow' : tokens);

const guard = await others.acquire('key');
const {code} = await locks.acquire('key', {timeoutMilliseconds: 20}).catch((error) => error);
console.log(code, await locks.tryAcquire('key'), await locks.isLocked('key'));

// The session of `others` alone is ended.
const patient = locks.withLock('key', () => console.log('the next is inside'));
const client = connect();
await client.connect();
await client.query(
  `SELECT pg_terminate_backend(pid) FROM pg_locks
   WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND pid IN (
     SELECT pid FROM pg_stat_activity WHERE application_name = current_setting('application_name')
   )`,
);
await client.end();
if (!guard.signal.aborted) {
  await new Promise((resolve) => guard.signal.addEventListener('abort', resolve));
}
console.log(guard.signal.reason.code);
await patient;
try {
  guard.release();
} catch (error) {
  console.log(`release throws ${error.code}`);
}
console.log(await others.withLock('key', () => 'connected again'));
