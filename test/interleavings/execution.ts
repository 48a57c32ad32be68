/** One execution of a scenario, from the first lock to what the threads find after the last. */
import type {createLock, createLocksByKey} from '../../src/shared/index.js';
import {applyEdits, type Edit} from '../support/edits.js';
import {ActorInThread, type Create} from './actors.js';
import {Checks} from './checks.js';
import type {Layout} from './layout.js';
import {Machine, type Strategy} from './machine.js';
import {Program, perThread, retrying, smaller} from './program.js';
import {scenarios, type Actor, type Part, type Scenario} from './scenarios.js';
import type {Suspendable} from './suspendable.js';

/**
 * As many as are needed, unless the scenario says otherwise: a line may still be using a slot when
 * the next one begins.
 */
const SLOTS = 6;
const TOKENS = 3;

/** No thread is asked so often in a scenario that its next token would take longer. */
const TOKENS_DUE_MILLISECONDS = 1_500;

/** A thread's own copy of its part, and of the sources. */
interface Loaded {
  readonly part: Part;
  readonly create: Create;
  /** What a thread does at last with locks by key. */
  readonly fill: Part['run'];
  readonly layout: Layout;
}

interface Copy {
  readonly scenarios: Record<string, Scenario>;
  readonly fillMemory: (t: Actor, size: number) => Promise<void>;
}

interface Shared {
  readonly createLock: typeof createLock;
  readonly createLocksByKey: typeof createLocksByKey;
}

/** What makes the lock, or the locks by key, of a scenario. */
function creating({maxKeys}: Scenario, shared: Shared): Create {
  if (maxKeys === undefined) return shared.createLock;
  return (timeoutMilliseconds, options) =>
    shared.createLocksByKey<string>({...options, timeoutMilliseconds, maxKeys});
}

export interface Outcome {
  /** `false` if the strategy found it to be the same as another. */
  readonly isComplete: boolean;
  readonly failure: string | undefined;
  readonly steps: number;
}

/** A scenario with its loaded programs, which all its executions use, one after the other. */
export class LoadedScenario {
  readonly scenario: Scenario;
  readonly #machine = new Machine();
  readonly #loaded: readonly Loaded[];

  constructor(name: string, edits: readonly Edit[] = [], isLogged = false) {
    const scenario = scenarios[name];
    if (scenario === undefined) throw new Error(`There is no scenario "${name}".`);
    this.scenario = scenario;
    const {deaths, blocks, slots = SLOTS} = scenario;
    // Where nobody asks whether another lives, one is enough.
    const isCalm = deaths === undefined && blocks === undefined;
    const sizes = smaller(slots, isCalm ? 1 : TOKENS);
    const edited = applyEdits([...sizes, ...perThread, ...retrying, ...edits]);
    this.#loaded = scenario.threads.map((_, index) => {
      const program = new Program(edited, this.#machine, isLogged);
      const copy = program.load('test/interleavings/scenarios.ts') as unknown as Copy;
      const part = copy.scenarios[name]?.threads[index];
      if (part === undefined) throw new Error('The copies of the scenarios differ.');
      return {
        part,
        layout: program.layout,
        create: creating(scenario, program.load('src/shared/index.ts') as unknown as Shared),
        fill: (t) => copy.fillMemory(t, scenario.maxKeys ?? 0),
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
  readonly #checks: Checks;
  readonly #loaded: readonly Loaded[];

  constructor(machine: Machine, scenario: Scenario, loaded: readonly Loaded[]) {
    this.#machine = machine;
    this.#scenario = scenario;
    this.#loaded = loaded;
    const [first] = loaded;
    if (first === undefined) throw new Error('A scenario has threads.');
    this.#checks = new Checks(machine, scenario, this.#actors, first.layout);
    machine.mayDie = (thread) =>
      scenario.threads[thread.index]?.isMortal === true &&
      (!scenario.leavesToken || this.#checks.hasToken(thread));
    for (const [index, {part, create}] of loaded.entries()) {
      // The main thread, whose id is 0, never dies.
      const thread = machine.addThread(index + 1);
      this.#actors.push(new ActorInThread(machine, this.#checks, thread, part, create));
    }
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
    if (machine.failure === undefined) this.#end();
    return true;
  }

  #end(): void {
    const machine = this.#machine;
    machine.log?.('the end');
    this.#checks.atEnd();
    machine.isScheduling = false;
    const alive = this.#actors.filter(({thread}) => thread.state === 'alive');
    // Until the next token of each dead thread is due.
    machine.letPass(TOKENS_DUE_MILLISECONDS);
    // The next caller has to clear whatever is left. Each dead thread may still be shown to wait.
    for (let round = alive.length; round <= this.#actors.length; round++) {
      for (const actor of alive) {
        for (const key of this.#checks.keys) this.#last(actor, (done) => actor.probe(key, done));
      }
    }
    const user = alive.find(({isRefused}) => !isRefused);
    const fill = this.#loaded[user?.thread.index ?? -1]?.fill;
    // After that every entry has been used.
    if (this.#scenario.maxKeys !== undefined && user !== undefined && fill !== undefined)
      this.#last(user, (done) => user.runLast(fill, done));
    this.#checks.afterProbes(alive);
  }

  /** Has a thread do one more thing. */
  #last({thread}: ActorInThread, run: (done: () => void) => Suspendable<void>): void {
    const machine = this.#machine;
    if (machine.failure !== undefined) return;
    machine.current = thread;
    let isDone = false;
    thread.tasks.push(() =>
      run(() => {
        isDone = true;
      }),
    );
    machine.run();
    if (!(isDone as boolean)) this.#checks.notDone(thread);
  }
}
