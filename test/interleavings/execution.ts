/** One execution of a scenario, and what is checked in each. */
import {
  LockMemory,
  hasWaiters,
  isAbandoned,
  isFree,
  isHeld,
  isReserved,
} from '../../src/shared/lockMemory.js';
import type {SharedLock, SharedLockOptions} from '../../src/types.js';
import {Machine, mix, type LogicalThread, type Strategy} from './machine.js';
import {scenarios, type Actor, type Caller, type Part, type Scenario} from './scenarios.js';
import {isGenerator, type Suspendable} from './suspendable.js';
import {Program, World, smaller, type Edit, type Layout} from './world.js';

type CreateLock = (
  timeout: number | undefined,
  options: SharedLockOptions,
) => SharedLock | Suspendable<SharedLock>;

/** As many as are needed, unless the scenario says otherwise: a line may still be using a slot when the next one begins. */
const SLOTS = 6;
const TOKENS = 4;

/** How long a thread keeps the lock for itself at most while another waits, once it has been seen to. */
const TENURE_MILLISECONDS = 3;

/** A thread's own copy of its part, and of the sources. */
interface Loaded {
  readonly part: Part;
  readonly createLock: CreateLock;
  readonly layout: Layout;
}

export interface Outcome {
  /** `false` if the strategy found it to be the same as another. */
  readonly isComplete: boolean;
  readonly failure: string | undefined;
  readonly steps: number;
}

/** Runs executions of a scenario, one after the other, on the same loaded modules. */
export class Simulation {
  readonly scenario: Scenario;
  readonly #machine = new Machine();
  readonly #loaded: readonly Loaded[];

  constructor(name: string, edits: readonly Edit[] = [], isLogged = false) {
    const scenario = scenarios[name];
    if (scenario === undefined) throw new Error(`There is no scenario "${name}".`);
    this.scenario = scenario;
    const {deaths, blocks, slots = SLOTS, tokens} = scenario;
    // Where nobody asks whether another lives, one is enough.
    const isCalm = deaths === undefined && blocks === undefined;
    const program = new Program([...smaller(slots, tokens ?? (isCalm ? 1 : TOKENS)), ...edits]);
    this.#loaded = scenario.threads.map((_, index) => {
      const world = new World(program, this.#machine, isLogged);
      const copy = world.load('test/interleavings/scenarios.ts') as {scenarios: typeof scenarios};
      const part = copy.scenarios[name]?.threads[index];
      if (part === undefined) throw new Error('The copies of the scenarios differ.');
      return {
        part,
        layout: world.layout,
        createLock: world.load('src/shared/index.ts').createLock as CreateLock,
      };
    });
  }

  run(strategy: Strategy, log?: (line: string) => void): Outcome {
    const machine = this.#machine;
    machine.reset();
    machine.log = log;
    machine.strategy = strategy;
    machine.isDenied = this.scenario.isDenied === true;
    machine.isSilent = this.scenario.isSilent === true;
    const execution = new Execution(machine, this.scenario, this.#loaded);
    const isComplete = execution.run();
    return {isComplete, failure: machine.failure, steps: machine.steps};
  }
}

class Execution {
  readonly #machine: Machine;
  readonly #scenario: Scenario;
  readonly #actors: ActorInThread[] = [];
  #buffer: SharedArrayBuffer | undefined;
  #memory: LockMemory | undefined;

  /** Who is inside a critical section. */
  #inside: CallerInThread | undefined;
  /** Since when a thread has had the lock, section after section, while another has waited for it all the time. */
  #tenure: {owner: LogicalThread; other: LogicalThread; end: number; overdue: number} | undefined;
  /** The threads that died as owners, and to whom that has been told. */
  readonly #abandoned = new Map<number, LogicalThread[]>();
  /** How many slots are lost with a thread that died in the middle of making them free, or without an armed token. */
  #lostSlots = 0;
  readonly #layout: Layout;
  #cells: Int32Array = new Int32Array();

  constructor(machine: Machine, scenario: Scenario, loaded: readonly Loaded[]) {
    this.#machine = machine;
    this.#scenario = scenario;
    for (const [index, {part, createLock}] of loaded.entries()) {
      // The main thread, whose id is 0, never dies.
      const thread = machine.addThread(index + 1);
      this.#actors.push(new ActorInThread(this, thread, part, createLock));
    }
    const [first] = loaded;
    if (first === undefined) throw new Error('A scenario has threads.');
    this.#layout = first.layout;
    machine.onDeath = (thread) => this.#died(thread);
    machine.onUnblock = (thread) => this.#unblocked(thread);
    machine.onQuiet = () => this.#quiet();
    machine.mayDie = ({index}) => scenario.threads[index]?.isMortal === true;
    machine.checksHash = () => this.#hash();
  }

