/** One run: main starts the threads, ends them at random, calls the lock itself, and adds up. */
import {setTimeout as wait} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';
import {Worker} from 'node:worker_threads';
import {Piscina} from 'piscina';
import {randomNumbers} from '../support/random.js';
import {Callers, ORDERED, pause, turn} from './callers.js';
import {MAX_KEYS, askForAll} from './crowd.js';
import {createSource, isAvailable, isOurs, repair, type LockName} from './locks.js';
import {CALLERS, DOING, Marks, type End, type Moment} from './marks.js';
import {countHeld, describe, unrest} from './memory.js';
import type {Task} from './task.js';
import {
  RUNTIME,
  canRunOutOfMemory,
  isAvailableKind,
  mayTellOfHandledError,
  startThread,
  type Data,
  type Thread,
  type WorkerKind,
} from './threads.js';

const MAIN = 0;
const WORKERS = 4;
const WORKERS_TEXT = {node: 'node:worker_threads', web: 'Web Workers'};
const POOL_THREADS = 2;
const TASKS_IN_FLIGHT = 4;

/**
 * How long callers may wait without any entering. Heirs die, too, so an inheritance may take long.
 */
const STANDSTILL_MILLISECONDS = {ours: 20_000, keys: 20_000, plain: 2000, web: 2000};
/** How long the last callers have after the run. */
const STUCK_MILLISECONDS = 30_000;
/** How long a worker has to meet the moment that it is to end in. */
const MOMENT_MILLISECONDS = 300;
/**
 * How long a storm lasts, in which workers die as fast as they are replaced, and the calm after it.
 */
const STORM_MILLISECONDS = 5000;
const PROGRESS_MILLISECONDS = 10_000;

/** What cli.ts gives to the run, as JSON. */
export interface RunOptions {
  readonly lock: LockName;
  readonly seconds: number;
  readonly seed: number;
  /** Those of the pool are always Node.js's. */
  readonly workers: WorkerKind;
}

const {lock: name, seconds, seed, workers} = JSON.parse(process.argv[2] as string) as RunOptions;
if (!isAvailable(name)) {
  console.log(`${RUNTIME} has no Web Locks.`);
  process.exit(2);
}
if (!isAvailableKind(workers)) {
  console.log(`${RUNTIME} has no Web Workers: choose another --runtime.`);
  process.exit(2);
}
const random = randomNumbers(seed);
const marks = new Marks(MAIN);
const source = createSource(name);
const callers = new Callers(marks, source, random);

// It is no part of the game.
new Worker(fileURLToPath(new URL('./watchdog.js', import.meta.url)), {
  workerData: {memory: marks.memory, source},
}).unref();

const kills = new Map<End, number>();
const living = new Set<number>();
let stranded = 0;
let longestStandstill = 0;
let mostHeld = 0;
let isKilling = true;

const dead: number[] = [];

function hasEnded(id: number): void {
  dead.push(id);
  marks.hasEnded(id);
  living.delete(id);
  const end = marks.endOf(id);
  kills.set(end, (kills.get(end) ?? 0) + 1);
}

function pick<T>(from: readonly T[]): T {
  return from[Math.floor(random() * from.length)] as T;
}

// Workers

interface Subject extends Thread {
  readonly ended: Promise<void>;
  isChosen: boolean;
}

const subjects = new Set<Subject>();

function start(): void {
  const data: Data = {memory: marks.memory, source, seed};
  let onEnd!: () => void;
  const ended = new Promise<void>((resolve) => (onEnd = resolve));
  const thread = startThread(workers, new URL('./worker.js', import.meta.url), data, (id) => ({
    onError({message = '', code, stack = message}) {
      const isExpected = message.includes(ORDERED) || code === 'ERR_WORKER_OUT_OF_MEMORY';
      if (isExpected && marks.isEnding(id)) return;
      const isTimeout = message.includes('Timed out');
      if (mayTellOfHandledError && isTimeout && marks.endOf(id) === 'error') return;
      console.error(`Thread ${id} failed with`, stack);
      marks.wrong('a thread ended by itself', id);
    },
    onEnd() {
      hasEnded(id);
      onEnd();
    },
  }));
  living.add(thread.id);
  const subject: Subject = {...thread, ended, isChosen: false};
  subjects.add(subject);
  void subject.ended.then(() => {
    subjects.delete(subject);
    if (!marks.isStopped) start();
  });
}

// The killer

async function killAround(): Promise<void> {
  while (isKilling) {
    const ripe = [...subjects].filter(({id, isChosen}) => !isChosen && marks.hasAsked(id));
    if (ripe.length === 0) {
      await pause(1);
      continue;
    }
    // Sometimes all at once: the owner, who asks after it, and who was just woken.
    const victims = random() < 0.1 ? ripe : [pick(ripe)];
    for (const victim of victims) void kill(victim);
    const isStorm = Math.floor(marks.now() / STORM_MILLISECONDS) % 2 === 0;
    await pause(isStorm ? random() * 50 : random() * 400);
  }
}

