// Run with the exports of the shared entry, imported or required: throws when a lock admits two threads.
const {Worker} = require('node:worker_threads');

const program = `
  const {workerData, parentPort} = require('node:worker_threads');
  const {createLock} = require('@databases/lock/shared');
  const lock = createLock(30_000, {buffer: workerData.buffer});
  const counter = new Int32Array(workerData.counter);
  const count = () => {
    const before = counter[0];
    return new Promise(setImmediate).then(() => {
      counter[0] = before + 1;
    });
  };
  Promise.all(Array.from({length: 100}, () => lock.withLock(count)));
`;

module.exports = async ({createLock}) => {
  const lock = createLock(30_000);
  const counter = new SharedArrayBuffer(4);
  const threads = [1, 2, 3].map(() => {
    const workerData = {buffer: lock.buffer, counter};
    const worker = new Worker(program, {eval: true, execArgv: [], workerData});
    return new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
  });
  await Promise.all(threads);
  const total = await lock.withLock(() => new Int32Array(counter)[0]);
  if (total !== 300) throw new Error(`Counted ${total} of 300`);
};
