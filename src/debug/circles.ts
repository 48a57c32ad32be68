import {outside} from '../intrinsics.js';
import {hostTimers, now} from './clock.js';
import {heldIn} from './contexts.js';
import {findCircles, type Step} from './deadlocks.js';
import type {Acquisition, Holder, Wait} from './records.js';
import type {Site} from './stacks.js';

/** How many chains are looked at before other work of the thread gets its turn. */
const PROBES = 25;

/**
 * If there are more, looking at chains takes at most this fraction (one in so many parts) of the
 * thread's time.
 */
const PROBING_SHARE = 20;

/**
 * When to look again at a call that nobody was seen to await. Afterwards, each time when it has
 * waited twice as long.
 */
const FIRST_PROBE_AGAIN_MILLISECONDS = 10;

/** The names that frames have while chains are looked at. */
const NUMBERED = /^withLock \[(\d+)\]$/;

/**
 * Finds calls that wait in a circle. It looks whenever somebody begins to wait, and now and then.
 */
export class CircleWatch {
  readonly #getHeld: () => Iterable<Acquisition>;
  readonly #getWaits: () => Iterable<Wait>;
  /** `newest` is the call that closed the circle. */
  readonly #onCircle: (circle: readonly Step[], newest: Wait) => void;

  #isChecking = false;
  #isCheckDue = false;
  #isCheckScheduled = false;
  #restUntil = 0;
  #probing: NodeJS.Timeout | undefined;

  constructor(
    getHeld: () => Iterable<Acquisition>,
    getWaits: () => Iterable<Wait>,
    onCircle: (circle: readonly Step[], newest: Wait) => void,
  ) {
    this.#getHeld = getHeld;
    this.#getWaits = getWaits;
    this.#onCircle = onCircle;
  }

  stop(): void {
    hostTimers.clearTimeout(this.#probing);
  }

  /** Looks for circles as soon as the callers have had time to await the promises that they got. */
  checkSoon(): void {
    this.#isCheckDue = true;
    this.#scheduleCheck();
  }

  #scheduleCheck(): void {
    if (!this.#isCheckDue || this.#isCheckScheduled || this.#isChecking) return;
    this.#isCheckScheduled = true;
    const rest = this.#restUntil - now();
    const check = () => void this.#check();
    outside(() => {
      if (rest > 0) hostTimers.setTimeout(check, rest);
      else hostTimers.setImmediate(check);
    });
  }

  async #check(): Promise<void> {
    this.#isCheckScheduled = false;
    this.#isCheckDue = false;
    this.#isChecking = true;
    const start = now();
    let isBusy = false;
    try {
      isBusy = await this.#probe();
      this.#reportCircles();
    } catch (error) {
      process.emitWarning(error as Error);
    }
    this.#isChecking = false;
    const end = now();
    if (isBusy) this.#restUntil = end + (end - start) * (PROBING_SHARE - 1);
    this.#scheduleCheck();
  }

  /** Finds out who awaits the calls that wait. @returns whether some calls are left for later */
  async #probe(): Promise<boolean> {
    const time = now();
    const due: Wait[] = [];
    let nextAt = Infinity;
    for (const wait of this.#getWaits()) {
      if (wait.awaiters.size > 0) continue;
      if (wait.probeAt > time) {
        nextAt = Math.min(nextAt, wait.probeAt);
        continue;
      }
      if (due.length === PROBES) {
        this.#isCheckDue = true;
        break;
      }
      due.push(wait);
      const age = time - wait.since;
      wait.probeAt = time + Math.max(age, FIRST_PROBE_AGAIN_MILLISECONDS);
      nextAt = Math.min(nextAt, wait.probeAt);
    }
    hostTimers.clearTimeout(this.#probing);
    if (nextAt < Infinity) {
      this.#probing = hostTimers.setTimeout(() => this.checkSoon(), nextAt - time).unref();
    }
    if (due.length === 0) return false;
    const numbered = new Map<string, Holder>();
    for (const {holder} of this.#getHeld()) {
      if (!holder.frame) continue;
      const number = String(numbered.size);
      rename(holder.frame, `withLock [${number}]`);
      numbered.set(number, holder);
    }
    for (const [wait, probe] of due.map((each) => [each, each.probe()] as const)) {
      const chain = await probe;
      if (chain) this.#findAwaiters(wait, chain, numbered);
    }
    for (const {frame} of numbered.values()) if (frame) rename(frame, 'withLock');
    return due.length === PROBES;
  }

  #findAwaiters(wait: Wait, chain: readonly Site[], numbered: ReadonlyMap<string, Holder>): void {
    for (const {name, file} of chain) {
      // A `Promise.any` may go on without this call.
      if (name === 'any' && file === '') return;
      const number = NUMBERED.exec(name)?.[1];
      const holder = number === undefined ? undefined : numbered.get(number);
      if (holder) wait.awaiters.set(holder, 'proved');
    }
    for (let mark = heldIn(wait.context); mark; mark = heldIn(mark.parent)) {
      const site = mark.holder?.site;
      if (!mark.holder || !site || site.position === wait.site?.position) continue;
      if (chain.some(({within}) => within === site.within)) {
        if (!wait.awaiters.has(mark.holder)) wait.awaiters.set(mark.holder, 'likely');
      }
    }
  }

  #reportCircles(): void {
    const awaited = [...this.#getWaits()].filter(({awaiters}) => awaiters.size > 0);
    for (const circle of findCircles(awaited)) {
      // A circle is reported once, by its newest call.
      const {wait} = circle.reduce((a, b) => (a.wait.since > b.wait.since ? a : b));
      this.#onCircle(circle, wait);
    }
  }
}

function rename(frame: object, name: string): void {
  Object.defineProperty(frame, 'name', {value: name, configurable: true});
}