  get machine(): Machine {
    return this.#machine;
  }

  get buffer(): SharedArrayBuffer | undefined {
    return this.#buffer;
  }

  run(): boolean {
    const machine = this.#machine;
    const [first] = this.#actors;
    if (first === undefined) throw new Error('A scenario has threads.');
    machine.current = first.thread;
    for (const actor of this.#actors) {
      if (actor === first || !actor.part.attachesItself) {
        actor.thread.tasks.push(() => actor.attach());
        machine.current = actor.thread;
        machine.run();
      }
    }
    for (const actor of this.#actors) actor.thread.tasks.push(() => actor.main());
    machine.current = first.thread;
    machine.isScheduling = true;
    machine.deathsLeft = this.#scenario.deaths ?? 0;
    machine.blocksLeft = this.#scenario.blocks ?? 0;
    if (!machine.run()) return false;
    if (machine.failure === undefined) this.#checkEnd();
    return true;
  }

  /** Whether all slots are used by living threads, and dead ones whose death is still to be told. */
  get isFull(): boolean {
    const isUntold = ({id}: LogicalThread) =>
      this.#abandoned.get(id)?.every(({state}) => state === 'dead') === true;
    const users = this.#actors.filter(
      ({isAttached, thread}) =>
        isAttached && (thread.state === 'dead' ? isUntold(thread) : !thread.hasDropped),
    );
    return users.length + this.#lostSlots >= (this.#scenario.slots ?? SLOTS);
  }

