// Who waits in a circle is told at once, and nobody is told of who does not.
import test from 'ava';
import {watchLocks} from '../../src/debug/index.js';
import {createLock, createLocksByKey} from '../../src/index.js';
import {createLock as createSharedLock} from '../../src/shared/index.js';
import {deferred, settle, until, watch} from '../support/async.js';
import {looksPass, reportsOf} from '../support/reports.js';

const nothing = () => undefined;
const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Calls of `withLock` of one lock. */
type WithLock = (fn: () => unknown) => Promise<unknown>;

const KINDS: Record<string, () => WithLock> = {
  'one lock': () => {
    const lock = createLock();
    return (fn) => lock.withLock(fn);
  },
  'a lock by key': () => {
    const locks = createLocksByKey<string>();
    return (fn) => locks.withLock('key', fn);
  },
  'several locks by key': () => {
    const locks = createLocksByKey<string>();
    return (fn) => locks.withLocks(['one', 'two'], fn);
  },
  'a shared lock': () => {
    const lock = createSharedLock();
    return (fn) => lock.withLock(fn);
  },
};

const withOneLock = KINDS['one lock'] as () => WithLock;

/** Functions that wait for `inner`, each in its own way. */
const WAYS_TO_WAIT: Record<string, (inner: () => Promise<unknown>) => () => unknown> = {
  'is awaited': (inner) => async () => {
    await inner();
  },
  'is returned': (inner) => () => inner(),
  'is returned by an async function': (inner) => async () => inner(),
  'is awaited later': (inner) => async () => {
    const call = inner();
    await sleep(30);
    await call;
  },
  'is awaited in Promise.all': (inner) => async () => {
    await Promise.all([sleep(1), inner()]);
  },
  'is awaited in Promise.allSettled': (inner) => async () => {
    await Promise.allSettled([sleep(1), inner()]);
  },
  'is awaited through then and finally': (inner) => async () => {
    await inner().then(nothing).finally(nothing);
  },
  'is awaited through catch': (inner) => async () => {
    await inner().catch(nothing);
  },
  'is awaited by helpers': (inner) => {
    const innermost = async () => {
      await settle();
      await inner();
    };
    const middle = async () => [await innermost()];
    return async () => {
      await settle();
      await middle();
    };
  },
  'is awaited by a loop over an async generator': (inner) => {
    const values = async function* () {
      yield 1;
      yield await inner();
    };
    return async () => {
      for await (const value of values()) if (value === undefined) break;
    };
  },
  'is awaited by a thenable that fn returns': (inner) => () => ({
    then: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => {
      inner().then(resolve, reject);
    },
  }),
};

for (const [kind, make] of Object.entries(KINDS)) {
  test.serial(
    `a nested withLock of ${kind} waits for itself, as is told before any limit`,
    async (t) => {
      const reports = reportsOf(t);
      const withLock = make();
      void withLock(async () => {
        await withLock(nothing);
      });
      await until(() => reports.length > 0);
      t.like(reports, [{kind: 'waits-for-itself', certainty: 'proved'}]);
      t.like(reports[0]?.calls, [{state: 'held'}, {state: 'waiting'}]);
      await looksPass();
      t.is(reports.length, 1);
    },
  );

  test.serial(
    `a nested withLock of ${kind} waits for itself also after the outer one had to wait`,
    async (t) => {
      const reports = reportsOf(t);
      const withLock = make();
      const first = withLock(settle);
      void withLock(async () => {
        await withLock(nothing);
      });
      await first;
      await until(() => reports.length > 0);
      t.like(reports, [{kind: 'waits-for-itself', certainty: 'proved'}]);
    },
  );
}

for (const [way, waitingFor] of Object.entries(WAYS_TO_WAIT)) {
  test.serial(`a nested withLock waits for itself where it ${way}`, async (t) => {
    const reports = reportsOf(t);
    const withLock = withOneLock();
    void withLock(waitingFor(() => withLock(nothing)));
    await until(() => reports.length > 0);
    t.like(reports, [{kind: 'waits-for-itself', certainty: 'proved'}]);
    await looksPass();
    t.is(reports.length, 1);
  });
}

