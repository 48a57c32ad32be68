// Waits for a lock that nobody will release, with nothing else to do.
const [, , entry] = process.argv;
const {createLock} = require(entry);

const lock = createLock(undefined, {name: 'accounts'});

async function pay() {
  await lock.withLock(() => undefined);
}

lock.acquire().then(pay);
