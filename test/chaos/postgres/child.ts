/**
 * A process of the run: callers who lock, abort, time out and hold, and a log of what they did, which
 * is written at once because the process may be killed at any time.
 */
import {openSync, writeSync} from 'node:fs';
import process from 'node:process';
import {setTimeout as sleep} from 'node:timers/promises';
import pg from 'pg';
import {createPostgresLocks, type LockHold} from '../../../src/postgres/index.js';
import {randomNumbers} from '../../support/random.js';
import {CALLERS, KEYS, NAMESPACE, type ChildData, type Kind} from './log.js';

const {url, poolerUrl, name, file, seed, isApart} = JSON.parse(
  process.argv[2] as string,
) as ChildData;
const random = randomNumbers(seed);
const log = openSync(file, 'a');

/** On a clock that all processes of the machine share. */
const write = (kind: Kind, key = '-', section = 0): void => {
  writeSync(log, `${process.hrtime.bigint()} ${kind} ${key} ${section}\n`);
};

process.on('uncaughtException', (error) => {
  write('wrong', String(error.stack).replace(/\s+/g, '_'));
  process.exit(1);
});

const locks = createPostgresLocks({
  connect: () => new pg.Client({connectionString: url, application_name: name}),
  namespace: NAMESPACE,
  timeoutMilliseconds: 20_000,
});

let isStopped = false;
process.stdin.on('data', () => (isStopped = true)).on('end', () => (isStopped = true));

let sections = 0;

async function inside(key: string, {signal}: LockHold): Promise<void> {
  const section = sections++;
  write('enter', key, section);
  const onAbort = () => write('told', key, section);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort);
  const chance = random();
  // Long enough to be told of a partition.
  if (isApart && random() < 0.01) {
    for (let n = 0; n < 150 && !signal.aborted; n++) await sleep(100);
  }
  await sleep(chance < 0.8 ? random() * 3 : chance < 0.97 ? random() * 30 : random() * 400);
  // Some stop when they are told, and the others go on for a while.
  while (signal.aborted && random() < 0.5) await sleep(random() * 20);
  signal.removeEventListener('abort', onAbort);
  write('leave', key, section);
}

const EXPECTED = ['ERR_LOCK_TIMEOUT', 'ERR_LOCK_LOST', 'ERR_LOCK_UNAVAILABLE'];

async function call(): Promise<void> {
  const key = `key ${Math.floor(random() * KEYS)}`.replace(' ', '');
  const controller = new AbortController();
  const limits = {
    ...(random() < 0.3 ? {timeoutMilliseconds: random() * 60} : {}),
    ...(random() < 0.3 ? {signal: controller.signal} : {}),
  };
  const timer = setTimeout(() => controller.abort(), random() * 40);
  try {
    const way = random();
    if (way < 0.6) {
      await locks.withLock(key, limits, (hold) => inside(key, hold));
    } else if (way < 0.8) {
      using guard = await locks.acquire(key, limits);
      await inside(key, guard);
    } else if (way < 0.95) {
      using guard = await locks.tryAcquire(key);
      if (guard !== undefined) await inside(key, guard);
      else await sleep(random() * 5);
    } else await locks.isLocked(key);
  } catch (error) {
    const {code, name: kind} = error as {code?: string; name?: string};
    if (kind === 'AbortError') return;
    if (code === undefined || !EXPECTED.includes(code)) {
      write('wrong', String((error as Error).stack).replace(/\s+/g, '_'));
    }
    // The server is away.
    if (code === 'ERR_LOCK_UNAVAILABLE') await sleep(20);
  } finally {
    clearTimeout(timer);
  }
}

/** A pooler is refused, whatever happens meanwhile. */
async function tryPooler(): Promise<void> {
  if (poolerUrl === undefined) return;
  while (!isStopped) {
    await sleep(500 + random() * 2000);
    const pooled = createPostgresLocks({
      connect: () => new pg.Client({connectionString: poolerUrl}),
      namespace: NAMESPACE,
      timeoutMilliseconds: 2000,
    });
    const outcome = await pooled.acquire('key0').then(
      () => 'acquired',
      (error: unknown) => (error as {code?: string}).code ?? String(error),
    );
    if (outcome === 'ERR_LOCK_UNAVAILABLE') write('refused');
    // The server is away, and the pooler waits for it.
    else if (outcome !== 'ERR_LOCK_TIMEOUT') write('wrong', outcome);
    await pooled.close();
  }
}

const callers = Array.from({length: CALLERS}, async () => {
  while (!isStopped) await call();
});
await Promise.all([...callers, tryPooler()]);
await locks.close();
write('done');
