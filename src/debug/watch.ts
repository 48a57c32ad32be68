import {createMap, createWeakMap, outside} from '../intrinsics.js';
import type {Waiter, WaiterEntrance} from '../line/waiter.js';
import {watching, type WatchedEntrance, type Watcher} from '../line/watching.js';
import {channels} from './channels.js';
import {hostTimers, now} from './clock.js';
import {CircleWatch} from './circles.js';
import {Contexts} from './contexts.js';
import {Acquisition, GroupHolder, Holder, Wait} from './records.js';
import {
  reportCircle,
  reportExit,
  reportHeld,
  reportWaiting,
  stateOfAcquisition,
  stateOfWait,
} from './reports.js';
import {captureCall, captureCallSite, type Captured} from './stacks.js';
import type {LockMessage, LockReport, LockState} from './types.js';

/** Somebody who watches: what to report, and to whom. */
export interface Reporter {
  readonly heldMilliseconds: number;
  readonly waitingMilliseconds: number;
  readonly stacks: boolean;
  readonly onReport: (report: LockReport) => void;
  /** What has been reported to it already. */
  readonly told: WeakSet<object>;
}

/** How often the watch looks for locks and calls that take too long. */
const SWEEP_MILLISECONDS = {least: 10, most: 500, perLimit: 1 / 8};

/** The holder of a call that gave up. */
const GONE = Object.assign(new Holder(undefined), {isOver: true});

/** Watches all locks of this thread: who holds them, and who waits for them. */
export class LockWatch implements Watcher {
  readonly #reporters: Reporter[] = [];
  #captures = false;
  #sweeping: NodeJS.Timeout | undefined;