  shared(lock: SharedLock): void {
    if (this.#buffer !== undefined) return;
    this.#buffer = lock.buffer;
    this.#memory = new LockMemory(lock.buffer);
    this.#cells = new Int32Array(lock.buffer);
    this.#machine.share(this.#cells);
  }

  get memory(): LockMemory {
    if (this.#memory === undefined) throw new Error('There is no lock yet.');
    return this.#memory;
  }

  // What happens

  entered(caller: CallerInThread): void {
    const {machine} = this;
    machine.log?.(`${caller.name} enters`);
    const other = this.#inside;
    if (other !== undefined) machine.fail(`Two holders: ${other.name} and ${caller.name}.`);
    if (caller.state !== 'waiting') machine.fail(`${caller.name} enters, and is ${caller.state}.`);
    for (const [id, told] of this.#abandoned) {
      if (told.length === 0)
        machine.fail(`${caller.name} was not told that thread ${id} died as the owner.`);
    }
    const later = caller.actor.callers.slice(caller.actor.callers.indexOf(caller) + 1);
    for (const {name, state} of later) {
      if (state === 'inside' || state === 'served')
        machine.fail(`${name} enters before ${caller.name}.`);
    }
    caller.state = 'inside';
    this.#inside = caller;
    this.#checkTenure(caller);
  }

  /** When a thread's tenure is over, it begins at most one section more before it hands on. */
  #checkTenure({actor, name}: CallerInThread): void {
    const {machine} = this;
    const owner = actor.thread;
    let tenure = this.#tenure;
    if (tenure?.owner !== owner || !this.#waitsAtRest(tenure.other)) {
      const other = machine.threads.find((each) => each !== owner && this.#waitsAtRest(each));
      // It ends so long after the first section's end.
      tenure = other && {owner, other, end: Infinity, overdue: 0};
    } else if (machine.clock > tenure.end) tenure.overdue++;
    this.#tenure = tenure;
    if (tenure !== undefined && tenure.overdue > 1) {
      machine.fail(`${name} enters, and thread ${tenure.other.id} is not given its turn.`);
    }
  }

  /** Whether nothing keeps the thread from being given the lock: it is parked, its ticket stands, and nobody is about to wake it. */
  #waitsAtRest(thread: LogicalThread): boolean {
    const {machine} = this;
    const {HEADER_CELLS, SLOT_CELLS, THREAD, TICKET, PARKED_AT, IN_USE, STATE_BITS} = this.#layout;
    const mine = (thread.id << STATE_BITS) | IN_USE;
    const isAtRest = ({state, stack, tasks}: LogicalThread) =>
      state === 'alive' && stack === undefined && tasks.length === 0;
    if (!isAtRest(thread)) return false;
    // A thread may be suspended just where it clears WAITERS, and sets it again.
    if (machine.threads.some((each) => each !== machine.current && each.stack !== undefined))
      return false;
    for (let slot = HEADER_CELLS; slot < this.#cells.length; slot += SLOT_CELLS) {
      if (this.#cells[slot + THREAD] !== mine) continue;
      if (this.#cells[slot + TICKET] !== 0 && machine.waits(slot + PARKED_AT) > 0) return true;
    }
    return false;
  }

  left(caller: CallerInThread): void {
    this.machine.log?.(`${caller.name} leaves`);
    if (this.#inside !== caller) this.machine.fail(`${caller.name} leaves, and is not inside.`);
    this.#inside = undefined;
    const tenure = this.#tenure;
    if (tenure !== undefined)
      tenure.end = Math.min(tenure.end, this.machine.clock + TENURE_MILLISECONDS);
  }

  told(actor: ActorInThread, id: number): void {
    this.machine.log?.(`thread ${actor.thread.id} is told of thread ${id}`);
    const told = this.#abandoned.get(id);
    if (told === undefined) {
      this.machine.fail(
        `Thread ${id} did not die as the owner, but thread ${actor.thread.id} is told so.`,
      );
      return;
    }
    if (told.some(({state}) => state !== 'dead'))
      this.machine.fail(`Of thread ${id} is told again.`);
    if (this.#inside !== undefined) {
      this.machine.fail(`Of thread ${id} is told while ${this.#inside.name} is inside.`);
    }
    told.push(actor.thread);
  }

  #died(thread: LogicalThread): void {
    this.#countLostSlots(thread);
    if (this.#inside?.actor.thread === thread) this.#inside = undefined;
    const word = this.memory.read();
    if (isHeld(word) && this.memory.ownerOf(word).threadId === thread.id)
      this.#abandoned.set(thread.id, []);
  }

  /** No living thread is taken for dead, or has lost its slot to another. */
  #checkSlots(): void {
    const {HEADER_CELLS, SLOT_CELLS, THREAD, IN_USE, PREPARING, STATE_BITS} = this.#layout;
    for (let slot = HEADER_CELLS; slot < this.#cells.length; slot += SLOT_CELLS) {
      const thread = this.#cells[slot + THREAD] ?? 0;
      const id = thread >> STATE_BITS;
      const state = thread & ((1 << STATE_BITS) - 1);
      if (thread === 0 || state === IN_USE || state === PREPARING) continue;
      const isDead = this.#actors.some(
        (actor) => actor.thread.id === id && actor.thread.state === 'dead',
      );
      if (!isDead) this.machine.fail(`Thread ${id} is taken for dead.`);
    }
    const threads = this.#cells.filter(
      (_, cell) => cell >= HEADER_CELLS && (cell - HEADER_CELLS) % SLOT_CELLS === THREAD,
    );
    for (const {isAttached, thread} of this.#actors) {
      if (!isAttached || thread.hasDropped || thread.state !== 'alive') continue;
      const mine = (thread.id << STATE_BITS) | IN_USE;
      if (!threads.includes(mine)) this.machine.fail(`Thread ${thread.id} has lost its slot.`);
    }
  }

  /** Who is at rest can be asked as often as ever. */
  #checkTokens(): void {
    const {HEADER_CELLS, SLOT_CELLS, THREAD, FIRST_TOKEN, TOKENS, STATE_BITS} = this.#layout;
    for (const {isAttached, thread} of this.#actors) {
      if (!isAttached || thread.state !== 'alive') continue;
      for (let slot = HEADER_CELLS; slot < this.#cells.length; slot += SLOT_CELLS) {
        if ((this.#cells[slot + THREAD] ?? 0) >> STATE_BITS !== thread.id) continue;
        const tokens = this.#cells.subarray(slot + FIRST_TOKEN, slot + FIRST_TOKEN + TOKENS);
        const spent = tokens.indexOf(0);
        if (spent >= 0)
          this.machine.fail(`Thread ${thread.id} is at rest, and token ${spent} is not armed.`);
      }
    }
  }

  #countLostSlots({id}: LogicalThread): void {
    const {HEADER_CELLS, SLOT_CELLS, THREAD, FIRST_TOKEN, TOKENS, IN_USE, STATE_BITS} =
      this.#layout;
    for (let slot = HEADER_CELLS; slot < this.#cells.length; slot += SLOT_CELLS) {
      const thread = this.#cells[slot + THREAD];
      // Those who look for a slot leave the last token to those who wait for the lock.
      const tokens = this.#cells.subarray(slot + FIRST_TOKEN, slot + FIRST_TOKEN + TOKENS - 1);
      const isUnknown =
        thread === ((id << STATE_BITS) | IN_USE) && !tokens.some((token) => token > 0);
      if (!isUnknown) continue;
      this.#lostSlots++;
      if (this.#scenario.losesNoSlot) this.machine.fail(`The slot of thread ${id} is lost.`);
    }
  }

  #waiting(): CallerInThread[] {
    return this.#actors
      .filter(({thread}) => thread.state === 'alive')
      .flatMap(({callers}) => callers.filter(({state}) => state === 'waiting'));
  }

  #unblocked(thread: LogicalThread): void {
    const word = this.memory.read();
    if (isHeld(word) && this.memory.ownerOf(word).threadId === thread.id) return;
    const stuck = this.#waiting().filter(({actor}) => actor.thread !== thread);
    if (stuck.length > 0)
      this.machine.fail(`${names(stuck)} waited while thread ${thread.id} was busy.`);
  }

