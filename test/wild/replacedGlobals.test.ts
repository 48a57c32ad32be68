// The kind: something that the lock's code uses is replaced, by a polyfill, a patch or a test,
// before the lock is loaded or after. Whatever it is, one caller is inside at a time, each gets its
// own result in its turn, and the lock is free when all are done.
import test from 'ava';
import {compiledUrl} from '../support/compiled.js';
import {runFile} from '../support/program.js';
import {fileURLToPath} from 'node:url';

const program = fileURLToPath(new URL('programs/replaced.js', import.meta.url));
const entries = [compiledUrl('src/index'), compiledUrl('src/shared/index')];

/** What went wrong for callers of any kind of lock while `things` were replaced. */
const faults = (moment: string, ...things: string[]) => faultsWith([], moment, ...things);

/** The same, with flags of Node.js. */
async function faultsWith(
  flags: readonly string[],
  moment: string,
  ...things: string[]
): Promise<string[]> {
  const args = [...entries, moment, ...things];
  const {stdout, stderr, exit} = await runFile(program, {flags, args});
  const lines = stdout.trimEnd().split('\n');
  const expected = 4 * (things.length > 1 ? things.length : 3);
  return [
    ...lines.filter((line) => !line.endsWith(': ok')),
    ...(lines.length === expected ? [] : [`${lines.length} lines instead of ${expected}`]),
    ...(exit === '0' ? [] : [`exit ${exit}`, stderr]),
  ];
}

const AT_ANY_TIME = [
  'before',
  'only while loading',
  'after',
  'after, and put back',
  'while they wait',
];

const WHEN: Record<string, string> = {
  before: 'before the lock loads',
  'only while loading': 'only while the lock loads',
  after: 'after the lock has loaded',
  'after, and put back': 'put back before the first call',
  'while they wait': 'from when callers wait',
};

for (const [replaced, thing, moments] of [
  ['Promise is Bluebird', 'Bluebird', AT_ANY_TIME],
  ['zone.js is imported', 'zone.js', ['before', 'after', 'while they wait']],
  ['Promise is a class that always throws', 'a broken class', AT_ANY_TIME.slice(1)],
  ['then of all promises is wrapped', 'a wrapping then', AT_ANY_TIME],
  ['Promise.resolve throws', 'Promise.resolve throws', ['after', 'while they wait']],
  ['Promise.resolve returns nothing', 'Promise.resolve returns nothing', AT_ANY_TIME.slice(1)],
  ['Promise.reject throws', 'Promise.reject throws', ['after', 'while they wait']],
] as const) {
  for (const moment of moments) {
    test(`one caller at a time where ${replaced}, ${WHEN[moment]}`, async (t) => {
      t.deepEqual(await faults(moment, thing), []);
    });
  }
}

const methods = (owner: string, ...names: string[]) => names.map((name) => `${owner}.${name}`);

for (const how of ['throws', 'returns nothing']) {
  for (const [what, names] of [
    ['a method of all maps', methods('Map.prototype', 'get', 'set', 'delete', 'has')],
    ['a method of all weak maps', methods('WeakMap.prototype', 'get', 'set', 'delete', 'has')],
    [
      // Not `pop`, which Node.js itself needs.
      'a method that changes arrays',
      methods('Array.prototype', 'push', 'shift', 'unshift', 'splice', 'fill', 'sort'),
    ],
    [
      'a method that reads arrays',
      methods('Array.prototype', 'slice', 'filter', 'indexOf', 'at', 'concat', 'forEach', 'map'),
    ],
    ['a method of all functions', methods('Function.prototype', 'call', 'apply', 'bind')],
    ['a step on shared memory', methods('Atomics', 'load', 'store', 'add', 'or', 'and')],
    [
      'an exchange or a wake-up in shared memory',
      methods('Atomics', 'compareExchange', 'exchange', 'notify', 'waitAsync'),
    ],
    ['a method of Object or Reflect', ['Object.assign', 'Object.create', 'Reflect.apply']],
    ['a method of typed arrays', methods('TypedArray.prototype', 'slice', 'join', 'set')],
    ['deref of weak references', ['WeakRef.prototype.deref', 'Object.prototype.toString']],
  ] as const) {
    test(`one caller at a time where ${what} ${how}`, async (t) => {
      t.deepEqual(await faults('after', ...names.map((name) => `${name} ${how}`)), []);
    });
  }
}

for (const names of [
  ['Map', 'WeakMap', 'WeakRef', 'FinalizationRegistry', 'Set', 'WeakSet'],
  ['Atomics', 'SharedArrayBuffer', 'Int32Array', 'ArrayBuffer', 'Array', 'Object', 'Function'],
  ['queueMicrotask', 'setImmediate', 'Symbol', 'Error', 'TypeError', 'RangeError'],
  ['process', 'Reflect', 'Number', 'String', 'AbortSignal', 'structuredClone'],
]) {
  const list = names.slice(0, 3).join(', ');
  test(`one caller at a time where the global ${list} and so on are useless`, async (t) => {
    t.deepEqual(await faults('after', ...names.map((name) => `global ${name}`)), []);
  });
}

for (const [what, names] of [
  // Timeouts go by whatever clock and timers there are, so a caller may be told that these fail.
  ['clocks always fail', ['global performance', 'global Date']],
  ['timers always fail', ['global setTimeout', 'global clearTimeout']],
  ['Math always fails', ['global Math', 'Math.min throws', 'Math.random throws']],
  ['then of all promises throws', ['Promise.prototype.then throws']],
  [
    'no array can be iterated',
    methods('Array.prototype', '[Symbol.iterator] throws', '[Symbol.iterator] returns nothing'),
  ],
] as const) {
  test(`at most one caller at a time, and none stranded, where ${what}`, async (t) => {
    const found = await faults('after', ...names);
    const isRefusal = (fault: string) =>
      /\d+ failed: (Error: This was replaced\.|TypeError: .*Symbol\.iterator)/.test(fault);
    t.deepEqual(
      found.filter((fault) => !isRefusal(fault)),
      [],
    );
  });
}

// The watcher is told of all that happens, and gives callers the promises that they await.
const WATCHED = ['--import', compiledUrl('src/debug/register')];

for (const how of ['throws', 'returns nothing']) {
  for (const [what, names] of [
    ['a method of all maps', methods('Map.prototype', 'get', 'set', 'delete', 'values')],
    ['a method of all weak maps', methods('WeakMap.prototype', 'get', 'set', 'delete', 'has')],
    ['a method of all functions', methods('Function.prototype', 'call', 'apply', 'bind')],
  ] as const) {
    test(`one caller at a time, while somebody watches, where ${what} ${how}`, async (t) => {
      const replaced = names.map((name) => `${name} ${how}`);
      t.deepEqual(await faultsWith(WATCHED, 'after', ...replaced), []);
    });
  }
}

test('one caller at a time, while somebody watches, where the global Array is useless', async (t) => {
  t.deepEqual(await faultsWith(WATCHED, 'after', 'global Array', 'Array.isArray throws'), []);
});
