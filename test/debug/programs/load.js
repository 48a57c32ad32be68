// Two hundred callers, in every way that is sound, for two seconds. Prints how many of their calls settled, and what went wrong.
const [, , entry] = process.argv;
const {createLock, createLocksByKey} = await import(entry);

const CALLERS = 200;
const MILLISECONDS = 2000;

const counts = {calls: 0, settled: 0, together: 0};
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Checks that nobody else is inside. */
function room() {
  let inside = 0;
  return async () => {
    if (++inside > 1) counts.together++;
    await turn();
    inside--;
  };
}

const outer = createLock();
const inner = createLock();
const hasty = createLock(2);
const keys = createLocksByKey();
const rooms = {outer: room(), inner: room(), hasty: room()};
/** A group may hold one of its keys while it waits for another, so hand over hand needs others. */
const steps = createLocksByKey();
const keyRooms = Array.from({length: 5}, room);
const stepRooms = [room(), room()];
const someKey = () => Math.floor(Math.random() * keyRooms.length);

const WAYS = [
  () =>
    outer.withLock(async () => {
      await rooms.outer();
      await inner.withLock(rooms.inner);
    }),
  async () => {
    const guard = await inner.acquire();
    await rooms.inner();
    guard.release();
  },
  async () => {
    await outer.acquireLock();
    await rooms.outer();
    outer.releaseLock();
  },
  () => hasty.withLock(rooms.hasty).catch(() => undefined),
  () => inner.withLock(rooms.inner).then(turn),
  () => {
    const [one, another] = [someKey(), someKey()];
    return keys.withLocks([one, another], async () => {
      await keyRooms[one]();
      if (another !== one) await keyRooms[another]();
    });
  },
  async () => {
    const first = await steps.acquire(0);
    await stepRooms[0]();
    const next = await steps.acquire(1);
    first.release();
    await stepRooms[1]();
    next.release();
  },
  async () => {
    let later;
    await inner.withLock(async () => {
      later = inner.withLock(rooms.inner);
      await rooms.inner();
    });
    await later;
  },
  () => Promise.all([1, 2].map(() => outer.withLock(rooms.outer))),
];

const end = performance.now() + MILLISECONDS;
const caller = async () => {
  while (performance.now() < end) {
    const way = WAYS[Math.floor(Math.random() * WAYS.length)];
    counts.calls++;
    await way();
    counts.settled++;
  }
};
await Promise.all(Array.from({length: CALLERS}, caller));
console.log(`${counts.settled === counts.calls ? 'all settled' : 'some never settled'}`);
console.log(`${counts.together} times two at once`);
