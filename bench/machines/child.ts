/** One measurement, in a process of its own, which leads those that contend. */
import {fork, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {readFileSync, readdirSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';
import pg from 'pg';
import {answer} from '../support/child.js';
import type {Figures} from '../support/report.js';
import type {Size} from './rows.js';
import type {Section, Task} from './worker.js';

export interface Question extends Size {
  readonly lock: string;
  readonly url: string;
  /** The process of the server that starts all others. */
  readonly serverPid: number;
  readonly milliseconds: number;
  /** Whether all but one wait. */
  readonly isIdle: boolean;
}

/** In which each connects, and comes to a steady state. */
const WARM_UP_MILLISECONDS = 500;

/** How often it is looked how many connections there are. */
const SAMPLES = 5;

answer((question: Question) => (question.isIdle ? measureIdle(question) : measure(question)));

async function startWorkers({lock, url, callers, keys, processes}: Question) {
  const task: Task = {lock, url, callers, keys};
  const workers = Array.from({length: processes}, () =>
    fork(fileURLToPath(new URL('./worker.js', import.meta.url)), [JSON.stringify(task)], {
      serialization: 'advanced',
    }),
  );
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  return workers;
}

async function measure(question: Question): Promise<Figures> {
  const {url, milliseconds, serverPid} = question;
  const workers = await startWorkers(question);
  for (const worker of workers) worker.send('start');
  await sleep(WARM_UP_MILLISECONDS);
  const from = now();
  const cpuBefore = serverCpuMilliseconds(serverPid);
  let connections = 0;
  for (let n = 0; n < SAMPLES; n++) {
    await sleep(milliseconds / SAMPLES);
    connections = Math.max(connections, await countConnections(url));
  }
  const serverCpu = serverCpuMilliseconds(serverPid) - cpuBefore;
  const to = now();
  const all = await Promise.all(workers.map(stop));
  const sections = all.flatMap((own, process) =>
    own
      .filter(([, , entered]) => entered >= from && entered < to)
      .map(([key, asked, entered, left]) => ({process, key, asked, entered, left})),
  );
  sections.sort((a, b) => a.entered - b.entered);
  const handOvers: number[] = [];
  let overlaps = 0;
  const last = new Map<number, (typeof sections)[number]>();
  for (const section of sections) {
    const before = last.get(section.key);
    if (before !== undefined && before.left > section.entered) overlaps++;
    if (before !== undefined && before.process !== section.process) {
      handOvers.push(section.entered - before.left);
    }
    last.set(section.key, section);
  }
  handOvers.sort((a, b) => a - b);
  const turns = workers.map((_, n) => sections.filter(({process}) => process === n).length);
  const waits = sections.map(({asked, entered}) => entered - asked);
  return {
    operationsPerSecond: (sections.length / (to - from)) * 1000,
    ...(handOvers.length > 0
      ? {
          handOverMilliseconds: handOvers[Math.floor(handOvers.length / 2)] as number,
          p99HandOverMilliseconds: handOvers[Math.floor(handOvers.length * 0.99)] as number,
        }
      : {}),
    longestMilliseconds: waits.reduce((longest, wait) => Math.max(longest, wait), 0),
    fewestTurns: Math.min(...turns),
    mostTurns: Math.max(...turns),
    turnsApart: (Math.max(...turns) - Math.min(...turns)) / Math.max(1, ...turns),
    connections,
    serverCpuPerOperation: serverCpu / Math.max(1, sections.length),
    overlaps,
  };
}

/** What the server does while many wait, and nothing happens. */
async function measureIdle(question: Question): Promise<Figures> {
  const {url, milliseconds, serverPid} = question;
  const workers = await startWorkers({...question, processes: question.processes + 1});
  const [holder, ...waiting] = workers as [ChildProcess, ...ChildProcess[]];
  holder.send('hold');
  await once(holder, 'message');
  for (const worker of waiting) worker.send('wait');
  await sleep(2 * WARM_UP_MILLISECONDS);
  const before = serverCpuMilliseconds(serverPid);
  await sleep(milliseconds);
  const serverCpu = serverCpuMilliseconds(serverPid) - before;
  const connections = await countConnections(url);
  for (const worker of workers) worker.kill('SIGKILL');
  return {idlePercent: (serverCpu / milliseconds) * 100, connections};
}

const now = () => Number(process.hrtime.bigint()) / 1e6;

async function stop(worker: ChildProcess): Promise<Section[]> {
  const stopped = once(worker, 'message');
  worker.send('stop');
  const [sections] = (await stopped) as [Section[]];
  return sections;
}

/** But for the one that asks. */
async function countConnections(url: string): Promise<number> {
  const client = new pg.Client(url);
  await client.connect();
  const {rows} = await client.query<{count: string}>(
    `SELECT count(*) FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`,
  );
  await client.end();
  return Number(rows[0]?.count);
}

const TICKS_PER_MILLISECOND = 0.1;

/** What the processes that `pid` started have computed, those included that have ended. Linux alone. */
function serverCpuMilliseconds(pid: number): number {
  let ticks = 0;
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    let stat;
    try {
      stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
    } catch {
      continue;
    }
    // The name of the program, in brackets, may have spaces.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (Number(fields[1]) === pid) ticks += Number(fields[11]) + Number(fields[12]);
    if (Number(entry) === pid) ticks += Number(fields[13]) + Number(fields[14]);
  }
  return ticks / TICKS_PER_MILLISECOND;
}
