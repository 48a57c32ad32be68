/** One execution of a scenario, from the first lock to what the threads find after the last. */
import {applyEdits, type Edit} from '../support/edits.js';
import {ActorInThread, type CreateLock} from './actors.js';
import {Checks} from './checks.js';
import type {Layout} from './layout.js';
import {Machine, type Strategy} from './machine.js';
import {Program, perThread, smaller} from './program.js';
import {scenarios, type Part, type Scenario} from './scenarios.js';

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
  readonly createLock: CreateLock;
  readonly layout: Layout;
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
    const edited = applyEdits([...sizes, ...perThread, ...edits]);
    this.#loaded = scenario.threads.map((_, index) => {
      const program = new Program(edited, this.#machine, isLogged);
      const copy = program.load('test/interleavings/scenarios.ts') as {scenarios: typeof scenarios};
      const part = copy.scenarios[name]?.threads[index];
      if (part === undefined) throw new Error('The copies of the scenarios differ.');
      return {
        part,
        layout: program.layout,
        createLock: program.load('src/shared/index.ts').createLock as CreateLock,
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

  constructor(machine: Machine, scenario: Scenario, loaded: readonly Loaded[]) {
    this.#machine = machine;
    this.#scenario = scenario;
    const [first] = loaded;
    if (first === undefined) throw new Error('A scenario has threads.');
    this.#checks = new Checks(machine, scenario, this.#actors, first.layout);
    machine.mayDie = (thread) =>
      scenario.threads[thread.index]?.isMortal === true &&
      (!scenario.leavesToken || this.#checks.hasToken(thread));
    for (const [index, {part, createLock}] of loaded.entries()) {
      // The main thread, whose id is 0, never dies.
      const thread = machine.addThread(index + 1);
      this.#actors.push(new ActorInThread(machine, this.#checks, thread, part, createLock));
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
      for (const actor of alive) if (machine.failure === undefined) this.#probe(actor);
    }
    this.#checks.afterProbes(alive);
  }

  #probe(actor: ActorInThread): void {
    const machine = this.#machine;
    machine.current = actor.thread;
    let isProbed = false;
    actor.thread.tasks.push(() =>
      actor.probe(() => {
        isProbed = true;
      }),
    );
    machine.run();
    if (!(isProbed as boolean)) this.#checks.notProbed(actor);
  }
}
