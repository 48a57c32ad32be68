/** How executions are chosen. */
import type {Simulation} from './execution.js';
import type {Machine, Option, Strategy} from './machine.js';

/** Makes the same execution again, from the places and numbers of the choices that were not the first option. */
export class Replay implements Strategy {
  readonly #choices: ReadonlyMap<number, number>;
  #decisions = 0;

  constructor(token: string) {
    const choices = token === '' ? [] : token.split(',');
    this.#choices = new Map(
      choices.map((choice) => choice.split('.').map(Number) as [number, number]),
    );
  }

  choose(options: readonly Option[]): number {
    const choice = this.#choices.get(this.#decisions++) ?? 0;
    return choice < options.length ? choice : 0;
  }
}

/** Leaves out of a failing execution's choices what it fails without. */
export function shorten(simulation: Simulation, found: Found): Found {
  let shortest = found;
  let choices = found.token.split(',');
  for (let i = choices.length - 1; i >= 0; i--) {
    const fewer = choices.filter((_, index) => index !== i);
    const token = fewer.join(',');
    const {failure} = simulation.run(new Replay(token));
    if (failure === undefined) continue;
    choices = fewer;
    shortest = {failure, token};
  }
  return shortest;
}

/** Writes down what another strategy chooses, as `Replay` wants it. */
class Recorded implements Strategy {
  readonly #strategy: Strategy;
  #choices: string[] = [];
  #decisions = 0;

  constructor(strategy: Strategy) {
    this.#strategy = strategy;
  }

  get token(): string {
    return this.#choices.join(',');
  }

  choose(options: readonly Option[], machine: Machine): number {
    const choice = this.#strategy.choose(options, machine);
    if (choice > 0) this.#choices.push(`${this.#decisions}.${choice}`);
    this.#decisions++;
    return choice;
  }
}

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

/** Goes on until the next `yield` at any time, and ends with what it found or when there is nothing more. */
export type Exploration = Generator<Progress, Found | undefined>;

interface Decision {
  choice: number;
  readonly costs: readonly number[];
  /** What is left of the bound before it. */
  readonly left: number;
}

/**
 * Depth first, all executions with at most so many preemptions. Where it comes to a state in which it has been with as
 * many preemptions left, it goes no further.
 */
class DepthFirst implements Strategy {
  readonly #decisions: Decision[] = [];
  readonly #bound: number;
  readonly #seen = new Map<number, number>();
  #depth = 0;
  #left: number;

  constructor(bound: number) {
    this.#bound = this.#left = bound;
  }

  choose(options: readonly Option[], machine: Machine): number {
    let decision = this.#decisions[this.#depth];
    if (decision === undefined) {
      const state = machine.hash() + options.length;
      const seen = this.#seen.get(state);
      if (seen !== undefined && seen >= this.#left) return -1;
      if (this.#seen.size < 4_000_000) this.#seen.set(state, this.#left);
      decision = {choice: 0, costs: options.map(({cost}) => cost), left: this.#left};
      this.#decisions.push(decision);
    }
    this.#depth++;
    this.#left = decision.left - (decision.costs[decision.choice] ?? 0);
    return decision.choice;
  }

  /** Prepares for the next execution. @returns whether there is one */
  next(): boolean {
    this.#depth = 0;
    this.#left = this.#bound;
    for (;;) {
      const decision = this.#decisions.at(-1);
      if (decision === undefined) return false;
      const {costs, left} = decision;
      do decision.choice++;
      while (decision.choice < costs.length && (costs[decision.choice] ?? 0) > left);
      if (decision.choice < costs.length) return true;
      this.#decisions.pop();
    }
  }
}

/** With no preemption first, then with one, and so on. */
export function* exhaustively(simulation: Simulation, preemptions: number): Exploration {
  const progress: Progress = {executions: 0, repeated: 0, preemptions: undefined};
  for (let bound = 0; bound <= preemptions; bound++) {
    const strategy = new DepthFirst(bound);
    do {
      const recorded = new Recorded(strategy);
      const {isComplete, failure} = simulation.run(recorded);
      progress.executions++;
      if (!isComplete) progress.repeated++;
      if (failure !== undefined) return {failure, token: recorded.token};
      yield progress;
    } while (strategy.next());
    progress.preemptions = bound;
  }
  return undefined;
}

/** Numbers from a seed: mulberry32. */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Threads have priorities at random, and whoever runs loses its own at a few points at random (Burckhardt et al., "A
 * Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010). Deaths and the like come at points at random, too.
 */
class Random implements Strategy {
  readonly #random: () => number;
  readonly #priorities: number[];
  /** At which decisions something is done other than to let the first by priority go on. */
  readonly #changes: Set<number>;
  readonly #ends: Set<number>;
  #decisions = 0;

  constructor(random: () => number, threads: number, ends: number, length: number) {
    this.#random = random;
    this.#priorities = Array.from({length: threads}, random);
    const points = (count: number) =>
      new Set(Array.from({length: count}, () => Math.floor(random() * length)));
    this.#changes = points(1 + Math.floor(random() * 6));
    this.#ends = points(ends);
  }

  choose(options: readonly Option[]): number {
    const random = this.#random;
    const decision = this.#decisions++;
    const priorities = this.#priorities;
    if (this.#ends.has(decision)) {
      const ends = options.flatMap(({kind}, index) =>
        kind === 'die' || kind === 'block' ? [index] : [],
      );
      if (ends.length > 0) return ends[Math.floor(random() * ends.length)] ?? 0;
    }
    const [first] = options;
    if (this.#changes.has(decision) && first !== undefined)
      priorities[first.thread.index] = -decision;
    let best = 0;
    let bestPriority = -Infinity;
    for (const [index, {thread, kind, timer}] of options.entries()) {
      if (kind === 'die' || kind === 'block') break;
      let priority = priorities[thread.index] ?? 0;
      // A timer of a thread that has something else to do: seldom, but then at once. The same where others are busy.
      if (kind === 'timer')
        priority =
          random() < 0.03
            ? 1 + random()
            : -1e6 - (timer?.due ?? 0) - (timer?.kind === 'deadline' ? 1e9 : 0);
      if (priority > bestPriority) {
        best = index;
        bestPriority = priority;
      }
    }
    return best;
  }
}

export function* randomly(simulation: Simulation, seed: number): Exploration {
  const progress: Progress = {executions: 0, repeated: 0, preemptions: undefined};
  const random = randomNumbers(seed);
  const {threads, deaths = 0, blocks = 0} = simulation.scenario;
  let length = 100;
  for (;;) {
    const strategy = new Recorded(new Random(random, threads.length, deaths + blocks, length));
    const {failure, steps} = simulation.run(strategy);
    progress.executions++;
    // Points at random are to lie within the execution.
    length = Math.round(0.9 * length + 0.1 * Math.min(steps, 1_000));
    if (failure !== undefined) return {failure, token: strategy.token};
    yield progress;
  }
}
