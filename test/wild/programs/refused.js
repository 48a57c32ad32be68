// Many waiters are refused together, each with a handler. Prints how many, and whatever Node.js says of rejections and promises.
const [, , entry, sharedEntry, kind, way, count] = process.argv;
const WAITERS = Number(count);

let events = 0;
for (const event of ['unhandledRejection', 'rejectionHandled', 'multipleResolves', 'warning']) {
  process.on(event, (what) => {
    if (events++ < 3) console.log(event, String(what));
  });
}

const {createLock} = await import(kind === 'shared' ? sharedEntry : entry);
const {createLocksByKey} = await import(entry);
const timeout = way === 'timeout' ? 500 : undefined;

let lock = createLock(timeout);
if (kind === 'key') {
  const locks = createLocksByKey({timeoutMilliseconds: timeout});
  lock = {
    withLock: (fn) => locks.withLock('key', fn),
    acquireLock: () => locks.acquireLock('key'),
    acquire: (options) => locks.acquire('key', options),
    releaseLock: () => locks.releaseLock('key'),
  };
}

const controller = new AbortController();
await lock.acquireLock();
const call = {
  withLock: () => lock.withLock(() => undefined),
  acquireLock: () => lock.acquireLock(),
  acquire: () => lock.acquire({signal: controller.signal}),
};
const ways = way === 'timeout' ? ['withLock', 'acquireLock', 'acquire'] : ['acquire'];
const codes = {};
const calls = [];
for (let n = 0; n < WAITERS; n++) {
  calls.push(
    call[ways[n % ways.length]]().catch((error) => {
      const name = error.code ?? error;
      codes[name] = (codes[name] ?? 0) + 1;
    }),
  );
}
if (way === 'abort') controller.abort('aborted');
await Promise.all(calls);
lock.releaseLock();
await new Promise((resolve) => setImmediate(resolve));
console.log(JSON.stringify(codes), events);
