/**
 * A machine with a few threads over one shared memory, all simulated in this thread. Only one of
 * them runs at a time. A `Strategy` decides which one goes on, at each atomic operation and at the
 * end of each turn of an event loop, and which of the things that are due happens next.
 */
import {Memory} from './memory.js';
import {SimulatedPromise, running} from './promise.js';
import {isGenerator, type Job, type Suspendable} from './suspendable.js';
import {LogicalThread, mix, type Timer} from './thread.js';

/**
 * What a strategy chooses from. The first option is what happens without any preemption, death or
 * delay.
 */
export interface Option {
  readonly thread: LogicalThread;
  readonly kind:
    | 'go on' // in the middle of its code
    | 'turn' // the next task of its event loop
    | 'timer'
    | 'collect' // what it no longer references
    | 'finalize'
    | 'die'
    | 'block'; // busy for BLOCK_MILLISECONDS, in the middle of its code or between two tasks
  readonly timer?: Timer;
  /** What it takes from the bound on preemptions. */
  readonly cost: number;
}

export interface Strategy {
  /** @returns an index, or -1 to abandon the execution: another one was the same from here on */
  choose(options: readonly Option[], machine: Machine): number;
}

const BLOCK_MILLISECONDS = 5_000;
const GIVE_UP_MILLISECONDS = 15_000;
const GIVE_UP_STEPS = 5_000;

const isParked = ({parked}: LogicalThread): boolean => parked !== undefined && !parked.isOver;

const UNBLOCK = (): void => undefined;

export class Machine {
  readonly memory = new Memory(this);
  threads: LogicalThread[] = [];
  current!: LogicalThread;
  strategy!: Strategy;
  /** Whether the strategy is asked; otherwise each thread goes on for as long as it can. */
  isScheduling = false;
  clock = 0;
  #givesUpAt = 0;
  #deadlineClock = 0;
  /** Whether a thread has died or was blocked, so that others need timers to go on. */
  isDegraded = false;
  deathsLeft = 0;
  blocksLeft = 0;
  mayDie: (thread: LogicalThread) => boolean = () => true;
  onDeath: (thread: LogicalThread) => void = () => undefined;
  onUnblock: (thread: LogicalThread) => void = () => undefined;
  /** Nothing is left to do but to let time pass. */
  onQuiet: () => void = () => undefined;
  /** Whether `probeThread` finds nobody. */
  isDenied = false;
  /** Whether `probeThread` gets no answer. */
  isSilent = false;
  failure: string | undefined;
  /** For the account of an execution. */
  log: ((line: string) => void) | undefined;
  /** Of the checks, so that states that look the same are. */
  checksHash: () => number = () => 0;
  #next: Option | undefined;
  #isAbandoned = false;
  steps = 0;

  reset(): void {
    this.threads = [];
    this.isScheduling = false;
    this.clock = this.#deadlineClock = 1_000;
    this.#givesUpAt = GIVE_UP_MILLISECONDS;
    this.isDegraded = false;
    this.deathsLeft = this.blocksLeft = 0;
    this.failure = undefined;
    this.log = undefined;
    this.memory.reset();
    this.#next = undefined;
    this.#isAbandoned = false;
    this.steps = 0;
  }

  addThread(id: number): LogicalThread {
    const thread = new LogicalThread(this.threads.length, id);
    this.threads.push(thread);
    return thread;
  }

  /** Time in which nobody does anything. */
  letPass(milliseconds: number): void {
    this.clock += milliseconds;
    this.#givesUpAt += milliseconds;
  }

  fail(message: string): void {
    this.failure ??= message;
  }

  // Running

  /** Runs until nothing is left to do. @returns `false` if the strategy abandoned it */
  run(): boolean {
    while (this.failure === undefined && !this.#isAbandoned) {
      const option = this.#next ?? this.#decide(undefined);
      this.#next = undefined;
      if (option === undefined) break;
      this.#perform(option);
    }
    return !this.#isAbandoned;
  }

  /** Whether the running thread is to be suspended. */
  readonly point = (): boolean => {
    if (!this.isScheduling) return false;
    const option = this.#decide(this.current);
    if (this.failure === undefined && option?.kind === 'go on' && option.thread === this.current)
      return false;
    this.#next = option;
    return true;
  };

  *step(): Suspendable<void> {
    if (this.point()) yield;
  }

