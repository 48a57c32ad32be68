// Run with the exports of the main entry, imported or required: throws when a lock admits two.
module.exports = async ({createLock, createLocksByKey}) => {
  const lock = createLock(30_000);
  const locks = createLocksByKey({timeoutMilliseconds: 30_000});
  const key = {};
  for (const withLock of [(fn) => lock.withLock(fn), (fn) => locks.withLock(key, fn)]) {
    let inside = 0;
    const order = await Promise.all(
      [1, 2, 3].map((n) =>
        withLock(async () => {
          if (++inside > 1) throw new Error('Two callers were inside at once');
          await new Promise((resolve) => setTimeout(resolve, 5));
          inside--;
          return n;
        }),
      ),
    );
    if (order.join() !== '1,2,3') throw new Error(`Got the results ${order}`);
  }
};
