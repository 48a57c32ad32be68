// Two hundred realms, each with a copy of the lock's code and a lock of its own. Prints what they leave in their thread.
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';
import vm from 'node:vm';

/** The CommonJS file of the entry, and whether another realm waits for each lock. */
const [, , entry, use] = process.argv;
const nodeRequire = createRequire(import.meta.url);
const REALMS = 200;
const PATIENCE_MILLISECONDS = 5000;

process.on('warning', (warning) => console.log(`${warning.name}: ${warning.message}`));

function makeRealm() {
  const {performance, process, queueMicrotask, setTimeout, clearTimeout} = globalThis;
  const context = vm.createContext({
    performance,
    process,
    queueMicrotask,
    setTimeout,
    clearTimeout,
  });
  const modules = new Map();
  const requireFrom = (directory) => (name) => {
    if (!name.startsWith('.')) return nodeRequire(name);
    return load(path.join(directory, name));
  };
  const load = (file) => {
    const loaded = modules.get(file);
    if (loaded) return loaded.exports;
    const module = {exports: {}};
    modules.set(file, module);
    const source = `(function (exports, require, module) {${readFileSync(file, 'utf8')}\n})`;
    const run = vm.runInContext(source, context, {filename: file});
    run(module.exports, requireFrom(path.dirname(file)), module);
    return module.exports;
  };
  return {context, global: vm.runInContext('globalThis', context), ...load(entry)};
}

const refs = [];
const counts = new Set();
/** What another realm's lock is made with is gone when this returns. */
async function useRealms() {
  let last;
  for (let n = 0; n < REALMS; n++) {
    const {context, global, createLock} = makeRealm();
    refs.push(new WeakRef(context), new WeakRef(global));
    const lock = createLock(60_000);
    let inside = 0;
    const section = async () => {
      inside++;
      if (inside > 1) console.log('two are inside at once');
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
    };
    const calls = [lock.withLock(section), lock.withLock(section)];
    if (use === 'with another realm') {
      // The locks of both realms are one, and the other's caller waits in a line of its own.
      if (last) calls.push(last(60_000, {buffer: lock.buffer}).withLock(section));
      last = createLock;
    }
    await Promise.all(calls);
    counts.add(process.listenerCount('workerMessage'));
  }
}

await useRealms();
console.log(`workerMessage listeners: ${[...counts].join()}`);

const end = performance.now() + PATIENCE_MILLISECONDS;
let left;
do {
  for (let n = 0; n < 5; n++) await new Promise((resolve) => setImmediate(resolve));
  gc();
  left = refs.filter((ref) => ref.deref() !== undefined).length;
} while (left > 0 && performance.now() < end);
console.log(`${left} of ${refs.length} left`);
console.log(`workerMessage listeners in the end: ${process.listenerCount('workerMessage')}`);