  #decide(inTheMiddle: LogicalThread | undefined): Option | undefined {
    if (this.failure !== undefined || this.#isAbandoned) return undefined;
    this.steps++;
    if (this.steps > GIVE_UP_STEPS) this.fail('It goes on for ever.');
    if (this.clock > this.#givesUpAt) this.fail(`It takes more than ${GIVE_UP_MILLISECONDS} ms.`);
    const options = this.#options(inTheMiddle);
    if (
      inTheMiddle === undefined &&
      !options.some(({kind}) => kind !== 'timer' && kind !== 'die' && kind !== 'block')
    ) {
      this.onQuiet();
      // Without timers, a death or a delay of a thread that has nothing to do makes no difference.
      if (options.length === 0 || options[0]?.kind !== 'timer') return undefined;
    }
    const [first] = options;
    if (!this.isScheduling || options.length === 1) return first;
    const choice = this.strategy.choose(options, this);
    if (choice < 0) this.#isAbandoned = true;
    return options[choice];
  }

  #options(inTheMiddle: LogicalThread | undefined): Option[] {
    const options: Option[] = [];
    const cost = inTheMiddle === undefined ? 0 : 1;
    if (inTheMiddle !== undefined) options.push({thread: inTheMiddle, kind: 'go on', cost: 0});
    if (inTheMiddle !== undefined && !this.isScheduling) return options;
    const {threads} = this;
    const first = inTheMiddle?.index ?? this.current.index;
    for (let i = 0; i < threads.length; i++) {
      const thread = threads[(first + i) % threads.length] as LogicalThread;
      if (thread === inTheMiddle || thread.state !== 'alive' || isParked(thread)) continue;
      if (thread.stack !== undefined) options.push({thread, kind: 'go on', cost});
      else if (thread.tasks.length > 0) options.push({thread, kind: 'turn', cost});
    }
    const isQuiet = options.length === 0;
    for (const thread of threads) {
      if (thread === inTheMiddle || thread.stack !== undefined || thread.state !== 'alive')
        continue;
      // A timer references whoever started it.
      const isGarbage =
        thread.hasDropped && thread.references.length > 0 && thread.timers.length === 0;
      if (isGarbage) options.push({thread, kind: 'collect', cost});
      if (thread.finalizers.length > 0) options.push({thread, kind: 'finalize', cost});
    }
    this.#addTimers(inTheMiddle, options, isQuiet);
    if (this.isScheduling && options.length > 0) {
      for (const thread of threads) {
        if (thread.state === 'dead') continue;
        if (this.deathsLeft > 0 && this.mayDie(thread))
          options.push({thread, kind: 'die', cost: 0});
        if (this.blocksLeft > 0 && thread.state === 'alive')
          options.push({thread, kind: 'block', cost: 0});
      }
    }
    return options;
  }