async function kill(victim: Subject): Promise<void> {
  victim.isChosen = true;
  const means = random();
  if (means < 0.4) {
    await until(pick([DOING.anything, DOING.inside, DOING.blocked]), victim.id);
    marks.beginEnd(victim.id, 'terminate');
    void victim.terminate();
    return;
  }
  const end: End =
    means < 0.7 ? 'exit' : means < 0.9 || !canRunOutOfMemory ? 'error' : 'out of memory';
  const moment = pick<Moment>(['any', 'admitted', 'inside', 'leaving', 'told', 'told']);
  marks.order(victim.id, end, moment);
  if (moment !== 'any') {
    await Promise.race([victim.ended, wait(MOMENT_MILLISECONDS, undefined, {ref: false})]);
    marks.order(victim.id, end, 'any');
  }
  victim.call();
}

/** Waits a little for the thread to be at it. `anything` is now. */
async function until(what: number, id: number): Promise<void> {
  if (what === DOING.anything) return;
  const patience = performance.now() + 50;
  while (marks.isDoing(id) !== what && performance.now() < patience) await turn();
}

// The pool

const pool = new Piscina<Task, void>({
  filename: fileURLToPath(new URL('./task.js', import.meta.url)),
  minThreads: POOL_THREADS,
  maxThreads: POOL_THREADS,
});

// On Deno, a thread whose task was aborted may run on for a while, and send a result.
pool.on('error', (error: Error) => {
  if (error.message.startsWith('Unexpected message from Worker')) return;
  console.error('The pool failed with', error);
  marks.wrong('a thread ended by itself', MAIN);
});

const watched = new WeakSet<Worker>();

/** Sees the ends of the pool's threads, which Piscina replaces. */
function watchPool(): void {
  for (const worker of pool.threads) {
    if (watched.has(worker)) continue;
    watched.add(worker);
    const id = worker.threadId;
    living.add(id);
    worker.once('exit', () => hasEnded(id));
  }
}

async function feedPool(place: number): Promise<void> {
  while (!marks.isStopped) {
    const isVictim = isKilling && random() < 0.3;
    const work = isVictim
      ? pick<Task['work']>(['short', 'compute', 'wait', random() < 0.3 ? 'compute long' : 'wait'])
      : pick<Task['work']>([
          'short',
          'short',
          'short',
          isKilling ? 'leave a caller behind' : 'short',
        ]);
    marks.clearTask(place);
    const controller = new AbortController();
    const task = {memory: marks.memory, source, seed: random() * 2 ** 31, place, work};
    let isDone = false;
    const done = pool.run(task, {signal: controller.signal}).finally(() => (isDone = true));
    if (isVictim) {
      const victim = await Promise.race([threadOf(place), done.then(() => undefined)]);
      watchPool();
      await pause(random() * (work === 'compute long' ? 900 : 30));
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- set in a callback
      if (victim !== undefined && !isDone) {
        marks.beginEnd(victim, 'abort');
        controller.abort();
        const outcome = await done.catch((error: unknown) => error as Error);
        // It had just ended, and its thread lives on.
        if (!(outcome instanceof Error && outcome.name === 'AbortError')) marks.takeBackEnd(victim);
        continue;
      }
    }
    await done;
  }
}

async function threadOf(place: number): Promise<number | undefined> {
  for (;;) {
    const thread = marks.threadOfTask(place);
    if (thread !== undefined) return thread;
    if (marks.isStopped) return undefined;
    await pause(1);
  }
}

// The watch

const waiting = () =>
  [MAIN, ...living].flatMap((id) => (marks.isEnding(id) ? [] : marks.waitingSince(id)));

async function watch(): Promise<void> {
  let progressAt = PROGRESS_MILLISECONDS;
  for (;;) {
    await pause(20);
    marks.beat();
    watchPool();
    if (isOurs(name) && marks.firstWrong() !== undefined) finish();
    if (name === 'keys') mostHeld = Math.max(mostHeld, countHeld(source));
    const standstill = marks.standstill();
    if (!marks.isStopped && standstill > longestStandstill) longestStandstill = standstill;
    if (standstill > STANDSTILL_MILLISECONDS[name] && waiting().length > 0) {
      stranded++;
      if (isOurs(name)) finish(waiting().length);
      repair(source);
      await pause(STANDSTILL_MILLISECONDS[name] / 2);
    }
    if (marks.now() > progressAt) {
      progressAt += PROGRESS_MILLISECONDS;
      const {acquisitions, timeouts, overlaps} = marks.figures();
      const ends = [...kills.values()].reduce((a, b) => a + b, 0);
      console.log(
        `${Math.round(marks.now() / 1000)} s: ${acquisitions} acquisitions, ${timeouts} timeouts, ${ends} kills, ${overlaps} overlaps, ${stranded} stranded`,
      );
    }
  }
}

function state(): string {
  const threads = [MAIN, ...living];
  const numbers = threads.flatMap((id) => marks.numbersOf(id));
  const lines = [describe(source, numbers), `inside: thread ${marks.inside ?? 'none'}`];
  for (const id of threads) {
    const since = marks.waitingSince(id).map((at) => marks.now() - at);
    const waits = since.length === 0 ? 'nobody waits' : `waiting for ${since.join(', ')} ms`;
    const finished = marks.hasFinished(id) ? 'finished' : 'runs';
    const inLock = marks.numbersOf(id).join(' and ') || 'unknown';
    lines.push(
      `thread ${id}, in the lock ${inLock}: ${finished}, end: ${marks.endOf(id)}, ${waits}`,
    );
  }
  return lines.join('\n');
}

