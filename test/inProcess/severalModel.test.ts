// Random schedules of calls for one key and for several, of their ends, timeouts and aborts, against
// the simplest model of them: a list of callers for each key.
import FakeTimers from '@sinonjs/fake-timers';
import test from 'ava';
import fc from 'fast-check';
import {createLocksByKey, type AcquireOptions, type LocksByKey} from '../../src/index.js';
import {deferred, settle} from '../support/async.js';

const KEYS = ['a', 'b', 'c', 'd'] as const;
/** Timeouts, and the times that pass, are multiples of this. */
const SECOND = 1_000;

/**
 * What passes with each call, so that no two deadlines are the same: then it would matter who is
 * told first.
 */
const BETWEEN_CALLS = 1;

/** That of the locks, where they have one. */
const TIMEOUT = 10 * SECOND;

type Key = (typeof KEYS)[number];

type Outcome = 'waits' | 'holds' | 'done' | 'threw' | 'timed out' | 'aborted' | 'taken';

type Method = 'withLock' | 'acquireLock' | 'acquire' | 'tryAcquire' | 'withLocks' | 'acquireAll';

interface Enter {
  readonly do: Method;
  /** One, unless the method is for several. Some may be there twice. */
  readonly keys: readonly Key[];
  /** In place of that of the locks. */
  readonly timeoutMilliseconds?: number | undefined;
}

type Action =
  | Enter
  /** A number chooses among the callers that hold or wait, by its remainder. */
  | {do: 'end'; holder: number; how: 'done' | 'threw'}
  | {do: 'abort'; waiter: number}
  /** One and then the other, with nothing in between. */
  | {do: 'end and abort'; holder: number; waiter: number}
  | {do: 'time passes'; milliseconds: number};

const takesOptions = (method: Method) => method !== 'acquireLock' && method !== 'tryAcquire';

interface ModelCaller {
  readonly keys: ReadonlySet<Key>;
  readonly deadline: number;
  readonly mayBeAborted: boolean;
  outcome: Outcome;
}

/**
 * Each key has a line, which a caller is in from its call to its end. Who is first in all of its
 * lines holds its locks.
 */
class Model {
  now = 0;
  readonly callers: ModelCaller[] = [];
  readonly #lines = new Map<Key, ModelCaller[]>(KEYS.map((key) => [key, []]));
  readonly #timeout: number;

  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  enter({do: method, keys, timeoutMilliseconds: own}: Enter): void {
    const timeout =
      method === 'tryAcquire' ? 0 : ((takesOptions(method) ? own : undefined) ?? this.#timeout);
    const caller: ModelCaller = {
      keys: new Set(keys),
      deadline: this.now + timeout,
      mayBeAborted: takesOptions(method),
      outcome: 'waits',
    };
    this.callers.push(caller);
    for (const key of caller.keys) this.#line(key).push(caller);
    this.#admit();
    if (caller.outcome === 'waits' && timeout === 0) {
      this.#leave(caller, method === 'tryAcquire' ? 'taken' : 'timed out');
    }
  }

  end(n: number, how: 'done' | 'threw'): void {
    const caller = this.callers[n];
    if (caller?.outcome === 'holds') this.#leave(caller, how);
  }

  abort(n: number): void {
    const caller = this.callers[n];
    if (caller?.outcome === 'waits' && caller.mayBeAborted) this.#leave(caller, 'aborted');
  }

  /** Who is admitted by the end has not begun when its signal aborts. */
  endAndAbort(n: number, aborted: number): void {
    this.end(n, 'done');
    const caller = this.callers[aborted];
    if (caller?.mayBeAborted) this.#leave(caller, 'aborted');
  }

  pass(milliseconds: number): void {
    const end = this.now + milliseconds;
    for (;;) {
      const waiting = this.callers.filter(
        ({outcome, deadline}) => outcome === 'waits' && deadline <= end,
      );
      const next = waiting.sort((one, other) => one.deadline - other.deadline)[0];
      if (next === undefined) break;
      this.now = next.deadline;
      this.#leave(next, 'timed out');
    }
    this.now = end;
  }

  /** @returns the place of one of them among all callers; -1 if there is none */
  choose(outcome: 'holds' | 'waits', n: number): number {
    const places = this.callers.flatMap((caller, place) =>
      caller.outcome === outcome ? [place] : [],
    );
    return places[n % places.length] ?? -1;
  }

  isLocked(key: Key): boolean {
    return this.#line(key).length > 0;
  }

  pendingCount(key: Key): number {
    return Math.max(0, this.#line(key).length - 1);
  }

  #line(key: Key): ModelCaller[] {
    return this.#lines.get(key) as ModelCaller[];
  }

  #leave(caller: ModelCaller, outcome: Outcome): void {
    caller.outcome = outcome;
    for (const key of caller.keys) {
      const line = this.#line(key);
      line.splice(line.indexOf(caller), 1);
    }
    this.#admit();
  }

