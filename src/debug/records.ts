/** What a watcher keeps of those who hold locks, and of those who wait. */
import {NativePromise} from '../intrinsics.js';
import type {Waiter} from '../line/waiter.js';
import type {WatchedAcquisition, WatchedEntrance} from '../line/watching.js';
import {callersFrames, captureSites, type Captured, type Site} from './stacks.js';

/** Marks the async context of a caller that got a lock, or waits for it, until it is released. */
export interface Mark {
  holder: Holder | undefined;
  parent: Mark | undefined;
}

/** Whoever holds one lock, or several by one call. */
export class Holder {
  /** See {@link WatchedAcquisition.frame}. */
  frame: WatchedAcquisition['frame'];
  readonly call: Captured | undefined;
  isOver = false;
  /** Where the function that called `acquire` did so, of a holder that lasts. */
  site: Site | undefined;

  constructor(call: Captured | undefined) {
    this.call = call;
  }
}

/** A call for several locks. */
export class GroupHolder extends Holder implements WatchedAcquisition {
  /** How many it has. */
  held = 0;
  readonly #onLasts: (holder: Holder) => void;

  constructor(call: Captured | undefined, onLasts: (holder: Holder) => void) {
    super(call);
    this.#onLasts = onLasts;
  }

  lasts(): void {
    this.#onLasts(this);
  }

  released(): void {
    // Its locks are released one by one.
  }
}

interface Ledger {
  onReleased(acquisition: Acquisition): void;
  onLasts(holder: Holder): void;
}

/** One lock that somebody holds. */
export class Acquisition extends Holder implements WatchedAcquisition {
  readonly entrance: WatchedEntrance;
  readonly group: GroupHolder | undefined;
  /** When it began, or was seen first, by the monotonic clock. */
  since: number | undefined;
  /** Its place in the list of those that are held. */
  place = 0;
  readonly #ledger: Ledger;

  constructor(
    ledger: Ledger,
    entrance: WatchedEntrance,
    group: GroupHolder | undefined,
    call: Captured | undefined,
    since: number | undefined,
  ) {
    super(call);
    this.#ledger = ledger;
    this.entrance = entrance;
    this.group = group;
    this.since = since;
  }

  /** Who holds it. */
  get holder(): Holder {
    return this.group ?? this;
  }

  lasts(): void {
    this.#ledger.onLasts(this);
  }

  released(): void {
    this.isOver = true;
    this.#ledger.onReleased(this);
  }
}

/** A call that waits for a lock, or for several. */
export class Wait {
  readonly waiter: Waiter;
  /** Of the lock; `undefined` for a call for several as a whole. */
  readonly entrance: WatchedEntrance | undefined;
  /** The call for several that this belongs to. */
  readonly group: GroupHolder | undefined;
  readonly call: Captured | undefined;
  readonly since: number;
  /** What its caller's async context says of locks that are held. */
  readonly context: Mark | undefined;
  /** To be filled in when the caller has the lock. */
  mark: Mark | undefined;
  /** Where it was called, for comparing. */
  site: Site | undefined;

  /** Those who are shown to wait for it: proved, or only likely. */
  readonly awaiters = new Map<Holder, 'proved' | 'likely'>();
  /** When to look for them again. */
  probeAt = 0;
  /** Whether a timeout or a signal ended it. */
  hasGivenUp = false;

  /** Whether its caller was given the promise of `answer`. */
  #isAnswering = false;
  #isOver = false;
  #wake: () => void = () => undefined;
  #onChain: ((chain: readonly Site[]) => void) | undefined;

  constructor(facts: {
    waiter: Waiter;
    entrance: WatchedEntrance | undefined;
    group: GroupHolder | undefined;
    call: Captured | undefined;
    since: number;
    context: Mark | undefined;
  }) {
    this.waiter = facts.waiter;
    this.entrance = facts.entrance;
    this.group = facts.group;
    this.call = facts.call;
    this.since = facts.since;
    this.context = facts.context;
  }

  /** The wait is over, in whichever way: the promise of `answer` only follows the call's now. */
  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /**
   * Settles as `outcome`. Until the wait ends, it tells who awaits its promise when `probe` asks: a
   * stack trace that an asynchronous function captures has those who await it.
   */
  async answer(outcome: Promise<unknown>, onFailure: (error: unknown) => void): Promise<unknown> {
    this.#isAnswering = true;
    while (!this.#isOver) {
      await new NativePromise<void>((resolve) => {
        this.#wake = resolve;
      });
      const onChain = this.#onChain;
      this.#onChain = undefined;
      onChain?.(chainOf());
    }
    try {
      return await outcome;
    } catch (error) {
      onFailure(error);
      throw error;
    }
  }

  /** Who awaits the call, and who awaits those; `undefined` once it no longer waits. */
  probe(): Promise<readonly Site[]> | undefined {
    if (this.#isOver || !this.#isAnswering) return undefined;
    // Not an asynchronous function, which would call the promise's `then`.
    return new NativePromise((resolve) => {
      this.#onChain = resolve;
      this.#wake();
    });
  }

  frames(): string[] {
    return callersFrames(this.call);
  }
}

/** What fails here must not become the outcome of the call. */
function chainOf(): readonly Site[] {
  try {
    return captureSites();
  } catch {
    return [];
  }
}