test.serial('the text tells where the lock is held and where the nested call waits', async (t) => {
  const reports = reportsOf(t);
  const lock = createLock(undefined, {name: 'accounts'});
  const inner = async function transfer() {
    await lock.withLock(nothing);
  };
  void (async function report() {
    await lock.withLock(inner);
  })();
  await until(() => reports.length > 0);
  const [summary, held, ...rest] = reports[0]?.text.split('\n') ?? [];
  t.is(
    summary,
    "The lock 'accounts' waits for itself: its holder waits for a call that waits for this lock.",
  );
  const here = String.raw`\(\S+circles\.test\.ts:\d+:\d+\)$`;
  t.regex(held ?? '', new RegExp(String.raw`^  held for \d+ ms, since \S+, at report ${here}`));
  const waiting = rest.find((line) => line.startsWith('  waiting'));
  t.regex(
    waiting ?? '',
    new RegExp(String.raw`^  waiting for \d+ ms, since \S+, at transfer ${here}`),
  );
  t.notRegex(reports[0]?.text ?? '', /likely/);
});

// What is no circle

/** Work that comes to its end by itself, and so waits in no circle. */
const SOUND: Record<string, () => Promise<unknown>> = {
  'nobody awaits a nested call, which takes its turn': async () => {
    const withLock = withOneLock();
    let inner: Promise<unknown> | undefined;
    await withLock(async () => {
      inner = withLock(nothing);
      await looksPass();
    });
    await inner;
  },
  'only the failure of a nested call is handled': async () => {
    const withLock = withOneLock();
    await withLock(async () => {
      withLock(nothing).catch(nothing);
      await looksPass();
    });
  },
  'any of several promises is enough for the holder': async () => {
    const withLock = withOneLock();
    await withLock(async () => {
      await Promise.any([withLock(nothing), looksPass()]);
    });
  },
  'calls of one lock stand behind each other': async () => {
    const withLock = withOneLock();
    await Promise.all(Array.from({length: 4}, () => withLock(() => sleep(20))));
  },
  'siblings of the same code take turns by guards': async () => {
    const lock = createLock();
    const sibling = async () => {
      const guard = await lock.acquire();
      await sleep(20);
      guard.release();
    };
    const parent = async () => {
      await Promise.all([sibling(), sibling(), sibling()]);
    };
    await parent();
  },
  'siblings of the same code take turns by acquireLock': async () => {
    const locks = createLocksByKey<string>();
    const sibling = async () => {
      await locks.acquireLock('key');
      await sleep(20);
      locks.releaseLock('key');
    };
    await Promise.all([sibling(), sibling(), sibling()]);
  },
  'a request waits behind another request': async () => {
    const locks = createLocksByKey<string>();
    const request = async () => {
      await locks.withLock('user', async () => {
        await locks.withLock('account', () => sleep(10));
      });
    };
    await Promise.all([request(), request(), request()]);
  },
  'walkers go hand over hand from lock to lock': async () => {
    const locks = createLocksByKey<number>();
    const walk = async () => {
      let guard = await locks.acquire(0);
      for (let key = 1; key < 5; key++) {
        const next = await locks.acquire(key);
        await sleep(5);
        guard.release();
        guard = next;
      }
      guard.release();
    };
    await Promise.all([walk(), walk(), walk()]);
  },
  'a loop takes one lock again and again': async () => {
    const lock = createLock();
    const byGuards = async () => {
      for (let round = 0; round < 5; round++) {
        const guard = await lock.acquire();
        await sleep(5);
        guard.release();
      }
    };
    const byCalls = async () => {
      for (let round = 0; round < 5; round++) await lock.withLock(() => sleep(5));
    };
    await Promise.all([byGuards(), byCalls(), byGuards(), byCalls()]);
  },
  'a lock is taken once more after its guard was released': async () => {
    const lock = createLock();
    const guard = await lock.acquire();
    guard.release();
    const other = lock.withLock(looksPass);
    const again = await lock.acquire();
    again.release();
    await other;
  },
  'two locks are always taken in the same order': async () => {
    const outer = withOneLock();
    const inner = withOneLock();
    const both = () =>
      outer(async () => {
        await inner(() => sleep(10));
      });
    await Promise.all([both(), both(), inner(() => sleep(10))]);
  },
  'groups name their keys in different orders': async () => {
    const locks = createLocksByKey<string>();
    const both = (...keys: string[]) => locks.withLocks(keys, () => sleep(10));
    await Promise.all([both('x', 'y'), both('y', 'x'), both('y', 'z'), both('z', 'x')]);
  },
};

