// `replaced.js ENTRY URL THING`: something that everybody uses is replaced once the locks are loaded.
// One caller is inside at a time even then, and the callers of one process enter in order.
import process from 'node:process';

const [entry, url, thing] = process.argv.slice(2);
const {createPostgresLocks} = await import(entry);
const {default: pg} = await import('pg');

const {setTimeout} = globalThis;
const create = () =>
  createPostgresLocks({connect: () => new pg.Client(url), namespace: `replaced ${thing}`});
const all = [create(), create()];
// `pg` itself needs most of this to connect.
for (const locks of all) await locks.isLocked('key');

const broken = () => {
  throw new Error('replaced');
};
const replace = {
  'the methods of maps': () => {
    for (const name of ['get', 'set', 'delete', 'forEach']) Map.prototype[name] = broken;
  },
  'methods of texts': () => {
    for (const name of ['split', 'slice', 'endsWith']) String.prototype[name] = broken;
  },
  'methods of arrays': () => {
    for (const name of ['indexOf', 'filter', 'at', 'concat']) Array.prototype[name] = broken;
  },
  'timers and clocks': () => {
    globalThis.setTimeout = broken;
    globalThis.setImmediate = broken;
    performance.now = () => 0;
  },
  'BigInt and AbortController': () => {
    BigInt.asIntN = broken;
    globalThis.AbortController = broken;
    globalThis.BigInt = broken;
  },
  'Promise.resolve and race': () => {
    Promise.resolve = broken;
    Promise.race = broken;
  },
};
replace[thing]();

let inside = 0;
let most = 0;
const orders = [[], []];
const calls = [];
for (let n = 0; n < 40; n++) {
  const place = n % 2;
  calls[n] = all[place].withLock('key', async ({signal}) => {
    most = Math.max(most, ++inside);
    orders[place][orders[place].length] = n;
    if (signal.aborted) console.log('aborted');
    await new Promise((resolve) => setTimeout(resolve, 1));
    inside--;
  });
}
for (let n = 0; n < 40; n++) await calls[n];
const isOrdered = (order) => {
  for (let n = 1; n < order.length; n++) if (order[n] < order[n - 1]) return false;
  return order.length === 20;
};
console.log(`most inside: ${most}, in order: ${isOrdered(orders[0]) && isOrdered(orders[1])}`);
process.exit();
