/** What a watcher keeps about the holders of locks, and about those who wait. */
import {NativePromise} from '../intrinsics.js';
import type {Waiter} from '../line/waiter.js';
import type {WatchedAcquisition, WatchedEntrance} from '../line/watching.js';
import {callersFrames, captureSites, type Captured, type Site} from './stacks.js';

/**
 * Marks the async context of a caller that waits for a lock or holds it, until the lock is
 * released.
 */
export interface Mark {
  holder: Holder | undefined;
  parent: Mark | undefined;
}

/** The holder of one lock, or of several locks that one call acquired. */
export class Holder {
  /** See {@link WatchedAcquisition.frame}. */
  frame: WatchedAcquisition['frame'];
  readonly call: Captured | undefined;
  isOver = false;
  /** The place of the call of `acquire`, or the like, of a holder that lasts. */
  site: Site | undefined;

  constructor(call: Captured | undefined) {
    this.call = call;
  }
}

/** A call for several locks. */
export class GroupHolder extends Holder implements WatchedAcquisition {
  /** How many locks it holds. */
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
    // Nothing to do: its locks report their releases one by one.
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
  /** When it began, or when it was first seen, by the monotonic clock. */
  since: number | undefined;
  /** Its index in the list of those that are held. */
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

  /** The holder of the lock. */
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
  /** The entrance of the lock; `undefined` for a call for several locks as a whole. */
  readonly entrance: WatchedEntrance | undefined;
  /** The call for several locks to which this wait belongs. */
  readonly group: GroupHolder | undefined;
  readonly call: Captured | undefined;
  readonly since: number;
  /** The locks that are held in its caller's async context. */
  readonly context: Mark | undefined;
  /** Its holder is filled in when the caller gets the lock. */
  mark: Mark | undefined;
  /** Where the call was made, to compare it with other places. */
  site: Site | undefined;

  /** The holders that wait for this call, with how sure that is. */
  readonly awaiters = new Map<Holder, 'proved' | 'likely'>();
  /** When to look for awaiting holders again. */
  probeAt = 0;
  /** Whether a timeout or a signal ended it. */
  hasGivenUp = false;

  /** Whether its caller got the promise that `answer` returns. */
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

  /**
   * Says that the wait is over, in whatever way. From now on the promise of `answer` only follows
   * the call's own.
   */
  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /**
   * Settles in the same way as `outcome`. Until the wait ends, it also answers `probe` by telling
   * who awaits its promise: if an asynchronous function captures a stack trace, that contains the
   * functions that await it.
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

  /**
   * The functions that await the call, and those that await them; `undefined` once the wait is
   * over.
   */
  probe(): Promise<readonly Site[]> | undefined {
    if (this.#isOver || !this.#isAnswering) return undefined;
    // This is not an asynchronous function, because that would call the promise's `then`.
    return new NativePromise((resolve) => {
      this.#onChain = resolve;
      this.#wake();
    });
  }

  frames(): string[] {
    return callersFrames(this.call);
  }
}

/** Captures the chain. An error here must not become the outcome of the call. */
function chainOf(): readonly Site[] {
  try {
    return captureSites();
  } catch {
    return [];
  }
}