for (const [title, work] of Object.entries(SOUND)) {
  test.serial(`nothing is told where ${title}`, async (t) => {
    const reports = reportsOf(t);
    await work();
    await looksPass();
    t.deepEqual(reports, []);
  });
}

// V8 shows whoever settles a promise of its own by the outcome of another as one who awaits it.
test.serial(
  'a holder that waits for its own lock for a limited time is told of, and goes on after that time',
  async (t) => {
    const reports = reportsOf(t);
    const withLock = withOneLock();
    const races: Record<string, (call: Promise<unknown>, end: Promise<void>) => Promise<unknown>> =
      {
        'Promise.race': (call, end) => Promise.race([call, end]),
        'new Promise': (call, end) =>
          new Promise((resolve, reject) => {
            call.then(resolve, reject);
            void end.then(() => {
              resolve(undefined);
            });
          }),
      };
    for (const [how, race] of Object.entries(races)) {
      const before = reports.length;
      const end = deferred();
      let nested: Promise<unknown> | undefined;
      const call = withLock(async () => {
        nested = withLock(() => 'nested');
        await race(nested, end.promise);
      });
      await until(() => reports.length > before);
      t.like(reports.at(-1), {kind: 'waits-for-itself', certainty: 'proved'}, how);
      end.resolve();
      await call;
      t.is(await nested, 'nested', how);
    }
  },
);

// Locks that are released by hand

const BY_HAND: Record<string, () => Promise<unknown>> = {
  'acquire twice': async () => {
    const lock = createLock();
    await lock.acquire();
    await lock.acquire();
  },
  'acquireLock twice': async () => {
    const lock = createLock();
    await lock.acquireLock();
    await lock.acquireLock();
  },
  'acquire and then withLock, by key': async () => {
    const locks = createLocksByKey<string>();
    await locks.acquire('key');
    await locks.withLock('key', nothing);
  },
  'acquireAll and then acquire': async () => {
    const locks = createLocksByKey<string>();
    await locks.acquireAll(['one', 'two']);
    await locks.acquire('two');
  },
  'tryAcquire and then acquire, of a shared lock': async () => {
    const lock = createSharedLock();
    lock.tryAcquire();
    await lock.acquire();
  },
  'acquire, after a wait, and then a helper that acquires': async () => {
    const lock = createLock();
    const first = lock.withLock(settle);
    const helper = async () => {
      await settle();
      await lock.acquire();
    };
    await lock.acquire();
    await first;
    await helper();
  },
};

for (const [title, work] of Object.entries(BY_HAND)) {
  test.serial(`it is likely, and not certain, that ${title} waits for itself`, async (t) => {
    const reports = reportsOf(t);
    void work();
    await until(() => reports.length > 0);
    t.like(reports, [{kind: 'waits-for-itself', certainty: 'likely'}]);
    t.regex(reports[0]?.text ?? '', /^ {2}This is likely but not certain: /m);
    await looksPass();
    t.is(reports.length, 1);
  });
}

test.serial('two that hold guards and wait for each other are told as likely', async (t) => {
  const reports = reportsOf(t);
  const [first, second] = [createLock(), createLock()];
  void (async () => {
    await first.acquire();
    await settle();
    await second.acquire();
  })();
  void (async () => {
    await second.acquire();
    await settle();
    await first.acquire();
  })();
  await until(() => reports.length > 0);
  t.like(reports, [{kind: 'deadlock', certainty: 'likely'}]);
});

// Circles of several

/** The lock of each step of a circle: what is held, and what is awaited. */
const steps = (calls: readonly {state: string; lock: string; key: string | undefined}[] = []) =>
  calls.map(({state, lock, key}) => `${state} ${key ?? lock}`);

