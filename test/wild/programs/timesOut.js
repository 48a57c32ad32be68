// A task of Piscina's that waits in vain for a lock.
export default async function task({sharedEntry, buffer}) {
  const {createLock} = await import(sharedEntry);
  await createLock(20, {buffer}).acquireLock();
}
