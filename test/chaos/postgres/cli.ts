/**
 * `npm run test:chaos:postgres -- [--seconds 60] [--seed N] [--partitions]`
 *
 * Four processes lock three keys on a PostgreSQL of the run's own, with random aborts and timeouts.
 * Meanwhile processes are killed and stopped, sessions terminated, the server is restarted and
 * crashes, and the network of one process is cut, where a network namespace can be made. Where
 * PgBouncer is installed, the processes try it, too, and have to be refused. With `--partitions` the
 * network is cut, and nothing else happens.
 *
 * Counts the times in which two were inside, and says after which blow; the locks that are left in the
 * end; and the times until a holder is told of its loss and until the next one holds.
 */
import {spawn, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import process from 'node:process';
import {setTimeout as sleep} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {startPooler} from '../../postgres/support/pooler.js';
import {Server} from '../../postgres/support/server.js';
import {numberOption} from '../../support/options.js';
import {randomNumbers} from '../../support/random.js';
import {transpileFolder} from '../../support/transpile.js';
import {PARTITION_MILLISECONDS, PROCESSES, judge, type Blow, type ChildData} from './log.js';
import {NETWORK, createNetwork} from './network.js';

const {values: given} = parseArgs({
  options: {
    seconds: {type: 'string', default: '60'},
    seed: {type: 'string', default: String(Date.now() % 1_000_000)},
    partitions: {type: 'boolean', default: false},
  },
});
const seconds = numberOption('seconds', given.seconds);
const seed = numberOption('seed', given.seed);
const random = randomNumbers(seed);
const now = () => Number(process.hrtime.bigint()) / 1e6;

const directory = mkdtempSync(path.join(tmpdir(), 'lock-chaos-'));
for (const folder of ['src', 'test/support', 'test/chaos/postgres']) {
  transpileFolder(folder, directory);
}
writeFileSync(path.join(directory, 'package.json'), JSON.stringify({type: 'module'}));
const nodeModules = fileURLToPath(new URL('../../../node_modules', import.meta.url));
symlinkSync(nodeModules, path.join(directory, 'node_modules'));
process.once('exit', () => rmSync(directory, {recursive: true, force: true}));

const network = createNetwork();
if (network) process.once('exit', () => network.remove());
const server = await startServer();
const pooler = await startPooler(server);
console.log(
  `${server.name}, ${seconds} s, seed ${seed}, ` +
    `${network ? 'with' : 'WITHOUT'} partitions, ${pooler ? 'with' : 'WITHOUT'} PgBouncer`,
);

async function startServer(): Promise<Server> {
  const started = await Server.start(18, {settings: {listen_addresses: '*'}, network: NETWORK});
  if (typeof started === 'string') throw new Error(started);
  return started;
}

// Processes

const blows: Blow[] = [];
const files = new Map<string, string>();
const children = new Map<string, ChildProcess>();
let generation = 0;
let isRunning = true;

function start(place: number): void {
  const name = `chaos ${place} ${generation++}`;
  const file = path.join(directory, `${name.replaceAll(' ', '-')}.log`);
  const isApart = place === 0 && network !== undefined;
  const host = isApart ? network.address : '127.0.0.1';
  const data: ChildData = {
    url: server.url.replace('127.0.0.1', host),
    poolerUrl: isApart ? undefined : pooler?.url,
    name,
    file,
    seed: Math.floor(random() * 2 ** 31),
    isApart,
  };
  writeFileSync(file, '');
  files.set(name, file);
  const [command, ...args] = [
    ...(isApart ? network.prefix : []),
    process.execPath,
    path.join(directory, 'test/chaos/postgres/child.js'),
    JSON.stringify(data),
  ];
  const child = spawn(command, args, {stdio: ['pipe', 'inherit', 'inherit']});
  child.stdin.on('error', () => undefined);
  children.set(name, child);
  child.once('exit', () => {
    children.delete(name);
    if (isRunning) start(place);
  });
}

for (let place = 0; place < PROCESSES; place++) start(place);

// Blows

const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
const blow = (what: string, name?: string) => {
  blows.push({at: now(), what, ...(name === undefined ? {} : {name})});
};

/** Those whose network is not cut. */
const reachable = () =>
  [...children.keys()].filter((name) => !isCut || !name.startsWith('chaos 0'));
let isCut = false;

const actions: Record<string, () => Promise<void>> = {
  'kill -9': async () => {
    const name = pick(reachable());
    blow('kill -9', name);
    children.get(name)?.kill('SIGKILL');
  },
  terminate: async () => {
    const name = pick(reachable());
    const client = server.client();
    client.on('error', () => undefined);
    try {
      await client.connect();
      blow('terminate', name);
      await client.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1',
        [name],
      );
    } finally {
      await client.end();
    }
  },
  stop: async () => {
    const name = pick(reachable());
    const child = children.get(name);
    blow('stop', name);
    child?.kill('SIGSTOP');
    await sleep(random() * 2000);
    child?.kill('SIGCONT');
  },
  restart: async () => {
    blow('restart');
    await server.stop('SIGINT');
    await sleep(random() * 500);
    await server.start();
  },
  crash: async () => {
    blow('crash');
    await server.stop('SIGQUIT');
    await server.start();
  },
};

