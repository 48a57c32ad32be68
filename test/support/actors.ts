import {Worker, type WorkerOptions} from 'node:worker_threads';
import type {ExecutionContext} from 'ava';
import type {Command, Reply} from '../fixtures/actor.js';
import {compiledFile} from './compiled.js';

/** A worker thread that does as it is told. See test/fixtures/actor.ts. */
export class Actor {
  readonly worker: Worker;
  /** Known for good, while the worker's own is -1 once it has ended. */
  readonly threadId: number;
  readonly #asked = new Map<number, {resolve: (v: unknown) => void; reject: (e: Error) => void}>();
  #questions = 0;

  constructor(options: WorkerOptions = {}) {
    this.worker = new Worker(compiledFile('test/fixtures/actor'), {
      stderr: true,
      // It is compiled. The options of the test would make each thread load tsimp.
      execArgv: [],
      ...options,
    });
    this.threadId = this.worker.threadId;
    this.worker.on('error', () => undefined);
    this.worker.on('message', (reply: Reply) => {
      const asked = this.#asked.get(reply.id);
      this.#asked.delete(reply.id);
      if ('value' in reply) asked?.resolve(reply.value);
      else asked?.reject(Object.assign(new Error(reply.error.message), {code: reply.error.code}));
    });
  }

  /** Resolves to what became of the command; never, if the thread ends before. */
  async tell(command: Command): Promise<unknown> {
    const id = this.#questions++;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, {resolve, reject});
      this.worker.postMessage({id, command});
    });
  }
}

/** Starts actors that end with the test. */
export function actors(t: ExecutionContext, count: number, options?: WorkerOptions): Actor[] {
  const all = Array.from({length: count}, () => new Actor(options));
  t.teardown(() => Promise.all(all.map(({worker}) => worker.terminate())).then(() => undefined));
  return all;
}