/** Prints the figures and ends the process. */
function finish(stuck = 0, hasEnded = false): never {
  // Main may have learned of an end before it was quite over, and before anybody else did.
  for (const id of dead) marks.checkRobbed(id);
  const found = marks.firstWrong();
  const f = marks.figures();
  const ran = marks.now() / 1000;
  const perSecond = (count: number) => count / Math.min(ran, killedFor);
  kills.delete('done');
  kills.delete('lives');
  const total = [...kills.values()].reduce((a, b) => a + b, 0);
  const byKind = [...kills].map(([kind, count]) => `${kind} ${count}`).join(', ');
  const times = marks.inheritances();
  const median = times[Math.floor(times.length / 2)] ?? 0;
  const slow = times.filter((time) => time > 1000).length;
  const ours = isOurs(name);
  console.log(
    [
      `lock           ${name}, ${RUNTIME}, ${WORKERS_TEXT[workers]}, seed ${seed}, ${ran.toFixed(0)} s, ${CALLERS} callers in ${WORKERS} workers and main, a pool of ${POOL_THREADS}`,
      `acquisitions   ${f.acquisitions} (${Math.round(perSecond(f.acquisitions))} a second)`,
      `timeouts       ${f.timeouts}`,
      `kills          ${total} (${perSecond(total).toFixed(1)} a second): ${byKind}`,
      `marks left     ${f.marksLeft} by threads that died inside${ours ? `, ${f.notTold} of them not reported` : ''}`,
      ...(ours
        ? [
            `inherited      ${times.length} locks, ${f.retold} reports again because the heir died, ${f.standIns} threads were unknown`,
            `inheritance    median ${median} ms, slowest ${times.at(-1) ?? 0} ms, ${slow} slower than 1 s`,
          ]
        : []),
      ...(name === 'keys'
        ? [
            `crowd          ${f.crowdAcquisitions} acquisitions, ${f.crowdInherited} inherited, ${f.crowdNotTold} not reported`,
            `keys           at most ${mostHeld} held at a time, of ${MAX_KEYS}`,
          ]
        : []),
      `longest        wait ${f.longestWait} ms, standstill ${longestStandstill} ms`,
      `overlaps       ${f.overlaps}`,
      `stranded       ${stranded}`,
      `stuck          ${stuck}`,
    ].join('\n'),
  );
  const wrong =
    found === undefined
      ? undefined
      : `${found.wrong} (thread ${found.finder} about ${found.about})`;
  // The other locks have nobody to tell.
  const failure = ours ? (wrong ?? (hasEnded ? unrest(source) : undefined)) : undefined;
  const isLost = f.overlaps > 0 || stranded > 0 || stuck > 0;
  if (failure !== undefined) console.log(`FAILED: ${failure}`);
  else if (isLost) console.log('FAILED: see the last three figures');
  if (failure !== undefined || (ours && isLost)) console.log(state());
  process.exit(failure !== undefined || isLost ? 1 : 0);
}

// The run

let killedFor = seconds;
for (let worker = 0; worker < WORKERS; worker++) start();
void callers.run();
void callers.blockNowAndThen();
void watch();
const fed = Promise.all(Array.from({length: TASKS_IN_FLIGHT}, (_, place) => feedPool(place)));
void killAround();

await pause(killedFor * 1000);
isKilling = false;
killedFor = marks.now() / 1000;
// Those whose end has begun.
const chosen = [...subjects].filter(({isChosen}) => isChosen).map((subject) => subject.ended);
await Promise.race([Promise.all(chosen), wait(STUCK_MILLISECONDS)]);
await pause(1000);
marks.stop();

const deadline = performance.now() + STUCK_MILLISECONDS;
const others = [...subjects];
const isOver = () => others.every(({id}) => marks.hasFinished(id)) && marks.hasFinished(MAIN);
let isFed = false;
void fed.then(() => (isFed = true));
// eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- set in a callback
while (!(isOver() && isFed) && performance.now() < deadline) await pause(20);
const stuck = waiting().length;
// eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- set in a callback
if (!isOver() || !isFed) {
  console.log('Not everybody came to an end.');
  finish(Math.max(stuck, 1));
}

// A caller that a task left behind may still be in line, in a thread that stands still.
for (const id of living) marks.beginEnd(id, 'done');
await Promise.all([pool.destroy(), ...others.map((thread) => thread.terminate())]);
if (isOurs(name)) {
  // Whoever asks last finds what the others left.
  const last = callers
    .ask(0, callers.attach(undefined), () => undefined)
    .then(() => (name === 'keys' ? askForAll(source.buffer, callers) : undefined));
  const isServed = await Promise.race([
    last.then(() => true),
    wait(STUCK_MILLISECONDS, false, {ref: false}),
  ]);
  if (!isServed) finish(1);
}
finish(0, true);
