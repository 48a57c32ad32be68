/**
 * A machine with a few threads over one shared memory, all simulated in this thread. Only one of them runs at a time; a
 * `Strategy` decides which one goes on, at each atomic operation and at the end of each turn of an event loop, and
 * which of the things that are due happens next.
 */
import {SimulatedPromise, running, type MicrotaskQueue} from './promise.js';
import {isGenerator, type Job, type Suspendable} from './suspendable.js';

/** What a strategy chooses from. The first option is what happens without any preemption, death or delay. */
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

interface Timer {
  readonly due: number;
  readonly action: Job;
  /**
   * - deadline: of a caller. Time is not the machine's matter here: it may be up at any moment.
   * - wait: something is slow or dead otherwise, so that it fires only where that is so.
   * - sleep: of the scenario.
   */
  readonly kind: 'deadline' | 'wait' | 'sleep';
}

const BLOCK_MILLISECONDS = 5_000;
const GIVE_UP_MILLISECONDS = 15_000;
const GIVE_UP_STEPS = 5_000;

export class LogicalThread implements MicrotaskQueue {
  readonly index: number;
  /** What `threadId` is in it. */
  readonly id: number;
  state: 'alive' | 'blocked' | 'dead' = 'alive';
  /** The code that it is in the middle of. */
  stack: Suspendable<void> | undefined;
  readonly tasks: Job[] = [];
  readonly timers: Timer[] = [];
  readonly microtasks: Job[] = [];
  unhandled = new Set<SimulatedPromise>();
  globals: Record<PropertyKey, unknown> = {};
  /** The order in which its tasks came. */
  queue = 0;
  /** The scenario has dropped all that `references` refer to. */
  hasDropped = false;
  references: Reference[] = [];
  registered: Job[] = [];
  readonly finalizers: Job[] = [];
  /** What it has seen and done so far, in a number: it is a function of that. */
  history = 0;

  constructor(index: number, id: number) {
    this.index = index;
    this.id = id;
  }

  enqueueMicrotask(job: Job): void {
    this.microtasks.push(job);
  }
}

interface Wait {
  readonly thread: LogicalThread;
  readonly promise: SimulatedPromise;
}

export const mix = (hash: number, value: number): number => {
  let mixed = Math.imul(hash ^ value, 0x9e3779b1);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x85ebca6b);
  return (mixed ^ (mixed >>> 13)) | 0;
};