  #admit(): void {
    for (const caller of this.callers) {
      const isFirst = [...caller.keys].every((key) => this.#line(key)[0] === caller);
      if (caller.outcome === 'waits' && isFirst) caller.outcome = 'holds';
    }
  }
}

interface RealCaller {
  outcome: Outcome;
  readonly controller: AbortController;
  /** Of a holder. */
  end?: ((how: 'done' | 'threw') => void) | undefined;
}

/** The real locks, with what became of each caller written down as it happens. */
class Real {
  readonly callers: RealCaller[] = [];
  readonly #locks: LocksByKey<Key>;
  readonly #holders = new Map<Key, RealCaller>();

  constructor(locks: LocksByKey<Key>) {
    this.#locks = locks;
  }

  enter({do: method, keys, timeoutMilliseconds}: Enter): void {
    const locks = this.#locks;
    const controller = new AbortController();
    const caller: RealCaller = {outcome: 'waits', controller};
    this.callers.push(caller);
    const options: AcquireOptions = {signal: controller.signal, timeoutMilliseconds};
    const [key = 'a'] = keys;
    /** @param release what the holder has to do itself in the end */
    const hold = async (release?: () => void) => {
      const work = deferred();
      for (const each of keys) {
        const other = this.#holders.get(each) ?? caller;
        if (other !== caller) throw new Error(`Two holders of ${each}`);
        this.#holders.set(each, caller);
      }
      caller.outcome = 'holds';
      caller.end = (how) => {
        caller.end = undefined;
        for (const each of keys) this.#holders.delete(each);
        release?.();
        if (how === 'done') work.resolve();
        else work.reject('thrown by fn');
      };
      return work.promise;
    };
    const call = {
      withLock: () => locks.withLock(key, options, () => hold()),
      acquireLock: () => locks.acquireLock(key).then(() => hold(() => locks.releaseLock(key))),
      acquire: () => locks.acquire(key, options).then((guard) => hold(guard.release)),
      tryAcquire: async () => {
        const guard = locks.tryAcquire(key);
        return guard === undefined ? Promise.reject('taken') : hold(guard.release);
      },
      withLocks: () => locks.withLocks(keys, options, () => hold()),
      acquireAll: () => locks.acquireAll(keys, options).then((guard) => hold(guard.release)),
    }[method]();
    const ends: Record<string, Outcome> = {
      'thrown by fn': 'threw',
      taken: 'taken',
      aborted: 'aborted',
    };
    call.then(
      () => (caller.outcome = 'done'),
      (error: unknown) => {
        if (typeof error === 'string') caller.outcome = ends[error] ?? 'waits';
        else if ((error as {code?: unknown}).code === 'ERR_LOCK_TIMEOUT') {
          caller.outcome = 'timed out';
        } else caller.outcome = String(error) as Outcome;
      },
    );
  }

  end(n: number, how: 'done' | 'threw'): void {
    this.callers[n]?.end?.(how);
  }

  abort(n: number): void {
    this.callers[n]?.controller.abort('aborted');
  }
}

const choices = fc.integer({min: 0, max: 20});
const keysOf = (minLength: number, maxLength: number) =>
  fc.array(fc.constantFrom(...KEYS), {minLength, maxLength, size: 'max'});
const timeouts = fc.constantFrom(undefined, undefined, 0, 3 * SECOND, 7 * SECOND, Infinity);

