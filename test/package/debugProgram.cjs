// Called with the exports of `@databases/lock/debug`, of either build.
const {createLock} = require('@databases/lock');

module.exports = async function ({watchLocks, locksSnapshot}) {
  const reports = [];
  const stop = watchLocks({onReport: (report) => reports.push(report)});
  const lock = createLock(undefined, {name: 'accounts'});
  const guard = lock.tryAcquire();
  const [row] = locksSnapshot();
  if (row.lock !== 'accounts' || row.state !== 'held') throw new Error(JSON.stringify(row));
  if (!/debugProgram\.cjs/.test(row.at)) throw new Error(row.at);
  guard.release();
  stop();
};