  #addTimers(inTheMiddle: LogicalThread | undefined, options: Option[], isQuiet: boolean): void {
    const timers: {thread: LogicalThread; timer: Timer; order: number}[] = [];
    for (const thread of this.threads) {
      if (thread === inTheMiddle || thread.state === 'dead') continue;
      for (const timer of thread.timers) {
        // A thread that is busy answers no timer; that it is no longer busy is one, too.
        // One that is parked has only that one.
        if (thread.state === 'blocked' ? timer.action !== UNBLOCK : thread.stack !== undefined) {
          if (thread.state === 'blocked' || !isParked(thread)) continue;
          if (timer !== thread.parked?.timer) continue;
        }
        if (timer.kind === 'wait' && !this.isDegraded) continue;
        // Where nothing else is to be done, a caller gets the lock rather than a timeout.
        timers.push({thread, timer, order: timer.kind === 'deadline' ? Infinity : timer.due});
      }
    }
    timers.sort((a, b) => (a.order === b.order ? 0 : a.order - b.order));
    const cost = inTheMiddle === undefined ? 0 : 1;
    for (const [index, {thread, timer}] of timers.entries()) {
      const isNext = isQuiet && index === 0;
      if (timer.action === UNBLOCK && !isNext) continue;
      options.push({
        thread,
        kind: 'timer',
        timer,
        cost: timer.kind === 'deadline' || isNext ? cost : cost + 1,
      });
    }
  }

  #perform({thread, kind, timer}: Option): void {
    this.log?.(
      `thread ${thread.id}: ${kind}${timer === undefined ? '' : ` (${timer.kind}, ${timer.due})`}`,
    );
    switch (kind) {
      case 'go on':
        break;
      case 'turn':
        this.#start(thread, thread.tasks.shift() as Job);
        break;
      case 'timer': {
        const {due, action, kind: timerKind} = timer as Timer;
        thread.timers.splice(thread.timers.indexOf(timer as Timer), 1);
        if (timerKind === 'deadline') this.#deadlineClock = Math.max(this.#deadlineClock, due);
        else this.clock = Math.max(this.clock, due);
        if (action === UNBLOCK) {
          thread.state = 'alive';
          this.onUnblock(thread);
          return;
        }
        thread.saw(due);
        if (timer === thread.parked?.timer) {
          void action();
          return;
        }
        this.#start(thread, action);
        break;
      }
      case 'collect':
        this.#collect(thread);
        return;
      case 'finalize':
        this.#start(thread, thread.finalizers.shift() as Job);
        break;
      case 'die':
        this.deathsLeft--;
        this.kill(thread);
        return;
      case 'block':
        this.blocksLeft--;
        this.isDegraded = true;
        thread.state = 'blocked';
        thread.timers.push({due: this.clock + BLOCK_MILLISECONDS, action: UNBLOCK, kind: 'wait'});
        return;
    }
    this.current = thread;
    running.queue = thread;
    try {
      if (thread.stack?.next().done === true) thread.stack = undefined;
    } catch (error) {
      this.fail(
        `An uncaught error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
  }

  #start(thread: LogicalThread, task: Job): void {
    thread.saw(0x7a5c);
    thread.turns++;
    thread.stack = this.#turn(thread, task);
  }

  /** One turn of the thread's event loop. */
  *#turn(thread: LogicalThread, task: Job): Suspendable<void> {
    const {microtasks} = thread;
    for (let job: Job | undefined = task; job !== undefined; job = microtasks.shift()) {
      const result = job();
      if (isGenerator(result)) yield* result;
    }
    for (const {reason} of thread.unhandled) {
      this.fail(
        `An unhandled rejection: ${reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)}`,
      );
    }
  }

  /** Ends a thread, whatever it is in the middle of. */
  kill(thread: LogicalThread): void {
    this.isDegraded = true;
    this.onDeath(thread);
    thread.state = 'dead';
    thread.stack = thread.parked = undefined;
    thread.tasks.length = thread.timers.length = thread.finalizers.length = 0;
    this.memory.forget(thread);
  }

  // The state, to recognise it

  /** Of everything on which the rest of the execution depends, apart from the strategy. */
  hash(): number {
    let low = 1;
    let high = 2;
    const add = (value: number) => {
      low = mix(low, value);
      high = mix(high, value ^ 0x5bd1e995);
    };
    const {cells} = this.memory;
    if (cells !== undefined) for (const cell of cells) add(cell);
    for (const thread of this.threads) {
      add(thread.history);
      add(thread.parked === undefined ? 0 : 1 + Number(thread.parked.isOver));
      add(thread.state.length + (thread.stack === undefined ? 0 : 16) + thread.tasks.length * 32);
      add(thread.timers.length + thread.references.length * 32 + thread.finalizers.length * 256);
      add(thread.queue);
    }
    this.memory.hashWaits((hash) => {
      low += hash;
      high ^= hash;
    });
    add(this.current.index);
    add(this.clock * 1024);
    add(this.#deadlineClock);
    add(this.deathsLeft * 16 + this.blocksLeft);
    add(this.checksHash());
    return (low >>> 0) * 0x100000 + (high >>> 12);
  }

  // What the threads see of the machine, beside the memory

  readonly now = (): number => this.current.saw(this.clock);
  readonly deadlineNow = (): number => this.current.saw(this.#deadlineClock);

  readonly startTimer = (milliseconds: number, action: Job, kind: Timer['kind']): Timer => {
    const due = (kind === 'deadline' ? this.#deadlineClock : this.clock) + milliseconds;
    const timer = {due, action, kind};
    this.current.timers.push(timer);
    this.current.saw(due * 1024);
    return timer;
  };

  readonly stopTimer = (timer: Timer | undefined): void => {
    const {timers} = this.current;
    const index = timers.indexOf(timer as Timer);
    if (index >= 0) timers.splice(index, 1);
  };

  /** A turn of the event loop later. */
  readonly nextTurn = (): SimulatedPromise => {
    const promise = new SimulatedPromise();
    this.current.tasks.push(() => promise.resolve(undefined));
    return promise;
  };

  readonly sleep = (milliseconds: number): SimulatedPromise => {
    const promise = new SimulatedPromise();
    this.startTimer(milliseconds, () => promise.resolve(undefined), 'sleep');
    return promise;
  };

  /** What `runtime.probeThread` answers. */
  readonly probeThread = (id: number): SimulatedPromise => {
    const promise = new SimulatedPromise();
    const thread = this.threads.find((each) => each.id === id);
    const isSilent = this.isSilent || (!this.isDenied && thread?.state === 'blocked');
    const answer = () => {
      if (this.isSilent) promise.resolve('no answer');
      else if (this.isDenied || thread === undefined || thread.state === 'dead')
        promise.resolve('not found');
      else promise.resolve(isSilent || thread.state === 'blocked' ? 'no answer' : 'found');
    };
    this.startTimer(isSilent ? 250 : 1, answer, 'wait');
    return promise;
  };

  // Garbage

  #collect(thread: LogicalThread): void {
    thread.saw(0x6c6c);
    for (const reference of thread.references) reference.target = undefined;
    thread.finalizers.push(...thread.registered);
    thread.references = [];
    thread.registered = [];
  }
}
