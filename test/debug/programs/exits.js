// Exits in a hurry, while a caller waits. "later" does so after the process had nothing to do for a moment.
const [, , entry, when] = process.argv;
const {createLock} = await import(entry);

const lock = createLock(undefined, {name: 'accounts'});
await lock.acquire();
void lock.withLock(() => undefined);
if (when === 'later') process.once('beforeExit', () => setTimeout(() => process.exit(3), 1));
else setTimeout(() => process.exit(3), 20);