async function beat(): Promise<void> {
  while (isRunning) {
    await sleep(100 + random() * 1500);
    const chance = random();
    const what =
      chance < 0.4
        ? 'kill -9'
        : chance < 0.8
          ? 'terminate'
          : chance < 0.93
            ? 'stop'
            : pick(['restart', 'crash']);
    await actions[what]?.();
  }
}

async function partition(): Promise<void> {
  while (isRunning && network !== undefined) {
    await Promise.race([sleep(20_000 * random()), ended]);
    if (isOver()) return;
    const name = [...children.keys()].find((each) => each.startsWith('chaos 0'));
    if (name === undefined) continue;
    isCut = true;
    blow('partition', name);
    network.cut();
    await Promise.race([sleep(PARTITION_MILLISECONDS * (0.2 + 0.8 * random())), ended]);
    network.mend();
    isCut = false;
  }
}

const isOver = () => !isRunning;
let end!: () => void;
const ended = new Promise<void>((resolve) => (end = resolve));
setTimeout(() => {
  isRunning = false;
  end();
}, seconds * 1000);
await Promise.all([given.partitions ? ended : beat(), partition()]);

// The end

const patience = setTimeout(() => {
  console.log(`Still running: ${[...children.keys()].join(', ')}`);
  for (const child of children.values()) child.kill('SIGKILL');
  process.exitCode = 1;
}, 90_000);
await Promise.all(
  [...children.values()].map(async (child) => {
    child.stdin?.end();
    await once(child, 'exit');
  }),
);
clearTimeout(patience);
const countLocks = async () =>
  (await server.query(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory'`)).length;
// A session that was cut off is noticed within 30 seconds.
for (let n = 0; n < 400 && (await countLocks()) > 0; n++) await sleep(100);
const left = await countLocks();

const logs = new Map([...files].map(([name, file]) => [name, readFileSync(file, 'utf8')]));
const {stays, refusals, wrong, overlaps, told, next} = judge(logs, blows);
const counts = new Map<string, number>();
for (const {what} of blows) counts.set(what, (counts.get(what) ?? 0) + 1);
console.log([...counts].map(([what, count]) => `${count} × ${what}`).join(', '));
console.log(`${stays} times inside, ${refusals} times refused behind a pooler`);
for (const [title, figures] of [
  ['told of the loss', told],
  ['the next inside', next],
] as const) {
  for (const [what, all] of figures) {
    const sorted = [...all].sort((a, b) => a - b);
    const at = (part: number) => (sorted[Math.floor(sorted.length * part)] ?? NaN).toFixed(1);
    const longest = sorted.at(-1)?.toFixed(1);
    console.log(
      `after ${what}: ${title} in ${at(0.5)} ms (median of ${all.length}), ${at(0.95)} (95 %), ${longest} (longest)`,
    );
  }
}
for (const what of new Set(overlaps.map(({after}) => after))) {
  const lengths = overlaps
    .filter(({after}) => after === what)
    .map(({milliseconds}) => milliseconds);
  console.log(
    `${lengths.length} overlaps ${what === undefined ? 'WITHOUT A REASON' : `after ${what}`}, ` +
      `${lengths.reduce((sum, each) => sum + each, 0).toFixed(2)} ms in all, longest ${Math.max(...lengths).toFixed(2)} ms`,
  );
}
if (overlaps.length === 0) console.log('no overlaps');
console.log(`${left} locks left`);
for (const each of wrong) console.log('WRONG:', each);
const isKilled = (name: string) =>
  blows.some((each) => each.name === name && each.what === 'kill -9');
const unfinished = [...logs].filter(([name, text]) => !isKilled(name) && !text.includes(' done '));
for (const [name] of unfinished) console.log(`WRONG: ${name} did not come to its end`);
if (left > 0 || wrong.length > 0 || unfinished.length > 0) process.exitCode = 1;
if (overlaps.some(({after}) => after === undefined)) process.exitCode = 1;
pooler?.end();
await server.end();
process.exit();
