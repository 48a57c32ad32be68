// Random schedules of acquire, release, timeout, abort, throw and pool() against the simplest model
// of a FIFO lock.
import FakeTimers from '@sinonjs/fake-timers';
import test from 'ava';
import fc from 'fast-check';
import {
  createLock,
  createLocksByKey,
  type AcquireOptions,
  type LockGuard,
} from '../../src/index.js';
import {deferred, settle} from '../support/async.js';

const TIMEOUT = 10;

type Outcome = 'waits' | 'holds' | 'done' | 'threw' | 'timed out' | 'aborted' | 'taken' | 'pooled';

type Entrance = 'withLock' | 'acquireLock' | 'acquire' | 'tryAcquire';

type Action =
  | {do: Entrance}
  | {do: 'release' | 'throw' | 'pool'}
  | {do: 'abort'; caller: number}
  | {do: 'time passes'; milliseconds: number};

/** What is under test, as one lock. */
interface Subject {
  withLock(fn: () => unknown): Promise<unknown>;
  acquireLock(): Promise<unknown>;
  releaseLock(): void;
  acquire(options: AcquireOptions): Promise<LockGuard>;
  tryAcquire(): LockGuard | undefined;
  isLocked(): boolean;
  pendingCount(): number;
  pool?(): Promise<void>;
}

interface Caller {
  outcome: Outcome;
  deadline: number;
  kind: Entrance | 'pool';
}

/** A lock is its callers in the order in which they came. */
class Model {
  now = 0;
  readonly callers: Caller[] = [];
  readonly #timeout: number;

  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  get holder() {
    return this.callers.find(({outcome}) => outcome === 'holds');
  }

  get isPooled() {
    return this.callers.some(
      ({kind, outcome}) => kind === 'pool' && (outcome === 'waits' || outcome === 'done'),
    );
  }

  enter(kind: Caller['kind']) {
    const outcome = this.isPooled
      ? 'pooled'
      : kind === 'tryAcquire' && this.holder !== undefined
        ? 'taken'
        : 'waits';
    this.callers.push({outcome, kind, deadline: this.now + this.#timeout});
    this.#admitNext();
    this.pass(0);
  }

  end(outcome: 'done' | 'threw') {
    if (this.holder !== undefined) this.holder.outcome = outcome;
    this.#admitNext();
  }

  abort(n: number) {
    const caller = this.callers[n];
    if (caller?.kind === 'acquire' && caller.outcome === 'waits') caller.outcome = 'aborted';
  }

  get pendingCount() {
    return this.callers.filter(({outcome, kind}) => outcome === 'waits' && kind !== 'pool').length;
  }

  pass(milliseconds: number) {
    this.now += milliseconds;
    for (const caller of this.callers) {
      if (caller.outcome === 'waits' && caller.deadline <= this.now) caller.outcome = 'timed out';
    }
  }

  #admitNext() {
    if (this.holder !== undefined) return;
    const next = this.callers.find(({outcome}) => outcome === 'waits');
    if (next !== undefined) next.outcome = next.kind === 'pool' ? 'done' : 'holds';
  }
}

/** The real lock, with what became of each caller written down as it happens. */
class Real {
  readonly callers: Array<{outcome: Outcome; controller: AbortController}> = [];
  readonly #subject: Subject;
  #end: ((outcome: 'done' | 'threw') => void) | undefined;

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  enter(kind: Caller['kind']) {
    const controller = new AbortController();
    const caller: {outcome: Outcome; controller: AbortController} = {outcome: 'waits', controller};
    this.callers.push(caller);
    const finish = deferred();
    const hold = (end: (outcome: 'done' | 'threw') => void) => {
      caller.outcome = 'holds';
      this.#end = end;
    };
    const holdWith = (guard: LockGuard) => {
      hold((outcome) => {
        guard.release();
        if (outcome === 'done') finish.resolve();
        else finish.reject('thrown by fn');
      });
      return finish.promise;
    };
    const call = {
      withLock: () =>
        this.#subject.withLock(async () => {
          hold((outcome) =>
            outcome === 'done' ? finish.resolve() : finish.reject('thrown by fn'),
          );
          return finish.promise;
        }),
      acquireLock: () =>
        this.#subject.acquireLock().then(() => {
          hold((outcome) => {
            this.#subject.releaseLock();
            if (outcome === 'done') finish.resolve();
            else finish.reject('thrown by fn');
          });
          return finish.promise;
        }),
      acquire: () => this.#subject.acquire({signal: controller.signal}).then(holdWith),
      tryAcquire: async () => {
        const guard = this.#subject.tryAcquire();
        return guard === undefined ? Promise.reject('taken') : holdWith(guard);
      },
      pool: () => this.#subject.pool?.() ?? Promise.resolve(),
    }[kind]();
    call.then(
      () => (caller.outcome = 'done'),
      (error: unknown) => {
        const outcomes: Record<string, Outcome> = {
          ERR_LOCK_TIMEOUT: 'timed out',
          ERR_LOCK_POOLED: 'pooled',
        };
        if (error === 'thrown by fn') caller.outcome = 'threw';
        else if (error === 'taken' || error === 'aborted') caller.outcome = error;
        else caller.outcome = outcomes[(error as {code: string}).code] ?? 'waits';
      },
    );
  }

  end(outcome: 'done' | 'threw') {
    this.#end?.(outcome);
    this.#end = undefined;
  }

  abort(n: number) {
    this.callers[n]?.controller.abort('aborted');
  }
}