export class Machine {
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
  /** Whether `ask` finds nobody. */
  isDenied = false;
  /** Whether `ask` gets no answer. */
  isSilent = false;
  failure: string | undefined;
  /** For the account of an execution. */
  log: ((line: string) => void) | undefined;
  /** Of the checks, so that states that look the same are. */
  checksHash: () => number = () => 0;
  #waits = new Map<number, Wait[]>();
  #cells: Int32Array | undefined;
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
    this.#waits = new Map();
    this.#cells = undefined;
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
      // What still may happen to a thread that has nothing to do makes no difference when there are no timers, either.
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
      if (thread === inTheMiddle || thread.state !== 'alive') continue;
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
        if (thread.state === 'blocked' ? timer.action !== UNBLOCK : thread.stack !== undefined)
          continue;
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
        thread.history = mix(thread.history, due);
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
    thread.history = mix(thread.history, 0x7a5c);
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
    thread.stack = undefined;
    thread.tasks.length = thread.timers.length = thread.finalizers.length = 0;
    for (const [cell, waits] of this.#waits) {
      this.#waits.set(
        cell,
        waits.filter((wait) => wait.thread !== thread),
      );
    }
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
    if (this.#cells !== undefined) for (const cell of this.#cells) add(cell);
    for (const thread of this.threads) {
      add(thread.history);
      add(thread.state.length + (thread.stack === undefined ? 0 : 16) + thread.tasks.length * 32);
      add(thread.timers.length + thread.references.length * 32 + thread.finalizers.length * 256);
      add(thread.queue);
    }
    for (const [cell, waits] of this.#waits) {
      if (waits.length === 0) continue;
      let list = cell;
      for (const wait of waits) list = mix(list, wait.thread.index);
      low += list;
      high ^= list;
    }
    add(this.current.index);
    add(this.clock * 1024);
    add(this.#deadlineClock);
    add(this.deathsLeft * 16 + this.blocksLeft);
    add(this.checksHash());
    return (low >>> 0) * 0x100000 + (high >>> 12);
  }

  #saw(value: number): number {
    const {current} = this;
    current.history = mix(current.history, value);
    return value;
  }

  // What the threads see of the machine

  readonly atomics = {
    load: (cells: Int32Array, cell: number) => this.#saw(cells[cell] as number),

    store: (cells: Int32Array, cell: number, value: number) => {
      cells[cell] = value;
      return this.#saw(value);
    },

    add: (cells: Int32Array, cell: number, value: number) => {
      const before = cells[cell] as number;
      cells[cell] = before + value;
      return this.#saw(before);
    },

    and: (cells: Int32Array, cell: number, value: number) => {
      const before = cells[cell] as number;
      cells[cell] = before & value;
      return this.#saw(before);
    },

    or: (cells: Int32Array, cell: number, value: number) => {
      const before = cells[cell] as number;
      cells[cell] = before | value;
      return this.#saw(before);
    },

    exchange: (cells: Int32Array, cell: number, value: number) => {
      const before = cells[cell] as number;
      cells[cell] = value;
      return this.#saw(before);
    },

    compareExchange: (cells: Int32Array, cell: number, expected: number, replacement: number) => {
      const before = cells[cell] as number;
      if (before === (expected | 0)) cells[cell] = replacement;
      return this.#saw(before);
    },

    waitAsync: (cells: Int32Array, cell: number, value: number) => {
      if (this.#saw(cells[cell] as number) !== (value | 0))
        return {async: false, value: 'not-equal'};
      const promise = new SimulatedPromise();
      const waits = this.#waits.get(cell);
      if (waits === undefined) this.#waits.set(cell, [{thread: this.current, promise}]);
      else waits.push({thread: this.current, promise});
      return {async: true, value: promise};
    },

    notify: (_cells: Int32Array, cell: number, count = Infinity) => {
      const waits = this.#waits.get(cell) ?? [];
      const woken = waits.splice(0, count);
      for (const {thread, promise} of woken) {
        thread.queue = mix(thread.queue, cell);
        thread.tasks.push(() => promise.resolve('ok'));
      }
      return this.#saw(woken.length);
    },
  };

  /** How many waits there are on a cell. */
  waits(cell: number): number {
    return this.#waits.get(cell)?.length ?? 0;
  }

  /** The memory of the lock, as soon as there is one. */
  share(cells: Int32Array): void {
    this.#cells = cells;
  }

  readonly now = (): number => this.#saw(this.clock);
  readonly deadlineNow = (): number => this.#saw(this.#deadlineClock);

  readonly startTimer = (milliseconds: number, action: Job, kind: Timer['kind']): Timer => {
    const due = (kind === 'deadline' ? this.#deadlineClock : this.clock) + milliseconds;
    const timer = {due, action, kind};
    this.current.timers.push(timer);
    this.#saw(due * 1024);
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

  /** What `ask` of platform.ts answers. */
  readonly ask = (id: number): SimulatedPromise => {
    const promise = new SimulatedPromise();
    const thread = this.threads.find((each) => each.id === id);
    const isSilent = this.isSilent || (!this.isDenied && thread?.state === 'blocked');
    const answer = () => {
      if (this.isSilent) promise.resolve('no answer');
      else if (this.isDenied || thread === undefined || thread.state === 'dead')
        promise.resolve('not found');
      else promise.resolve(isSilent || thread.state === 'blocked' ? 'no answer' : 'answered');
    };
    this.startTimer(isSilent ? 250 : 1, answer, 'wait');
    return promise;
  };

  // Garbage

  #collect(thread: LogicalThread): void {
    thread.history = mix(thread.history, 0x6c6c);
    for (const reference of thread.references) reference.target = undefined;
    thread.finalizers.push(...thread.registered);
    thread.references = [];
    thread.registered = [];
  }
}

const UNBLOCK = (): void => undefined;

interface Reference {
  target: object | undefined;
}

/** `WeakRef` and `FinalizationRegistry`. What a thread refers to is collected all at once, when the scenario has dropped it. */
export function collecting(machine: Machine) {
  return {
    WeakRef: class implements Reference {
      target: object | undefined;

      constructor(target: object) {
        this.target = target;
        machine.current.references.push(this);
      }

      deref(): object | undefined {
        return this.target;
      }
    },

    FinalizationRegistry: class {
      readonly #finalize: (held: unknown) => unknown;

      constructor(finalize: (held: unknown) => unknown) {
        this.#finalize = finalize;
      }

      register(_target: object, held: unknown): void {
        machine.current.registered.push(() => this.#finalize(held));
      }
    },
  };
}
