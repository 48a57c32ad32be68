// A worker holds a lock until it has been reported by both threads, while the main thread waits for it.
import {isMainThread, parentPort, Worker, workerData} from 'node:worker_threads';

const {warn} = console;
/** Resolves when a report of this thread has been printed. */
const reported = new Promise((resolve) => {
  console.warn = (text) => {
    warn(text);
    resolve();
  };
});

if (isMainThread) {
  const [, , entry] = process.argv;
  const {createLock} = await import(entry);
  const lock = createLock(undefined, {name: 'accounts'});
  const worker = new Worker(new URL(import.meta.url), {
    workerData: {entry, buffer: lock.buffer},
  });
  const message = () => new Promise((resolve) => worker.once('message', resolve));
  await message();
  const workersReport = message();
  const audit = async () => {
    await lock.withLock(() => console.log('done'));
  };
  const done = audit();
  await Promise.all([reported, workersReport]);
  worker.postMessage('release');
  await done;
} else {
  const {entry, buffer} = workerData;
  const {createLock} = await import(entry);
  const lock = createLock(undefined, {buffer, name: 'accounts'});
  const toBeReleased = new Promise((resolve) => parentPort.once('message', resolve));
  const pay = async () => {
    await lock.withLock(async () => {
      parentPort.postMessage('held');
      await reported;
      parentPort.postMessage('reported');
      await toBeReleased;
    });
  };
  await pay();
}
