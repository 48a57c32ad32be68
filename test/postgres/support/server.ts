/** A PostgreSQL of one's own, for as long as a test file or a program runs. */
import {execFileSync, spawn, spawnSync, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import {createServer, type AddressInfo} from 'node:net';
import {tmpdir} from 'node:os';
import path from 'node:path';
import process from 'node:process';
import {setTimeout as sleep} from 'node:timers/promises';
import pg from 'pg';
import {findBinaries, type Binaries, type Major} from './binaries.js';

/** PostgreSQL does not run as root. This is `nobody`. */
export const NOBODY = 65_534;
const asSomebody = process.getuid?.() === 0 ? {uid: NOBODY, gid: NOBODY} : {};

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'off',
  full_page_writes: 'off',
  max_connections: '100',
  shared_buffers: '16MB',
};

export interface ServerOptions {
  readonly settings?: Readonly<Record<string, string>>;
  /** A network from which clients may come, beside this machine. */
  readonly network?: string;
}

export class Server {
  readonly port: number;
  /** What runs, for the output of a test. */
  readonly name: string;
  readonly #home: string;
  readonly #binaries: Binaries;
  readonly #settings: Readonly<Record<string, string>>;
  #process: ChildProcess | undefined;
  readonly #onExit = (): void => {
    this.#process?.kill('SIGQUIT');
    rmSync(this.#home, {recursive: true, force: true});
  };

  private constructor(
    binaries: Binaries,
    home: string,
    port: number,
    settings: Readonly<Record<string, string>>,
  ) {
    this.#binaries = binaries;
    this.#home = home;
    this.port = port;
    this.name = binaries.name;
    this.#settings = settings;
    process.once('exit', this.#onExit);
  }

  /**
   * Starts one, of the major version or of what else there is.
   *
   * @returns it, or why none can be started
   */
  static async start(
    major: Major,
    {settings = {}, network}: ServerOptions = {},
  ): Promise<Server | string> {
    const failures: string[] = [];
    for (const binaries of findBinaries(major)) {
      const home = mkdtempSync(path.join(tmpdir(), 'lock-postgres-'));
      try {
        if ('uid' in asSomebody) chownSync(home, NOBODY, NOBODY);
        chmodSync(home, 0o755);
        const usable = makeReadable(binaries, home);
        run(usable, 'initdb', '-D', path.join(home, 'data'), '-U', 'postgres', '-A', 'trust', '-N');
        if (network !== undefined) {
          appendFileSync(path.join(home, 'data/pg_hba.conf'), `host all all ${network} trust\n`);
        }
        const server = new Server(usable, home, await findPort(), {...SETTINGS, ...settings});
        await server.start();
        return server;
      } catch (error) {
        failures.push(
          `${binaries.name}: ${error instanceof Error ? error.message : String(error)}`,
        );
        rmSync(home, {recursive: true, force: true});
      }
    }
    return failures.length > 0 ? failures.join('\n') : 'There is no PostgreSQL for this platform.';
  }

  /** A standby of a server that runs: a copy of it as it is now, which follows nobody. */
  async startStandby(): Promise<Server> {
    await this.stop();
    const home = mkdtempSync(path.join(tmpdir(), 'lock-postgres-'));
    chmodSync(home, 0o755);
    const data = path.join(home, 'data');
    cpSync(path.join(this.#home, 'data'), data, {recursive: true});
    writeFileSync(path.join(data, 'standby.signal'), '');
    if ('uid' in asSomebody) execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, home]);
    chmodSync(data, 0o700);
    await this.start();
    const standby = new Server(this.#binaries, home, await findPort(), this.#settings);
    await standby.start();
    return standby;
  }

  /** The process that starts all others of the server. */
  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get url(): string {
    return this.urlOf('postgres');
  }

  urlOf(role: string): string {
    return `postgres://${role}@127.0.0.1:${this.port}/postgres`;
  }

  /** A client that has not been connected. */
  client(config: pg.ClientConfig = {}): pg.Client {
    return new pg.Client({connectionString: this.url, ...config});
  }

  /** Runs one statement, on a connection of its own. */
  async query<T>(text: string, values: unknown[] = []): Promise<T[]> {
    const client = this.client();
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<T & pg.QueryResultRow>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  async start(): Promise<void> {
    const {directory} = this.#binaries;
    const settings = Object.entries(this.#settings).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ]);
    const args = ['-D', path.join(this.#home, 'data'), '-p', String(this.port), ...settings];
    const child = spawn(path.join(directory, 'postgres'), args, {
      ...asSomebody,
      env: environment(this.#binaries),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process = child;
    let output = '';
    child.stderr
      .setEncoding('utf8')
      .on('data', (text: string) => (output = (output + text).slice(-2000)));
    child.on('error', (error) => (output += error.message));
    for (;;) {
      if (child.exitCode !== null || child.pid === undefined) throw new Error(output);
      try {
        await this.query('SELECT 1');
        return;
      } catch {
        await sleep(20);
      }
    }
  }

  /** @param signal SIGINT ends all sessions in an orderly way, SIGQUIT at once, as a crash does */
  async stop(signal: 'SIGINT' | 'SIGQUIT' = 'SIGINT'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  /** Ends it for good. */
  async end(): Promise<void> {
    await this.stop('SIGQUIT');
    process.off('exit', this.#onExit);
    rmSync(this.#home, {recursive: true, force: true});
  }
}

const environment = ({libraries}: Binaries): NodeJS.ProcessEnv =>
  libraries === undefined
    ? process.env
    : {...process.env, LD_LIBRARY_PATH: libraries, LC_ALL: 'C', TZ: 'UTC'};

function run(binaries: Binaries, program: string, ...args: string[]): void {
  execFileSync(path.join(binaries.directory, program), args, {
    ...asSomebody,
    env: environment(binaries),
    stdio: 'pipe',
  });
}

/** The same, or a copy of it where `nobody` must not look into the folder of the package. */
function makeReadable(binaries: Binaries, home: string): Binaries {
  const {directory, libraries} = binaries;
  const probe = spawnSync(path.join(directory, 'postgres'), ['--version'], {
    ...asSomebody,
    env: environment(binaries),
  });
  if (probe.status === 0 || libraries === undefined) return binaries;
  const copy = path.join(home, 'postgres');
  cpSync(path.dirname(directory), copy, {recursive: true, verbatimSymlinks: true});
  return {...binaries, directory: path.join(copy, 'bin'), libraries: path.join(copy, 'lib')};
}

export async function findPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const {port} = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