  /** Where nothing but time can change anything, and no death or blocked thread is the reason. */
  #quiet(): void {
    if (this.#scenario.isSilent) this.#checkTokens();
    if (this.machine.isDegraded) return;
    const waiting = this.#waiting();
    if (waiting.length > 0)
      this.machine.fail(`A lost wake-up: ${names(waiting)} wait. ${this.#describe()}`);
  }

  #describe(): string {
    const word = this.memory.read();
    const state = isFree(word) ? 'free' : isReserved(word) ? 'reserved' : 'held';
    return `The word is ${state}${hasWaiters(word) ? ', WAITERS' : ''}${isAbandoned(word) ? ', ABANDONED' : ''}.`;
  }

  #checkEnd(): void {
    const {machine} = this;
    machine.log?.('the end');
    this.#checkSlots();
    const waiting = this.#waiting();
    if (waiting.length > 0) machine.fail(`${names(waiting)} wait in the end. ${this.#describe()}`);
    for (const {thread, isDone} of this.#actors) {
      if (!isDone && thread.state === 'alive') machine.fail(`Thread ${thread.id} is not done.`);
    }
    const word = this.memory.read();
    if (!machine.isDegraded && !isFree(word)) machine.fail(`The word is left: ${this.#describe()}`);
    machine.isScheduling = false;
    const alive = this.#actors.filter(({thread}) => thread.state === 'alive');
    // Until the next token of each dead thread is due.
    machine.letPass(TOKENS_DUE_MILLISECONDS);
    // Whatever is left has to be cleared by who comes next; each dead thread may have left a ticket.
    for (let round = alive.length; round <= this.#actors.length; round++) {
      for (const actor of alive) if (machine.failure === undefined) this.#probe(actor);
    }
    const left = this.memory.read();
    if (
      alive.some(({isRefused}) => !isRefused) &&
      (!isFree(left) || hasWaiters(left) || isAbandoned(left))
    ) {
      machine.fail(`Another acquisition leaves the word as it should not be: ${this.#describe()}`);
    }
  }

  #probe(actor: ActorInThread): void {
    const {machine} = this;
    machine.current = actor.thread;
    let isProbed = false;
    actor.thread.tasks.push(() =>
      actor.probe(() => {
        isProbed = true;
      }),
    );
    machine.run();
    const how = `Thread ${actor.thread.id} cannot get the lock in the end.`;
    if (!(isProbed as boolean)) machine.fail(`${how} ${this.#describe()}`);
  }

  #hash(): number {
    let hash = this.#inside === undefined ? 0 : this.#actors.indexOf(this.#inside.actor) + 1;
    for (const [id, told] of this.#abandoned) hash = mix(hash, id * 16 + told.length);
    if (this.#tenure !== undefined) {
      const {owner, other, end, overdue} = this.#tenure;
      hash = mix(hash, owner.index * 64 + other.index * 8 + overdue);
      hash = mix(hash, Math.min(end, 1e9));
    }
    return hash;
  }
}

/** No thread is asked so often in a scenario that its next token would take longer. */
const TOKENS_DUE_MILLISECONDS = 6_000;

class CallerInThread implements Caller {
  readonly actor: ActorInThread;
  readonly name: string;
  state: 'waiting' | 'inside' | 'served' | 'refused' = 'waiting';
  readonly #execution: Execution;