/** The same circle, from the step that holds `first` on. */
function from(first: string, all: string[]): string[] {
  const start = all.indexOf(`held ${first}`);
  return [...all.slice(start), ...all.slice(0, start)];
}

for (const [kind, make] of Object.entries({createLock, 'shared createLock': createSharedLock})) {
  for (const count of [2, 3]) {
    test.serial(`a circle of ${count} locks of ${kind} is told once, step by step`, async (t) => {
      const reports = reportsOf(t);
      const locks = Array.from({length: count}, (_, n) => make(undefined, {name: `lock ${n}`}));
      for (const [n, lock] of locks.entries()) {
        void lock.withLock(async () => {
          await settle();
          await locks[(n + 1) % count]?.withLock(nothing);
        });
      }
      await until(() => reports.length > 0);
      t.like(reports, [{kind: 'deadlock', certainty: 'proved'}]);
      t.deepEqual(
        from('lock 0', steps(reports[0]?.calls)),
        locks.flatMap((_, n) => [`held lock ${n}`, `waiting lock ${(n + 1) % count}`]),
      );
      t.regex(
        reports[0]?.text ?? '',
        new RegExp(`^Deadlock: ${count} holders wait for each other in a circle\\.`),
      );
      await looksPass();
      t.is(reports.length, 1);
    });
  }
}

test.serial('a circle of three keys is told with their keys', async (t) => {
  const reports = reportsOf(t);
  const locks = createLocksByKey<string>({name: 'accounts'});
  for (const [own, next] of [
    ['ada', 'bob'],
    ['bob', 'cyd'],
    ['cyd', 'ada'],
  ] as const) {
    void locks.withLock(own, async () => {
      await settle();
      await locks.withLock(next, nothing);
    });
  }
  await until(() => reports.length > 0);
  t.like(reports, [{kind: 'deadlock', certainty: 'proved'}]);
  t.deepEqual(from("'ada'", steps(reports[0]?.calls)), [
    "held 'ada'",
    "waiting 'bob'",
    "held 'bob'",
    "waiting 'cyd'",
    "held 'cyd'",
    "waiting 'ada'",
  ]);
  t.regex(
    reports[0]?.text ?? '',
    /holds 'accounts' \(key 'bob'\), .* waits for 'accounts' \(key 'cyd'\)\.$/m,
  );
});

for (const [method, take] of [
  ['withLocks', (locks) => locks.withLocks(['x', 'y'], nothing)],
  ['acquireAll', (locks) => locks.acquireAll(['x', 'y']).then((guard) => guard.release())],
] as [string, (locks: ReturnType<typeof createLocksByKey<string>>) => Promise<unknown>][]) {
  test.serial(
    `${method} that has one key and waits for another may wait in a circle`,
    async (t) => {
      const reports = reportsOf(t);
      const locks = createLocksByKey<string>();
      void locks.withLock('y', async () => {
        await settle();
        await locks.withLock('x', nothing);
      });
      void take(locks);
      await until(() => reports.length > 0);
      t.like(reports, [{kind: 'deadlock', certainty: 'proved'}]);
      t.deepEqual(from("'x'", steps(reports[0]?.calls)), [
        "held 'x'",
        "waiting 'y'",
        "held 'y'",
        "waiting 'x'",
      ]);
      await looksPass();
      t.is(reports.length, 1);
    },
  );
}

test.serial('a circle that a hand-over closes is told, though nobody calls any more', async (t) => {
  const reports = reportsOf(t);
  const outer = createLock(undefined, {name: 'outer'});
  const inner = createLock(undefined, {name: 'inner'});
  const first = await outer.acquire();
  // Gets the outer lock by the hand-over, and calls for the inner one long before.
  const call = deferred<Promise<unknown>>();
  void outer.withLock(async () => {
    await await call.promise;
  });
  void inner.withLock(async () => {
    call.resolve(inner.withLock(nothing));
    await outer.withLock(nothing);
  });
  await looksPass();
  t.deepEqual(reports, []);
  first.release();
  await until(() => reports.length > 0);
  t.like(reports, [{kind: 'deadlock', certainty: 'proved'}]);
  t.deepEqual(from('outer', steps(reports[0]?.calls)), [
    'held outer',
    'waiting inner',
    'held inner',
    'waiting outer',
  ]);
});

