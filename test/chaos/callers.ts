/** What every thread of a run does with the lock: callers with all kinds of timeouts and work. */
import type {SharedKey} from '../../src/shared/index.js';
import {TESTED_KEY, crowdKey} from './crowd.js';
import {attach, type LockSource} from './locks.js';
import {CALLERS, type End, type Marks, type Moment} from './marks.js';
import {newNumber} from './memory.js';
import {isTimeout, type Player, type Section, type TestedLock} from './tested.js';
import {exitThread, numberInLock} from './threads.js';

const SHORT_MILLISECONDS = 50;
const LONG_MILLISECONDS = 5000;

/** How long an event loop is blocked at most, and the average time between two such blocks. */
const BLOCK_MILLISECONDS = 50;
const BETWEEN_BLOCKS_MILLISECONDS = 400;

export const pause = (milliseconds: number) =>
  new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
export const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** The uncaught error of a thread that was to end by one. */
export const ORDERED = 'as ordered';

export class Callers implements Player {
  readonly #marks: Marks;
  readonly #source: LockSource;
  readonly #random: () => number;
  #isEnding = false;

  constructor(marks: Marks, source: LockSource, random: () => number) {
    this.#marks = marks;
    this.#source = source;
    this.#random = random;
    if (numberInLock !== undefined) marks.hasNumber(numberInLock);
  }

  get mayBlock(): boolean {
    return this.#marks.thread !== 0;
  }

  /** The timeout of a lock object: none, 0, short or long. */
  anyTimeout(): number | undefined {
    const timeouts = [
      undefined,
      0,
      1 + this.#random() * SHORT_MILLISECONDS,
      this.#random() * LONG_MILLISECONDS,
    ];
    return timeouts[Math.floor(this.#random() * timeouts.length)];
  }

  attach(timeout: number | undefined): TestedLock {
    return attach(this.#source, timeout, this, this.#random);
  }

  /** Ask again and again until the run stops. */
  async run(): Promise<void> {
    const locks = Array.from({length: CALLERS}, () => this.attach(this.anyTimeout()));
    const all = Array.from({length: CALLERS}, async (_, caller) => {
      while (!this.#marks.isStopped) {
        const lock = locks[Math.floor(this.#random() * locks.length)] as TestedLock;
        await this.ask(caller, lock, () => this.#work());
        await this.#rest();
      }
    });
    await Promise.all(all);
    this.#marks.finish();
  }

  async blockNowAndThen(): Promise<void> {
    while (!this.#marks.isStopped) {
      await pause(this.#random() * 2 * BETWEEN_BLOCKS_MILLISECONDS);
      this.#marks.block(this.#random() * BLOCK_MILLISECONDS);
    }
  }

  /** One call, which ends with the lock or with a timeout. */
  async ask(caller: number, lock: TestedLock, work: Section): Promise<void> {
    const marks = this.#marks;
    let timedOut = false;
    // Right after the call: who has not asked yet is not killed.
    const call = lock.withLock(() =>
      this.#section(
        TESTED_KEY,
        () => marks.enter(lock),
        work,
        () => marks.leave(),
      ),
    );
    marks.asks(caller);
    try {
      await call;
    } catch (error) {
      timedOut = isTimeout(error);
      if (!timedOut) {
        console.error(`A caller in thread ${marks.thread} got`, error);
        marks.wrong('a caller got an unexpected error', marks.thread);
      }
    }
    marks.hasAnswer(caller, timedOut);
    if (timedOut) await pause(this.#random() * 5);
  }

  inCrowd(numbers: readonly number[], section?: Section): Promise<void> | undefined {
    const marks = this.#marks;
    return this.#section(
      crowdKey(numbers[0] as number),
      () => marks.enterCrowd(numbers),
      section ?? (() => this.#work()),
      () => marks.leaveCrowd(numbers),
    );
  }

  leftInCrowd(): number | undefined {
    return this.#marks.leftInCrowd(this.#random());
  }

  /** @param key whose lock this thread has */
  #section(
    key: SharedKey,
    enter: () => void,
    work: Section,
    leave: () => void,
  ): Promise<void> | undefined {
    this.noteNumber(key);
    const atOnce = this.#obey('admitted');
    if (atOnce !== undefined) return atOnce;
    enter();
    const inside = this.#obey('inside');
    if (inside !== undefined) return inside;
    const leaving = () => {
      leave();
      return this.#obey('leaving');
    };
    const done = work();
    return done === undefined ? leaving() : Promise.resolve(done).then(leaving);
  }

  /** By which number the lock knows this thread can be seen while it has the lock of a key. */
  noteNumber(key: SharedKey = TESTED_KEY): void {
    const number = newNumber(this.#source, key);
    if (number !== undefined) this.#marks.hasNumber(number);
  }

  #work(): Promise<void> | undefined {
    const kind = this.#random();
    if (kind < 0.6) return undefined;
    if (kind < 0.9) return turn();
    if (kind < 0.95) return pause(this.#random() * 4);
    this.#marks.compute(this.#random() * 4);
    return undefined;
  }

  #rest(): Promise<void> | undefined {
    const kind = this.#random();
    if (kind < 0.3) return undefined;
    return kind < 0.8 ? turn() : pause(this.#random() * 10);
  }

  told(through: TestedLock | undefined, dead: number): void {
    this.noteNumber();
    this.#marks.told(dead, through);
    this.#obeyInCallback();
  }

  toldInCrowd(number: number, dead: number): void {
    this.noteNumber(crowdKey(number));
    this.#marks.toldInCrowd(number, dead);
    this.#obeyInCallback();
  }

  #obeyInCallback(): void {
    const end = this.#marks.orderAt('told');
    if (end !== undefined) void this.end(end, true);
  }

  #obey(moment: Moment): Promise<void> | undefined {
    const end = this.#marks.orderAt(moment);
    return end === undefined ? undefined : this.end(end);
  }

  /** Ends this thread. The promise, where there is one, never resolves. */
  end(end: End, inCallback = false): Promise<void> {
    // On Deno, a thread runs on for a turn when it has ended itself. Then a second call of
    // `process.exit` never returns, and the thread never ends.
    if (this.#isEnding) return new Promise(() => undefined);
    this.#isEnding = true;
    this.#marks.beginEnd(this.#marks.thread, end);
    if (end === 'error') {
      if (inCallback) throw new Error(ORDERED);
      queueMicrotask(() => {
        throw new Error(ORDERED);
      });
    } else if (end === 'out of memory') {
      const hoard: unknown[] = [];
      for (;;) {
        hoard.push(new Array(10_000).fill(hoard.length));
        this.#marks.beat();
      }
    } else {
      exitThread();
    }
    return new Promise(() => undefined);
  }
}
