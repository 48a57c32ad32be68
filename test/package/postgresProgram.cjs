// Run with the exports of the entry for PostgreSQL, imported or required: throws unless a lock tells why
// there is no server.
module.exports = async ({createPostgresLocks, fromPostgresJs}) => {
  const reason = new Error('no server');
  const end = async () => undefined;
  const unsafe = async () => {
    throw reason;
  };
  for (const connect of [
    () => Promise.reject(reason),
    () => fromPostgresJs(() => ({unsafe, end})),
  ]) {
    const locks = createPostgresLocks({connect, namespace: 'package'});
    const error = await locks.withLock('key', () => undefined).catch((thrown) => thrown);
    if (error.code !== 'ERR_LOCK_UNAVAILABLE' || error.cause !== reason) throw error;
    await locks.close();
  }
};
