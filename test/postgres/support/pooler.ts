/** A PgBouncer before a server, where it is installed. */
import {spawn, spawnSync} from 'node:child_process';
import {chownSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import process from 'node:process';
import {setTimeout as sleep} from 'node:timers/promises';
import pg from 'pg';
import {NOBODY, findPort, type Server} from './server.js';

export interface Pooler {
  readonly url: string;
  end(): void;
}

/** @returns `undefined` where it is not installed */
export async function startPooler(server: Server): Promise<Pooler | undefined> {
  if (spawnSync('pgbouncer', ['--version']).status !== 0) return undefined;
  const directory = mkdtempSync(path.join(tmpdir(), 'lock-pooler-'));
  const port = await findPort();
  const file = path.join(directory, 'pgbouncer.ini');
  writeFileSync(
    file,
    `[databases]
postgres = host=127.0.0.1 port=${server.port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = session
`,
  );
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chownSync(directory, NOBODY, NOBODY);
  const child = spawn('pgbouncer', [file], {
    stdio: 'ignore',
    ...(isRoot ? {uid: NOBODY, gid: NOBODY} : {}),
  });
  const end = () => {
    child.kill('SIGKILL');
    rmSync(directory, {recursive: true, force: true});
  };
  process.once('exit', end);
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  for (;;) {
    const client = new pg.Client({connectionString: url});
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.end();
      return {url, end};
    } catch {
      await sleep(20);
    }
  }
}