  constructor(execution: Execution, actor: ActorInThread, name: string) {
    this.#execution = execution;
    this.actor = actor;
    this.name = name;
  }

  entered(): void {
    this.#execution.entered(this);
  }

  left(): void {
    this.#execution.left(this);
  }

  served(): void {
    if (this.state !== 'inside')
      this.#execution.machine.fail(`${this.name} was served, and did not run.`);
    this.state = 'served';
  }

  refused(error: unknown): void {
    const {code, message} = error as {code?: unknown; message?: unknown};
    if (code !== 'ERR_LOCK_TIMEOUT' && message !== 'Aborted') throw error;
    if (this.state !== 'waiting')
      this.#execution.machine.fail(`${this.name} was refused, and ran.`);
    this.state = 'refused';
  }
}

class ActorInThread implements Actor {
  readonly thread: LogicalThread;
  readonly part: Part;
  readonly callers: CallerInThread[] = [];
  isDone = false;
  /** There is no slot for it. */
  isRefused = false;
  isAttached = false;
  lock!: SharedLock;
  readonly #execution: Execution;
  readonly #createLock: CreateLock;

  constructor(execution: Execution, thread: LogicalThread, part: Part, createLock: CreateLock) {
    this.#execution = execution;
    this.thread = thread;
    this.part = part;
    this.#createLock = createLock;
  }

  // Code that may be suspended, called from code that does not know.

  *attach(): Suspendable<void> {
    this.lock = yield* this.#attach(this.part.timeout);
  }

  createLock(timeout?: number): SharedLock {
    return this.#attach(timeout) as unknown as SharedLock;
  }

  *#attach(timeout?: number): Suspendable<SharedLock> {
    const {thread} = this;
    const {hasDropped} = thread;
    const {buffer} = this.#execution;
    const onAbandoned = this.#onAbandoned.bind(this) as unknown as SharedLockOptions['onAbandoned'];
    thread.hasDropped = false;
    let lock: SharedLock;
    try {
      lock = yield* finish(
        this.#createLock(timeout, {onAbandoned, ...(buffer === undefined ? {} : {buffer})}),
      );
    } catch (error) {
      thread.hasDropped = hasDropped;
      throw error;
    }
    this.#execution.shared(lock);
    this.isAttached = true;
    return lock;
  }

  *#onAbandoned({threadId}: {threadId: number}): Suspendable<void> {
    // Before the callback has done anything, too, the thread may die.
    yield* this.#execution.machine.step();
    this.#execution.told(this, threadId);
    if (this.part.whenTold !== undefined) yield* finish<unknown>(this.part.whenTold(this));
  }

  step(): void {
    return this.#execution.machine.step() as unknown as undefined;
  }

  *main(): Suspendable<void> {
    const ended = yield* finish(this.part.run(this));
    void ended.then(() => {
      this.isDone = true;
    });
  }

  /** Gets the lock once more, through a new object. */
  *probe(done: () => void): Suspendable<void> {
    let lock: SharedLock;
    try {
      lock = yield* this.#attach();
    } catch (error) {
      const isFull = (error as {code?: unknown}).code === 'ERR_LOCK_FULL';
      this.isRefused = isFull && this.#execution.isFull;
      if (this.isRefused) done();
      return;
    }
    const caller = this.ask();
    const served = yield* finish(
      lock.withLock(() => {
        caller.entered();
        caller.left();
      }),
    );
    void served.then(() => {
      caller.served();
      done();
    });
  }

  ask(): Caller {
    const caller = new CallerInThread(
      this.#execution,
      this,
      `caller ${this.callers.length + 1} of thread ${this.thread.id}`,
    );
    this.callers.push(caller);
    return caller;
  }

  turn(): Promise<void> {
    return this.#execution.machine.nextTurn() as unknown as Promise<void>;
  }

  sleep(milliseconds: number): Promise<void> {
    return this.#execution.machine.sleep(milliseconds) as unknown as Promise<void>;
  }

  work(milliseconds: number): void {
    this.#execution.machine.clock += milliseconds;
  }

  drop(): void {
    this.thread.hasDropped = true;
  }
}

function* finish<T>(result: T | Suspendable<T>): Suspendable<T> {
  return isGenerator(result) ? yield* result : result;
}

const names = (callers: readonly CallerInThread[]) => callers.map(({name}) => name).join(', ');