  /** All acquisitions that are current, in no order. */
  #held: Acquisition[] = [];
  /**
   * The calls that wait, in the order in which they came. (A map with methods of its own, because
   * the promises of those calls depend on it.)
   */
  readonly #waits = createMap<Waiter, Wait>();
  readonly #groups = createWeakMap<object, GroupHolder>();
  readonly #contexts = new Contexts();
  readonly #circles = new CircleWatch(
    () => this.#held,
    () => this.#waits.values(),
    (circle, newest) =>
      this.#report(
        // The subject is not the call itself, because a wait that takes too long is another report.
        newest.awaiters,
        () => reportCircle(circle, holderOf),
        () => true,
      ),
  );

  // Reporters

  add(reporter: Reporter): void {
    this.#reporters.push(reporter);
    this.#onReportersChange();
  }

  remove(reporter: Reporter): void {
    const place = this.#reporters.indexOf(reporter);
    if (place >= 0) this.#reporters.splice(place, 1);
    this.#onReportersChange();
  }

  #onReportersChange(): void {
    this.#captures = this.#reporters.some(({stacks}) => stacks);
    if (!this.#captures) this.#contexts.disable();
    hostTimers.clearInterval(this.#sweeping);
    this.#circles.stop();
    const isWatched = this.#reporters.length > 0;
    watching.watcher = isWatched ? this : undefined;
    if (!isWatched) {
      // From now on the watch does not see what happens.
      for (const wait of this.#waits.values()) wait.end();
      this.#waits.clear();
      this.#held = [];
      return;
    }
    const limits = this.#reporters.flatMap((each) => [
      each.heldMilliseconds,
      each.waitingMilliseconds,
    ]);
    const {least, most, perLimit} = SWEEP_MILLISECONDS;
    const interval = Math.max(least, Math.min(Math.min(...limits) * perLimit, most));
    const sweep = () => {
      try {
        this.#sweep();
      } catch (error) {
        process.emitWarning(error as Error);
      }
    };
    this.#sweeping = outside(() => hostTimers.setInterval(sweep, interval)).unref();
  }

  #report(subject: object, report: () => LockReport, isFor: (reporter: Reporter) => boolean): void {
    let made: LockReport | undefined;
    for (const reporter of [...this.#reporters]) {
      if (reporter.told.has(subject) || !isFor(reporter)) continue;
      reporter.told.add(subject);
      made ??= report();
      try {
        reporter.onReport(made);
      } catch (error) {
        hostTimers.setImmediate(() => {
          throw error;
        });
      }
    }
  }

  // What happens in the lines

  acquired(entrance: WatchedEntrance, waiter?: Waiter, group?: object): Acquisition {
    const {acquire, release} = channels;
    const isPlain = waiter === undefined && group === undefined && !this.#captures;
    if (isPlain && !acquire.hasSubscribers && !release.hasSubscribers) {
      // This is the common case, and it must cost little (`bench/watch.ts`).
      return this.#append(new Acquisition(this, entrance, undefined, undefined, undefined));
    }
    const wait = waiter && this.#waits.get(waiter);
    if (wait) this.#endWait(wait);
    const party = wait?.group ?? this.#groupOf(group ?? waiter?.task);
    // If a call waited before the watch began, nobody knows where it was made.
    const own = waiter ? wait?.call : this.#capture();
    const call = party ? party.call : own;
    const since = this.#captures || release.hasSubscribers ? now() : undefined;
    const acquisition = this.#append(new Acquisition(this, entrance, party, call, since));
    if (party) {
      party.held++;
      // With this lock, it may have closed a circle.
      this.#circles.checkSoon();
    }
    if (wait?.mark) {
      wait.mark.holder = acquisition;
      acquisition.site = wait.site;
    }
    if (acquire.hasSubscribers) {
      const waitedMilliseconds = wait ? now() - wait.since : 0;
      acquire.publish({...this.#identify(entrance), waitedMilliseconds});
    }
    return acquisition;
  }

  gathers(group: object): GroupHolder {
    const holder = new GroupHolder(this.#capture(), (each) => {
      this.onLasts(each);
    });
    this.#groups.set(group, holder);
    return holder;
  }

  gathered(waiter: Waiter): void {
    const wait = this.#waits.get(waiter);
    if (wait) this.#endWait(wait);
  }

  waits(waiter: Waiter, outcome: Promise<unknown>): Promise<unknown> {
    if (!waiter.isWaiting) return outcome;
    const whole = this.#groupOf(waiter.entrance);
    const part = this.#groupOf(waiter.task);
    const wait = new Wait({
      waiter,
      entrance: whole ? undefined : (waiter.entrance as WatchedEntrance),
      group: whole ?? part,
      call: (whole ?? part)?.call ?? this.#capture(),
      since: now(),
      context: this.#captures ? this.#contexts.current : undefined,
    });
    this.#waits.set(waiter, wait);
    if (channels.wait.hasSubscribers && !whole) {
      channels.wait.publish(this.#identify(waiter.entrance));
    }
    if (part) {
      wait.awaiters.set(part, 'proved');
      return outcome;
    }
    this.#circles.checkSoon();
    const isLasting = waiter.args === undefined;
    if (this.#captures && (isLasting || wait.context)) wait.site = captureCallSite();
    if (this.#captures && isLasting && !whole) wait.mark = this.#contexts.enter(undefined);
    return wait.answer(outcome, (error) => {
      if (wait.hasGivenUp) this.#publishEnd(wait, error);
    });
  }

  givesUp(waiter: Waiter): void {
    const wait = this.#waits.get(waiter);
    if (!wait) return;
    wait.hasGivenUp = true;
    if (wait.mark) wait.mark.holder = GONE;
    if (wait.entrance === undefined && wait.group) wait.group.isOver = true;
    this.#endWait(wait);
  }

  turnedAway(entrance: WaiterEntrance): void {
    const group = this.#groupOf(entrance);
    if (group) group.isOver = true;
    const {timeout} = channels;
    if (timeout.hasSubscribers) {
      timeout.publish({...this.#identify(entrance), waitedMilliseconds: 0});
    }
  }

  abandoned(entrance: WaiterEntrance, threadId: number): void {
    const {abandon} = channels;
    if (abandon.hasSubscribers) abandon.publish({...this.#identify(entrance), threadId});
  }

  /** The lock of `holder` was acquired by `acquire` or the like. */
  onLasts(holder: Holder): void {
    if (!this.#captures) return;
    this.#contexts.enter(holder);
    holder.site = captureCallSite();
  }

  onReleased(acquisition: Acquisition): void {
    // An acquisition from before an earlier watch ended is not in the list.
    if (this.#held[acquisition.place] === acquisition) this.#remove(acquisition);
    const {group, since} = acquisition;
    if (group && --group.held === 0) group.isOver = true;
    const {release} = channels;
    if (since === undefined && !release.hasSubscribers) return;
    const heldMilliseconds = since === undefined ? undefined : now() - since;
    if (release.hasSubscribers) {
      release.publish({...this.#identify(acquisition.entrance), heldMilliseconds});
    }
    // The thread may have computed all the time, so that nobody has looked.
    this.#reportHeld(acquisition, heldMilliseconds ?? 0);
  }

  #publishEnd(wait: Wait, error: unknown): void {
    const isTimeout = (error as {code?: unknown} | undefined)?.code === 'ERR_LOCK_TIMEOUT';
    const ended = isTimeout ? channels.timeout : channels.abort;
    if (!ended.hasSubscribers) return;
    const waitedMilliseconds = now() - wait.since;
    ended.publish({...this.#identify(wait.waiter.entrance), waitedMilliseconds});
  }

  #endWait(wait: Wait): void {
    this.#waits.delete(wait.waiter);
    wait.end();
  }

  #capture(): Captured | undefined {
    return this.#captures ? captureCall() : undefined;
  }

  #groupOf(group: unknown): GroupHolder | undefined {
    return typeof group === 'object' && group !== null ? this.#groups.get(group) : undefined;
  }

  #identify(entrance: WaiterEntrance): LockMessage {
    const {lockName, key} = entrance.details() ?? {};
    return {lock: lockName, key};
  }

  // The locks that are held

  #append(acquisition: Acquisition): Acquisition {
    acquisition.place = this.#held.length;
    this.#held.push(acquisition);
    return acquisition;
  }

  /** The last acquisition takes its place. */
  #remove(acquisition: Acquisition): void {
    const last = this.#held.pop();
    if (last === undefined || last === acquisition) return;
    last.place = acquisition.place;
    this.#held[last.place] = last;
  }

  // What takes too long

  #sweep(): void {
    const time = now();
    for (const acquisition of [...this.#held]) {
      acquisition.since ??= time;
      this.#reportHeld(acquisition, time - acquisition.since);
    }
    for (const wait of this.#waits.values()) {
      // The watch was not told of its end if the stack had run out.
      if (wait.waiter.isWaiting) this.#reportWaiting(wait, time - wait.since);
      else this.#endWait(wait);
    }
  }

  #reportHeld(acquisition: Acquisition, milliseconds: number): void {
    this.#report(
      acquisition,
      () => reportHeld(acquisition, this.#waitsIn(acquisition.entrance)),
      ({heldMilliseconds}) => milliseconds > heldMilliseconds,
    );
  }

  /**
   * One report covers all calls that wait in a line at that moment. A call that comes later is
   * reported once it has waited for too long itself. So each line gets one report in that time.
   */
  #reportWaiting(wait: Wait, milliseconds: number): void {
    const {entrance} = wait;
    if (!entrance) return;
    this.#report(
      wait,
      () => reportWaiting(wait, entrance, holderOf(wait), this.#behind(wait, entrance)),
      ({waitingMilliseconds, told}) => {
        if (milliseconds <= waitingMilliseconds) return false;
        for (const other of this.#behind(wait, entrance)) told.add(other);
        return true;
      },
    );
  }

  #waitsIn({line}: WatchedEntrance): Wait[] {
    return [...this.#waits.values()].filter(({entrance}) => entrance?.line === line);
  }

  #behind(wait: Wait, entrance: WatchedEntrance): Wait[] {
    const waits = this.#waitsIn(entrance);
    return waits.slice(waits.indexOf(wait) + 1);
  }

  // Everything

  /** Everything that is held and awaited now. */
  snapshot(): LockState[] {
    const time = now();
    const held = [...this.#held]
      .sort((a, b) => (a.since ?? time) - (b.since ?? time))
      .map(stateOfAcquisition);
    const waiting = [...this.#waits.values()].flatMap((wait) =>
      wait.entrance ? [stateOfWait(wait, wait.entrance)] : [],
    );
    return [...held, ...waiting];
  }

  /** Reports the calls that still wait when the process ends. They will never get their locks. */
  reportExit(): void {
    const waits = [...this.#waits.values()];
    if (waits.length === 0) return;
    this.#report(
      waits,
      () => reportExit(waits, holderOf),
      () => true,
    );
  }
}

/** The acquisition of the lock that `wait` waits for, if this watch knows it. */
function holderOf({entrance}: Wait): Acquisition | undefined {
  const watched = entrance?.line.holder?.watched;
  return watched instanceof Acquisition ? watched : undefined;
}