const enters = fc.oneof(
  fc.record({
    do: fc.constantFrom<Method>('withLock', 'acquireLock', 'acquire', 'tryAcquire'),
    keys: keysOf(1, 1),
    timeoutMilliseconds: timeouts,
  }),
  fc.record({
    do: fc.constantFrom<Method>('withLocks', 'acquireAll'),
    keys: keysOf(0, 4),
    timeoutMilliseconds: timeouts,
  }),
);
const ends = fc.record({
  do: fc.constant('end' as const),
  holder: choices,
  how: fc.constantFrom('done' as const, 'threw' as const),
});
const aborts = fc.record({do: fc.constant('abort' as const), waiter: choices});
const endsAndAborts = fc.record({
  do: fc.constant('end and abort' as const),
  holder: choices,
  waiter: choices,
});
const passes = fc.record({
  do: fc.constant('time passes' as const),
  milliseconds: fc.integer({min: 1, max: 11}).map((seconds) => seconds * SECOND),
});

async function take(
  action: Action,
  model: Model,
  real: Real,
  tick: (milliseconds: number) => Promise<unknown>,
): Promise<void> {
  switch (action.do) {
    case 'end': {
      const holder = model.choose('holds', action.holder);
      model.end(holder, action.how);
      real.end(holder, action.how);
      return;
    }
    case 'abort': {
      const waiter = model.choose('waits', action.waiter);
      model.abort(waiter);
      real.abort(waiter);
      return;
    }
    case 'end and abort': {
      const holder = model.choose('holds', action.holder);
      const waiter = model.choose('waits', action.waiter);
      model.endAndAbort(holder, waiter);
      real.end(holder, 'done');
      real.abort(waiter);
      return;
    }
    case 'time passes':
      model.pass(action.milliseconds);
      await tick(action.milliseconds);
      return;
    default:
      model.pass(BETWEEN_CALLS);
      await tick(BETWEEN_CALLS);
      model.enter(action);
      real.enter(action);
  }
}

async function follows(timeout: number | undefined, actions: readonly Action[]): Promise<void> {
  const clock = FakeTimers.install({toFake: ['setTimeout', 'clearTimeout', 'performance']});
  try {
    const locks = createLocksByKey<Key>({timeoutMilliseconds: timeout});
    const model = new Model(timeout ?? Infinity);
    const real = new Real(locks);
    const compare = (when: string) => {
      const actual = [
        ...real.callers.map(({outcome}) => outcome),
        ...KEYS.map((key) => `${key}: ${locks.isLocked(key)} ${locks.pendingCount(key)}`),
        `${locks.size} held`,
      ].join();
      const expected = [
        ...model.callers.map(({outcome}) => outcome),
        ...KEYS.map((key) => `${key}: ${model.isLocked(key)} ${model.pendingCount(key)}`),
        `${KEYS.filter((key) => model.isLocked(key)).length} held`,
      ].join();
      if (actual !== expected) {
        throw new Error(`After "${when}" it is\n${actual}, but expected\n${expected}`);
      }
    };
    for (const action of actions) {
      await take(action, model, real, (milliseconds) => clock.tickAsync(milliseconds));
      await settle();
      compare(action.do);
    }
    // With the last caller gone nothing is left.
    for (let n = 0; n < model.callers.length; n++) {
      model.end(n, 'done');
      real.end(n, 'done');
      await settle();
      compare('the end');
    }
    if (locks.size !== 0) throw new Error(`${locks.size} keys are left over`);
    if (clock.countTimers() !== 0) throw new Error(`${clock.countTimers()} timers are left over`);
  } finally {
    clock.uninstall();
  }
}

for (const timeout of [undefined, 0, TIMEOUT]) {
  test.serial(
    `calls for several keys, beside those for one, behave like callers in lists, timeout ${timeout}`,
    async (t) => {
      const schedule: fc.Arbitrary<Action[]> = fc.array(
        fc.oneof(
          {arbitrary: enters, weight: 10},
          {arbitrary: ends, weight: 8},
          {arbitrary: aborts, weight: 2},
          {arbitrary: endsAndAborts, weight: 2},
          {arbitrary: passes, weight: 1},
        ),
        {maxLength: 60, size: 'max'},
      );
      await fc.assert(
        fc.asyncProperty(schedule, (actions) => follows(timeout, actions)),
        {numRuns: 1_000},
      );
      t.pass();
    },
  );
}
