// Waits for a lock that nobody will release, with nothing else to do.
const [, , entry] = process.argv;
const {createLock, createLocksByKey} = await import(entry);

const lock = createLock(undefined, {name: 'accounts'});
const locks = createLocksByKey({name: 'users'});

async function forget() {
  await lock.acquire();
  await locks.acquireLock('ada');
}

async function pay() {
  await lock.withLock(() => undefined);
}

async function rename() {
  await locks.withLock('ada', () => undefined);
}

await forget();
await Promise.all([pay(), rename()]);
