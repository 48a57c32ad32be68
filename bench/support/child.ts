/**
 * Measuring in another process, one measurement at a time: a lock's machine code is then its own,
 * and a lock that crashes or hangs ends nothing but its own measurement.
 */
import {fork, type ChildProcess} from 'node:child_process';
import {fileURLToPath} from 'node:url';
import type {Figures, Outcome} from './report.js';

export class Child<Question extends object> {
  readonly #program: string;
  readonly #limitMilliseconds: number;
  #process: ChildProcess | undefined;

  /** @param program the compiled module that calls {@link answer} */
  constructor(program: URL, limitMilliseconds: number) {
    this.#program = fileURLToPath(program);
    this.#limitMilliseconds = limitMilliseconds;
  }

  /** Starts the process unless it runs already, from an earlier question. */
  ask(question: Question): Promise<Outcome> {
    const child = (this.#process ??= fork(this.#program, {execArgv: ['--expose-gc']}));
    return new Promise((resolve) => {
      const settle = (outcome: Outcome) => {
        clearTimeout(timer);
        child.removeAllListeners();
        if (typeof outcome === 'string') this.end();
        resolve(outcome);
      };
      const timer = setTimeout(settle, this.#limitMilliseconds, 'hung');
      child.once('message', settle).once('exit', () => settle('crashed'));
      child.send(question);
    });
  }

  /** The same, in a process for this question alone. */
  async askOnce(question: Question): Promise<Outcome> {
    const outcome = await this.ask(question);
    this.end();
    return outcome;
  }

  end(): void {
    this.#process?.kill('SIGKILL');
    this.#process = undefined;
  }
}

/** In the other process. An error ends it, which the asker calls a crash. */
export function answer(measure: (question: never) => Promise<Figures>): void {
  process.on('message', (question) => {
    void measure(question as never).then((figures) => process.send?.(figures));
  });
}