const enters = fc.constantFrom<Action>(
  {do: 'withLock'},
  {do: 'acquireLock'},
  {do: 'acquire'},
  {do: 'tryAcquire'},
);
const aborts = fc.integer({min: 0, max: 15}).map((caller): Action => ({do: 'abort', caller}));
const ends = fc.constantFrom<Action>({do: 'release'}, {do: 'throw'});
const passes = fc
  .integer({min: 1, max: TIMEOUT + 1})
  .map((milliseconds): Action => ({do: 'time passes', milliseconds}));
const pools = fc.constant<Action>({do: 'pool'});

async function follows(
  timeout: number | undefined,
  subject: Subject,
  actions: readonly Action[],
  prepare?: () => unknown,
) {
  const clock = FakeTimers.install({toFake: ['setTimeout', 'clearTimeout', 'performance']});
  try {
    prepare?.();
    const model = new Model(timeout ?? Infinity);
    const real = new Real(subject);
    for (const action of actions) {
      for (const lock of [model, real]) {
        if (action.do === 'release') lock.end('done');
        else if (action.do === 'throw') lock.end('threw');
        else if (action.do === 'abort') lock.abort(action.caller);
        else if (action.do !== 'time passes') lock.enter(action.do);
      }
      if (action.do === 'time passes') {
        model.pass(action.milliseconds);
        clock.tick(action.milliseconds);
      }
      await settle();
      const outcomes = (lock: {callers: ReadonlyArray<{outcome: Outcome}>}) =>
        lock.callers.map(({outcome}) => outcome).join();
      if (outcomes(real) !== outcomes(model)) {
        throw new Error(
          `After "${action.do}" the callers are: ${outcomes(real)}, but expected: ${outcomes(model)}`,
        );
      }
      const state = [subject.isLocked(), subject.pendingCount()].join();
      const expected = [model.holder !== undefined, model.pendingCount].join();
      if (state !== expected)
        throw new Error(
          `After "${action.do}" isLocked, pendingCount are ${state}, not ${expected}`,
        );
    }
    // With the last caller gone no timer is left.
    while (model.holder !== undefined) {
      model.end('done');
      real.end('done');
      await settle();
    }
    if (timeout !== undefined) clock.tick(timeout);
    if (clock.countTimers() !== 0) throw new Error(`${clock.countTimers()} timers are left over`);
  } finally {
    clock.uninstall();
  }
}

for (const timeout of [undefined, 0, TIMEOUT]) {
  test.serial(`createLock(${timeout}) behaves like a list of callers`, async (t) => {
    const schedule = fc.array(
      fc.oneof(
        {arbitrary: enters, weight: 8},
        {arbitrary: ends, weight: 4},
        {arbitrary: aborts, weight: 2},
        passes,
        pools,
      ),
      {maxLength: 40},
    );
    await fc.assert(
      fc.asyncProperty(schedule, (actions) => {
        const lock = createLock(timeout);
        const subject: Subject = {
          withLock: (fn) => lock.withLock(fn),
          acquireLock: () => lock.acquireLock(),
          releaseLock: () => lock.releaseLock(),
          acquire: (options) => lock.acquire(options),
          tryAcquire: () => lock.tryAcquire(),
          isLocked: () => lock.isLocked,
          pendingCount: () => lock.pendingCount,
          pool: () => lock.pool(),
        };
        return follows(timeout, subject, actions);
      }),
      {numRuns: 300},
    );
    t.pass();
  });

  test.serial(
    `each key of createLocksByKey behaves like a list of callers, timeout ${timeout}`,
    async (t) => {
      const schedule = fc.array(
        fc.oneof(
          {arbitrary: enters, weight: 8},
          {arbitrary: ends, weight: 4},
          {arbitrary: aborts, weight: 2},
          passes,
        ),
        {maxLength: 40},
      );
      await fc.assert(
        fc.asyncProperty(schedule, (actions) => {
          const locks = createLocksByKey<string>({timeoutMilliseconds: timeout});
          const subject: Subject = {
            withLock: (fn) => locks.withLock('key', fn),
            acquireLock: () => locks.acquireLock('key'),
            releaseLock: () => locks.releaseLock('key'),
            acquire: (options) => locks.acquire('key', options),
            tryAcquire: () => locks.tryAcquire('key'),
            isLocked: () => locks.isLocked('key'),
            pendingCount: () => locks.pendingCount('key'),
          };
          // A neighbour with callers of its own, which shares the timer.
          const neighbours = () => [
            locks.acquireLock('neighbour'),
            locks.acquireLock('neighbour').catch(() => undefined),
          ];
          return follows(timeout, subject, actions, neighbours);
        }),
        {numRuns: 300},
      );
      t.pass();
    },
  );
}
