/**
 * What a watcher costs an uncontended call: nobody watches, without stacks, with stacks, in turn.
 *
 * `npm run build && node --import=tsimp/import bench/watch.ts`
 */
interface Entry {
  createLock(): {withLock(fn: () => unknown): Promise<unknown>};
}
interface DebugEntry {
  watchLocks(options?: {stacks?: boolean}): () => void;
}

const built = (file: string) => import(new URL(`../dist/esm/${file}`, import.meta.url).href);
const {createLock} = (await built('index.js')) as Entry;
const {watchLocks} = (await built('debug/index.js')) as DebugEntry;

const CALLS = 50_000;
const ROUNDS = 12;

const lock = createLock();
const uses = {
  'withLock, asynchronous function': async () => Promise.resolve(),
  'withLock, synchronous function': () => undefined,
};
const watches = {
  'nobody watches': () => () => undefined,
  'watched, no stacks': () => watchLocks({stacks: false}),
  'watched, stacks': () => watchLocks(),
};

async function measure(fn: () => unknown): Promise<number> {
  const start = performance.now();
  for (let call = 0; call < CALLS; call++) await lock.withLock(fn);
  return ((performance.now() - start) / CALLS) * 1e6;
}

const median = (times: readonly number[]) =>
  [...times].sort((a, b) => a - b)[times.length >> 1] ?? NaN;

for (const [use, fn] of Object.entries(uses)) {
  const times = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, watch] of Object.entries(watches)) {
      const stop = watch();
      // Once to warm up, since a change of watchers is seen by optimized code.
      await measure(fn);
      times.set(name, [...(times.get(name) ?? []), await measure(fn)]);
      stop();
    }
  }
  const plain = median(times.get('nobody watches') ?? []);
  for (const [name, all] of times) {
    const time = median(all);
    console.log(`${use}: ${name}: ${time.toFixed(0)} ns, ${(time / plain).toFixed(2)} times`);
  }
}
