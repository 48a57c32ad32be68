/** What is run: all scenarios in turn, on the sources as they are or with a fault. */
import {Simulation} from './execution.js';
import {
  Replay,
  exhaustively,
  randomly,
  shorten,
  type Exploration,
  type Found,
  type Progress,
} from './explore.js';
import {faults} from './faults.js';
import {scenarios} from './scenarios.js';
import type {Edit} from './world.js';

/** A failing execution, and how to see it again. */
export interface Failure extends Found {
  readonly replay: string;
}

function editsOf(fault: string | undefined): readonly Edit[] {
  if (fault === undefined) return [];
  const edits = faults[fault];
  if (edits === undefined) throw new Error(`There is no fault "${fault}".`);
  return edits;
}

/** Tells of each step of an execution. */
export function replay(token: string, log: (line: string) => void): string | undefined {
  const [scenario = '', choices = '', fault] = token.split('~');
  return new Simulation(scenario, editsOf(fault), true).run(new Replay(choices), log).failure;
}

/** One scenario, on the sources as they are or with a fault, explored a few executions at a time. */
export class Explorer {
  readonly scenario: string;
  progress: Progress = {executions: 0, repeated: 0, preemptions: undefined};
  failure: Failure | undefined;
  isComplete = false;
  readonly #simulation: Simulation;
  readonly #exploration: Exploration;
  readonly #fault: string | undefined;

  constructor(scenario: string, seed: number, fault?: string) {
    this.scenario = scenario;
    this.#fault = fault;
    this.#simulation = new Simulation(scenario, editsOf(fault));
    const {preemptions} = this.#simulation.scenario;
    this.#exploration =
      preemptions === undefined
        ? randomly(this.#simulation, seed)
        : exhaustively(this.#simulation, preemptions);
  }

  explore(executions: number): void {
    for (let i = 0; i < executions && !this.isComplete; i++) {
      const step = this.#exploration.next();
      if (step.done !== true) {
        this.progress = step.value;
        continue;
      }
      this.isComplete = true;
      if (step.value === undefined) return;
      const found = shorten(this.#simulation, step.value);
      const fault = this.#fault === undefined ? '' : `~${this.#fault}`;
      this.failure = {...found, replay: `${this.scenario}~${found.token}${fault}`};
    }
  }
}

/** All scenarios, explored a few executions of each at a time, and more of each with every round. */
export class Search {
  readonly explorers: readonly Explorer[];
  #slice = 20;

  constructor(seed: number, fault?: string) {
    this.explorers = Object.keys(scenarios).map((name) => new Explorer(name, seed, fault));
  }

  get executions(): number {
    return this.explorers.reduce((sum, {progress}) => sum + progress.executions, 0);
  }

  /** Explores until `isEnough`, or something is found, or there is nothing more to explore. */
  run(isEnough: () => boolean): Failure | undefined {
    for (;;) {
      const explorers = this.explorers.filter(({isComplete}) => !isComplete);
      if (explorers.length === 0) return undefined;
      for (const explorer of explorers) {
        explorer.explore(this.#slice);
        if (explorer.failure !== undefined) return explorer.failure;
        if (isEnough()) return undefined;
      }
      this.#slice = Math.min(this.#slice * 2, 1_000);
    }
  }
}
