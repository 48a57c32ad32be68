/** Which executions are run, of all scenarios, on the sources as they are or with a fault. */
import type {Edit} from '../support/edits.js';
import {randomNumbers} from '../support/random.js';
import {LoadedScenario} from './execution.js';
import {faults} from './faults.js';
import {scenarios} from './scenarios.js';
import {DepthFirst, RandomPriorities, Recorded, Replay} from './strategies.js';

export interface Found {
  readonly failure: string;
  /** For `Replay`. */
  readonly token: string;
}

/** How far an exploration has come. */
export interface Progress {
  executions: number;
  /** Of these, how many were given up because they had come to a state that was known. */
  repeated: number;
  /** Up to how many preemptions all have been explored; `undefined` where they are at random. */
  preemptions: number | undefined;
}

/**
 * Makes one execution for each `yield`. Ends with what it found, or with nothing when all
 * executions are explored.
 */
type Exploration = Generator<Progress, Found | undefined>;

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

/** Makes a failing execution again, and tells of each step. @returns its failure */
export function replay(token: string, log: (line: string) => void): string | undefined {
  const [scenario = '', choices = '', fault] = token.split('~');
  return new LoadedScenario(scenario, editsOf(fault), true).run(new Replay(choices), log).failure;
}

/** Leaves out of a failing execution's choices what it fails without. */
function shorten(loaded: LoadedScenario, found: Found): Found {
  let shortest = found;
  let choices = found.token.split(',');
  for (let i = choices.length - 1; i >= 0; i--) {
    const fewer = choices.filter((_, index) => index !== i);
    const token = fewer.join(',');
    const {failure} = loaded.run(new Replay(token));
    if (failure === undefined) continue;
    choices = fewer;
    shortest = {failure, token};
  }
  return shortest;
}

/** With no preemption first, then with one, and so on. */
function* exhaustively(loaded: LoadedScenario, preemptions: number): Exploration {
  const progress: Progress = {executions: 0, repeated: 0, preemptions: undefined};
  for (let bound = 0; bound <= preemptions; bound++) {
    const strategy = new DepthFirst(bound);
    do {
      const recorded = new Recorded(strategy);
      const {isComplete, failure} = loaded.run(recorded);
      progress.executions++;
      if (!isComplete) progress.repeated++;
      if (failure !== undefined) return {failure, token: recorded.token};
      yield progress;
    } while (strategy.next());
    progress.preemptions = bound;
  }
  return undefined;
}

/** With priorities at random, without an end. */
function* randomly(loaded: LoadedScenario, seed: number): Exploration {
  const progress: Progress = {executions: 0, repeated: 0, preemptions: undefined};
  const random = randomNumbers(seed);
  const {threads, deaths = 0, blocks = 0} = loaded.scenario;
  let length = 100;
  for (;;) {
    const strategy = new Recorded(
      new RandomPriorities(random, threads.length, deaths + blocks, length),
    );
    const {failure, steps} = loaded.run(strategy);
    progress.executions++;
    // Points at random are to lie within the execution.
    length = Math.round(0.9 * length + 0.1 * Math.min(steps, 1_000));
    if (failure !== undefined) return {failure, token: strategy.token};
    yield progress;
  }
}

/** Explores one scenario a few executions at a time. */
export class ScenarioSearch {
  readonly scenario: string;
  progress: Progress = {executions: 0, repeated: 0, preemptions: undefined};
  failure: Failure | undefined;
  isComplete = false;
  readonly #loaded: LoadedScenario;
  readonly #executions: Exploration;
  readonly #fault: string | undefined;

  constructor(scenario: string, seed: number, fault?: string) {
    this.scenario = scenario;
    this.#fault = fault;
    this.#loaded = new LoadedScenario(scenario, editsOf(fault));
    const {preemptions} = this.#loaded.scenario;
    this.#executions =
      preemptions === undefined
        ? randomly(this.#loaded, seed)
        : exhaustively(this.#loaded, preemptions);
  }

  explore(executions: number): void {
    for (let i = 0; i < executions && !this.isComplete; i++) {
      const step = this.#executions.next();
      if (step.done !== true) {
        this.progress = step.value;
        continue;
      }
      this.isComplete = true;
      if (step.value === undefined) return;
      const found = shorten(this.#loaded, step.value);
      const fault = this.#fault === undefined ? '' : `~${this.#fault}`;
      this.failure = {...found, replay: `${this.scenario}~${found.token}${fault}`};
    }
  }
}

/**
 * Explores all scenarios: a few executions of each in the first round, and more in each later one.
 */
export class Search {
  readonly perScenario: readonly ScenarioSearch[];
  #slice = 20;

  constructor(seed: number, fault?: string) {
    this.perScenario = Object.keys(scenarios).map((name) => new ScenarioSearch(name, seed, fault));
  }

  get executions(): number {
    return this.perScenario.reduce((sum, {progress}) => sum + progress.executions, 0);
  }

  /** Explores until `isEnough`, or something is found, or there is nothing more to explore. */
  run(isEnough: () => boolean): Failure | undefined {
    for (;;) {
      const searches = this.perScenario.filter(({isComplete}) => !isComplete);
      if (searches.length === 0) return undefined;
      for (const search of searches) {
        search.explore(this.#slice);
        if (search.failure !== undefined) return search.failure;
        if (isEnough()) return undefined;
      }
      this.#slice = Math.min(this.#slice * 2, 1_000);
    }
  }
}
