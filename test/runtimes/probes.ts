/**
 * For Bun: what a worker is told of other threads by `runtime.probeThread`, the main thread blocked
 * or not. Prints it as JSON.
 */
import process from 'node:process';
import {Worker as NodeWorker, parentPort, threadId, workerData} from 'node:worker_threads';
import {setTimeout as pause} from 'node:timers/promises';
import type {Presence, Runtime} from '../../src/shared/runtime/runtime.js';

declare const Worker: new (url: string) => {
  onmessage: (event: {data: number}) => void;
  postMessage(milliseconds: number): void;
  terminate(): void;
};

interface Start {
  readonly answers: Int32Array;
  /** The module of the installed package that has its runtime. */
  readonly module: string;
  readonly isProber: boolean;
}

const PRESENCES: readonly Presence[] = ['found', 'not found', 'no answer'];
const BUSY_MILLISECONDS = 600;

function compute(milliseconds: number, until = () => false): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end && !until());
}

const start = workerData as Start | null;
if (start === null) await main();
else if (start.isProber) await answer(start);
else {
  process.on('workerMessage', () => undefined);
  parentPort?.on('message', compute);
  parentPort?.postMessage(threadId);
}

/** Writes down what it is told of each thread that it is asked about. */
async function answer({answers, module}: Start): Promise<void> {
  const {runtime} = (await import(module)) as {runtime: Runtime};
  parentPort?.on('message', (id: number) => {
    void runtime.probeThread(id).then((presence) => {
      Atomics.store(answers, 0, 1 + PRESENCES.indexOf(presence));
    });
  });
  parentPort?.postMessage('ready');
}

async function main(): Promise<void> {
  const answers = new Int32Array(new SharedArrayBuffer(4));
  const module = process.argv.at(-1) ?? '';
  const begin = async (isProber: boolean) => {
    const data: Start = {answers, module, isProber};
    const worker = new NodeWorker(new URL(import.meta.url), {workerData: data});
    const message = await new Promise<number>((resolve) => worker.once('message', resolve));
    return {worker, id: message};
  };
  const {worker: prober} = await begin(true);
  const node = await begin(false);
  const web = new Worker(
    URL.createObjectURL(
      new Blob([
        `${compute.toString()}
         process.on('workerMessage', () => undefined);
         self.onmessage = ({data}) => compute(data);
         postMessage(process.getBuiltinModule('node:worker_threads').threadId);`,
      ]),
    ),
  );
  const webId = await new Promise<number>((resolve) => {
    web.onmessage = ({data}) => resolve(data);
  });

  const ask = async (id: number, isBlocked = false) => {
    Atomics.store(answers, 0, 0);
    prober.postMessage(id);
    const isAnswered = () => Atomics.load(answers, 0) !== 0;
    if (isBlocked) compute(10_000, isAnswered);
    while (!isAnswered()) await pause(1);
    return PRESENCES[Atomics.load(answers, 0) - 1];
  };
  const told: Record<string, unknown> = {};
  told['a Web Worker, the main thread blocked'] = await ask(webId, true);
  told['a Web Worker'] = await ask(webId);
  node.worker.postMessage(BUSY_MILLISECONDS);
  web.postMessage(BUSY_MILLISECONDS);
  told['a worker that computes'] = await ask(node.id);
  told['a Web Worker that computes'] = await ask(webId);
  await node.worker.terminate();
  web.terminate();
  told['a worker that has ended'] = await ask(node.id);
  told['a Web Worker that has ended'] = await ask(webId);
  console.log(JSON.stringify(told));
  process.exit();
}