test.serial('a circle that a hand-over to a call for several keys closes is told', async (t) => {
  const reports = reportsOf(t);
  const locks = createLocksByKey<string>();
  const first = await locks.acquire('x');
  const isBehind = deferred();
  void locks.withLock('y', async () => {
    await isBehind.promise;
    await locks.withLock('x', nothing);
  });
  // Whoever waits for it is known, so that nobody has to be looked for any more.
  const withLock = withOneLock();
  void withLock(() => locks.withLocks(['x', 'y'], nothing));
  await settle();
  isBehind.resolve();
  await looksPass();
  t.deepEqual(reports, []);
  first.release();
  await until(() => reports.length > 0);
  t.like(reports, [{kind: 'deadlock', certainty: 'proved'}]);
});

test.serial(
  'another call for a lock in a circle is not told of as a circle of its own',
  async (t) => {
    const reports = reportsOf(t);
    const locks = createLocksByKey<string>();
    for (const [own, next] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      void locks.withLock(own, async () => {
        await settle();
        await locks.withLock(next, nothing);
      });
    }
    await until(() => reports.length > 0);
    void locks.withLock('c', async () => {
      await locks.withLock('a', nothing);
    });
    await looksPass();
    t.is(reports.length, 1);
  },
);

test.serial('each of two circles is told', async (t) => {
  const reports = reportsOf(t);
  for (let circle = 0; circle < 2; circle++) {
    const withLock = withOneLock();
    void withLock(async () => {
      await withLock(nothing);
    });
  }
  await until(() => reports.length > 1);
  await looksPass();
  t.is(reports.length, 2);
});

test.serial(
  'every watcher is told of a circle, also one that came when it was there',
  async (t) => {
    const first = reportsOf(t);
    const second = reportsOf(t);
    const withLock = withOneLock();
    void withLock(async () => {
      await withLock(nothing);
    });
    await until(() => first.length > 0);
    t.deepEqual(second, first);
  },
);

// How a circle ends

test.serial('a circle that a release opens is not told of any more', async (t) => {
  const reports = reportsOf(t);
  const lock = createLock();
  const work = (async () => {
    await lock.acquire();
    await lock.withLock(nothing);
  })();
  await until(() => reports.length > 0);
  lock.releaseLock();
  await work;
  const sound = watch(lock.withLock(settle));
  await until(() => sound.length > 0);
  await looksPass();
  t.is(reports.length, 1);
});

for (const [kind, make] of Object.entries({createLock, 'shared createLock': createSharedLock})) {
  test.serial(
    `a circle of ${kind} with a timeout ends by its error, whose stack names the caller`,
    async (t) => {
      const reports = reportsOf(t);
      const lock = make(500);
      const waitsInVain = async () => {
        await lock.withLock(nothing);
      };
      const error = await t.throwsAsync(
        lock.withLock(async () => {
          await waitsInVain();
        }),
        {code: 'ERR_LOCK_TIMEOUT'},
      );
      t.regex(error.stack ?? '', /at async waitsInVain \(.*circles\.test\.ts:/);
      t.like(reports, [{kind: 'waits-for-itself'}]);
      t.is(await lock.withLock(() => 'free'), 'free');
      await looksPass();
      t.is(reports.length, 1);
    },
  );
}

test.serial(
  'a call that waits, and is watched no more, ends by an error whose stack names its caller',
  async (t) => {
    const lock = createLock(100);
    const stop = watchLocks({onReport: nothing});
    await lock.acquire();
    const waitsInVain = async () => {
      await lock.acquire();
    };
    const outcome = waitsInVain();
    await settle();
    stop();
    const error = await t.throwsAsync(outcome, {code: 'ERR_LOCK_TIMEOUT'});
    t.regex(error.stack ?? '', /at async waitsInVain \(.*circles\.test\.ts:/);
  },
);
