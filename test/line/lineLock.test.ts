import test from 'ava';
import {createLock, createLocksByKey} from '../../src/index.js';
import {INSPECT, SELF} from '../../src/line/receiver.js';
import {createLock as createSharedLock} from '../../src/shared/index.js';

/** What a lock has beside what is documented. */
const OTHERS = ['constructor', Symbol.toStringTag, INSPECT, SELF];

const LOCK = [
  'withLock',
  'acquireLock',
  'releaseLock',
  'acquire',
  'tryAcquire',
  'pool',
  'isLocked',
  'pendingCount',
];

const LOCKS_BY_KEY = [
  'withLock',
  'withLocks',
  'acquireLock',
  'releaseLock',
  'acquire',
  'acquireAll',
  'tryAcquire',
  'isLocked',
  'pendingCount',
  'size',
];

/** The names of all properties, own and inherited, but for those of every object. */
function namesOf(object: object): Set<string | symbol> {
  const names = new Set<string | symbol>();
  for (let each = object; each !== Object.prototype;) {
    for (const name of Reflect.ownKeys(each)) names.add(name);
    each = Object.getPrototypeOf(each) as object;
  }
  return names;
}

const sorted = (names: Iterable<string | symbol>) => [...names].map(String).sort();

for (const [name, lock, documented] of [
  ['a lock', createLock(1000), LOCK],
  ['locks by key', createLocksByKey({timeoutMilliseconds: 1000}), LOCKS_BY_KEY],
  [
    'a lock across threads',
    createSharedLock(1000),
    [...LOCK, 'buffer', 'withLockSync', 'acquireSync'],
  ],
] as const) {
  test(`${name} has what is documented, and nothing of its engine room`, (t) => {
    t.deepEqual(sorted(namesOf(lock)), sorted([...documented, ...OTHERS]));
  });
}

for (const [name, create] of [
  ['a lock', createLock],
  ['a lock across threads', createSharedLock],
] as const) {
  test(`${name} has no more while somebody holds it and others wait`, async (t) => {
    const lock = create(10_000);
    const before = sorted(namesOf(lock));
    const guard = await lock.acquire();
    const call = lock.withLock(() => undefined);
    t.deepEqual(sorted(namesOf(lock)), before);
    guard.release();
    await call;
  });

  test(`a guard of ${name} has nothing but its release`, async (t) => {
    const lock = create();
    const own = await lock.acquire();
    const waiter = lock.acquire();
    own.release();
    for (const guard of [own, await waiter]) {
      t.deepEqual(
        sorted(namesOf(guard)),
        sorted(['release', 'constructor', Symbol.dispose, Symbol.toStringTag]),
      );
      guard.release();
    }
  });
}

test('a lock of a key in a store of the caller has what is documented, and nothing else', async (t) => {
  const store = new Map<string, ReturnType<typeof createLock>>();
  const locks = createLocksByKey<string>({store});
  const guard = await locks.acquire('key');
  t.deepEqual(sorted(namesOf(store.get('key') as object)), sorted([...LOCK, ...OTHERS]));
  guard.release();
});
