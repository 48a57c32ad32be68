/** How the next execution is chosen, decision by decision. */
import type {Machine, Option, Strategy} from './machine.js';

/** Makes the same execution again, by a list of the choices that were not the first option. */
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

/** Writes down what another strategy chooses, as `Replay` wants it. */
export class Recorded implements Strategy {
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

interface Decision {
  choice: number;
  readonly costs: readonly number[];
  /** What is left of the bound before it. */
  readonly left: number;
}

/**
 * Depth first, all executions with at most so many preemptions. Where it comes to a state in which
 * it has been with as many preemptions left, it goes no further.
 */
export class DepthFirst implements Strategy {
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

/**
 * Threads have priorities at random, and whoever runs loses its own at a few points at random
 * (Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs",
 * ASPLOS 2010). Deaths and the like come at points at random, too.
 */
export class RandomPriorities implements Strategy {
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
      // While anybody has something else to do, a timer fires seldom, but then at once.
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
